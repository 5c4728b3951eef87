// Each area's occupancy, sub-areas under the area that they lie in.

import { byId, fill, find, make, mark, repeat, write } from '../lib/dom.js';
import { hourMinute, number, percent } from '../lib/format.js';
import { say, t } from '../lib/i18n.js';

/** @typedef {import('../lib/state.js').Area} Area */
/** @typedef {{root: HTMLElement, name: HTMLElement, level: HTMLElement, held: HTMLElement, of: HTMLElement, bar: HTMLElement}} View */

/** As many as can be read from afar. */
const ROWS_MAX = 7;

const list = find(byId('areas'), 'ul');
const none = find(byId('areas'), '.none');
/** @type {View[]} */
const views = [];

/** @returns {View} */
function build() {
  const name = make('span', 'name');
  const level = make('b', 'level');
  const held = make('span', 'held');
  const of = make('small');
  const bar = make('i');
  const share = make('span', 'share-of', of, level);
  const root = make('li', '', name, held, make('div', 'bar', bar), share);
  return { root, name, level, held, of, bar };
}

/**
 * Parents first, each followed by what lies in it.
 * @param {Area[]} all
 * @returns {{area: Area, depth: number}[]}
 */
function tree(all) {
  const known = new Set(all.map((area) => area.id));
  /** @type {{area: Area, depth: number}[]} */
  const rows = [];
  /** @param {string | undefined} parent @param {number} depth */
  const add = (parent, depth) => {
    for (const area of all) {
      const under = area.parent && known.has(area.parent) ? area.parent : undefined;
      if (under !== parent || depth > 4) continue;
      rows.push({ area, depth });
      add(area.id, depth + 1);
    }
  };
  add(undefined, 0);
  return rows;
}

/**
 * How full, and what is done about it.
 * @param {Area} area
 */
function standing(area) {
  const words = area.level === 'normal' ? [] : [t(`level_${area.level}`)];
  if (area.override_until) words.push(t('override', { time: hourMinute(area.override_until) }));
  else if (area.actions?.includes('stop_sales')) words.push(t('stopSales'));
  return words.join(' · ');
}

/** @param {import('../lib/state.js').Park} park */
export function show(park) {
  const rows = tree([...park.areas.values()]);
  const shown = rows.slice(0, rows.length > ROWS_MAX ? ROWS_MAX - 1 : ROWS_MAX);
  none.hidden = rows.length > 0;
  repeat(list, views, shown, build, (view, { area, depth }) => {
    mark(view.root, 'id', area.id);
    mark(view.root, 'level', area.level);
    mark(view.root, 'depth', String(depth));
    write(view.name, say(area.name));
    write(view.held, number(area.occupancy));
    write(view.level, standing(area));
    const { capacity } = area;
    write(view.of, capacity ? `${percent(area.occupancy, capacity)} / ${number(capacity)}` : '');
    fill(view.bar, area.capacity ? area.occupancy / area.capacity : 0);
  });
  // With many areas the bars have to do.
  mark(byId('areas'), 'dense', String(rows.length > 5));
  const more = rows.length - shown.length;
  mark(list, 'more', more > 0 ? t('moreAreas', { n: more }) : '');
}
