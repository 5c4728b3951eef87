// What wants a person: alarms with acknowledge and note, grants whose lane is silent, conflicts.

import { ask } from '../lib/api.js';
import { make, mark, write } from '../lib/dom.js';
import { age, clock, number } from '../lib/format.js';
import { alarmName, say } from '../lib/i18n.js';
import { acknowledge, actButton, lackLine } from './acts.js';
import { buildGrant, showGrant } from './device.js';
import { Renewal } from './renewal.js';
import { card, none, rows } from './rows.js';
import { areaOf, gateOf, laneOf, ms, now, store } from './store.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Alarm} Alarm */
/** @typedef {import('./store.js').Conflict} Conflict */
/** @typedef {{root: HTMLElement, what: HTMLElement, where: HTMLElement, link: HTMLAnchorElement, since: HTMLElement, seen: HTMLElement, act: ReturnType<typeof actButton>, alarm: Alarm}} AlarmView */

const RENEW_MS = 15_000;

const alarms = card('alarms');
const alarmList = make('ul', 'list');
const noAlarms = none();
const lack = lackLine('release');
alarms.root.append(alarmList, noAlarms.root, lack.root);
const grants = card('grants');
const grantList = make('ul', 'list');
const noGrants = none();
grants.root.append(grantList, noGrants.root);
const conflicts = card('conflicts');
const conflictWhat = make('p', 'explain');
const conflictList = make('ul', 'list');
const noConflicts = none();
conflicts.root.append(conflictWhat, conflictList, noConflicts.root);
export const root = make('div', 'columns', make('div', 'stack', alarms.root), make('div', 'stack', grants.root, conflicts.root));

/** @type {Conflict[] | null} */
let found = null;
let problem = '';
export const enter = () => renewal.enter();
export const leave = () => renewal.leave();

const renewal = new Renewal({
  async ask() {
    found = (await ask('/api/v1/conflicts?limit=100')).conflicts;
    problem = '';
  },
  failed(words) {
    problem = words;
  },
  show: () => show(),
  everyMs: () => RENEW_MS,
});

/** @param {Alarm} alarm @returns {AlarmView} */
function build(alarm) {
  const [what, where, link, since, seenBy] = [make('b'), make('span'), make('a'), make('time'), make('small')];
  /** @type {AlarmView} */
  const view = {
    root: make('li', 'alarm'), what, where, link, since, seen: seenBy, alarm, act: actButton('plain small', 'release', () => void acknowledge(view.alarm)),
  };
  view.root.append(make('p', 'line', what, since), make('p', 'where', link, where), seenBy, view.act.node);
  return view;
}

/** @param {AlarmView} view @param {Alarm} alarm */
function showAlarm(view, alarm) {
  view.alarm = alarm;
  mark(view.root, 'seen', String(alarm.acknowledged !== null));
  mark(view.root, 'alarm', String(alarm.id));
  write(view.what, alarmName(alarm.code));
  const lane = laneOf(alarm.lane);
  const [gate, area] = [gateOf(lane?.gate), areaOf(alarm.area)];
  view.link.hidden = !alarm.device;
  view.link.href = `#/devices/${alarm.device ?? ''}`;
  write(view.link, alarm.device ?? '');
  write(view.where, [lane && `${lane.id} ${say(lane.name)}`, gate && say(gate.name), area && say(area.name)].filter(Boolean).join(' · '));
  write(view.since, w('since', { age: age(now() - (ms(alarm.since) ?? now())) }));
  const by = alarm.acknowledged;
  view.seen.hidden = !by;
  if (by) write(view.seen, [w('seenBy', { who: by.by, time: clock(ms(by.at) ?? 0) }), by.note].filter(Boolean).join(' · '));
  view.act.node.hidden = by !== null;
  view.act.show(w('acknowledge'));
}

/** @typedef {{root: HTMLElement, time: HTMLElement, note: HTMLElement, device: HTMLAnchorElement, ticket: HTMLAnchorElement}} ConflictView */

/** @returns {ConflictView} */
function buildConflict() {
  const [time, note, device, ticket] = [make('time'), make('span'), make('a'), make('a')];
  return { root: make('li', 'conflict', time, note, make('span', 'links', device, ticket)), time, note, device, ticket };
}

/** @type {Map<string, AlarmView>} */
const alarmViews = new Map();
/** @type {Map<string, import('./device.js').GrantView>} */
const grantViews = new Map();
/** @type {Map<string, ConflictView>} */
const conflictViews = new Map();

export function show() {
  write(alarms.title, w('alarmsOn'));
  write(alarms.note, store.alarms.length ? number(store.alarms.length) : '');
  const sorted = [...store.alarms].sort((a, b) => Number(a.acknowledged !== null) - Number(b.acknowledged !== null) || b.id - a.id);
  rows(alarmList, alarmViews, sorted, (alarm) => String(alarm.id), build, showAlarm);
  const there = store.heardAt.alarms !== undefined;
  noAlarms.show(sorted.length === 0, store.forbidden.alarms ? w('forbidden') : there ? w('noAlarms') : w('loading'), there ? w('noAlarmsMore') : store.forbidden.alarms ?? '');
  lack.show();
  write(grants.title, w('overdueGrants'));
  const overdue = store.grants.filter((grant) => grant.overdue);
  rows(grantList, grantViews, overdue, (grant) => grant.id, buildGrant, showGrant);
  noGrants.show(overdue.length === 0, store.forbidden.grants ? w('forbidden') : store.heardAt.grants !== undefined ? w('noOverdue') : w('loading'));
  write(conflicts.title, w('conflicts'));
  write(conflictWhat, w('conflictsWhat'));
  write(conflicts.note, found?.length ? number(found.length) : '');
  rows(conflictList, conflictViews, found ?? [], (row) => String(row.id), buildConflict, (view, row) => {
    write(view.time, clock(ms(row.at) ?? 0));
    write(view.note, row.note);
    write(view.device, row.device);
    view.device.href = `#/devices/${row.device}`;
    view.ticket.hidden = !row.ticket;
    view.ticket.href = `#/ticket/${row.ticket ?? ''}`;
    write(view.ticket, w('seeTicket'));
  });
  noConflicts.show(!found?.length, found ? w('noConflicts') : problem || w('loading'));
}
