// What wants a person now, newest first, with how long it has been so.

import { byId, find, make, mark, repeat, write } from '../lib/dom.js';
import { age, number } from '../lib/format.js';
import { alarmName, say, t } from '../lib/i18n.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Alarm} Alarm */
/** @typedef {{root: HTMLElement, what: HTMLElement, where: HTMLElement, since: HTMLElement, at: number}} View */

const ROWS_MAX = 4;

const section = byId('alarms');
const list = find(section, 'ul');
const none = find(section, '.none');
/** @type {View[]} */
const views = [];

/** @returns {View} */
function build() {
  const [what, where, since] = [make('strong'), make('span'), make('time')];
  return { root: make('li', '', what, where, since), what, where, since, at: 0 };
}

/** @param {Park} park @param {Alarm} alarm */
function place(park, alarm) {
  const lane = alarm.lane ? park.lanes.get(alarm.lane) : undefined;
  const gate = lane ? park.gates.get(lane.gate) : undefined;
  const area = alarm.area ? park.areas.get(alarm.area) : undefined;
  const names = [gate && say(gate.name), alarm.lane ?? alarm.device, area ? say(area.name) : alarm.area];
  return names.filter(Boolean).join(' ');
}

/** @param {Park} park */
export function show(park) {
  // An emergency comes first, then what nobody has seen yet.
  const seen = (/** @type {Alarm} */ alarm) => Number(alarm.acknowledged);
  const first = (/** @type {Alarm} */ alarm) => Number(alarm.code !== 'emergency');
  const rows = [...park.alarms.values()].sort(
    (a, b) => first(a) - first(b) || seen(a) - seen(b) || b.at - a.at || b.id - a.id,
  );
  none.hidden = rows.length > 0;
  write(byId('alarm-count'), rows.length ? number(rows.length) : '');
  mark(section, 'some', String(rows.length > 0));
  const shown = rows.slice(0, ROWS_MAX);
  mark(list, 'more', rows.length > shown.length ? t('moreAlarms', { n: rows.length - shown.length }) : '');
  repeat(list, views, shown, build, (view, alarm) => {
    view.at = alarm.at;
    mark(view.root, 'id', String(alarm.id));
    mark(view.root, 'code', alarm.code);
    mark(view.root, 'seen', String(alarm.acknowledged));
    write(view.what, alarmName(alarm.code));
    write(view.where, place(park, alarm));
  });
}

/** @param {number} now the server's time */
export function showAges(now) {
  for (const view of views) {
    if (!view.root.hidden) write(view.since, t('since', { age: age(now - view.at) }));
  }
}
