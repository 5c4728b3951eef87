// Parts that the views share: a list of figures, ranked bars, an empty place. Each writes a place
// anew only when what it shows has changed, so that a tap is not lost to a renewal.

import { fill, make, mark } from '../lib/dom.js';
import { number, percent } from '../lib/format.js';
import { w } from './words.js';

/** @type {WeakMap<HTMLElement, string>} */
const shown = new WeakMap();

/**
 * @param {HTMLElement} place
 * @param {unknown} what whatever the picture is made of, in words too
 * @param {() => (Node | string)[]} build
 */
export function renewed(place, what, build) {
  const text = JSON.stringify(what);
  if (shown.get(place) === text) return;
  shown.set(place, text);
  place.replaceChildren(...build());
}

/** @typedef {{name: string, value: string, unit?: string, note?: string, level?: string}} Figure */

/** @param {HTMLElement} list a `dl.figures` @param {Figure[]} rows */
export function figures(list, rows) {
  renewed(list, rows, () => rows.map(({ name, value, unit, note, level }) => {
    const dd = make('dd', '', make('span', '', value));
    if (unit) dd.append(make('small', '', unit));
    if (note) dd.append(make('span', 'note', note));
    if (level) mark(dd, 'level', level);
    return make('div', '', make('dt', '', name), dd);
  }));
}

/** @param {string} line @param {string} [why] */
export function nothing(line, why) {
  const node = make('p', 'none', make('strong', '', line));
  if (why) node.append(why);
  return node;
}

/** @param {number} share 0 to 1 @param {string} [level] */
export function bar(share, level) {
  const inner = make('i');
  fill(inner, share);
  const root = make('span', 'bar', inner);
  if (level) mark(root, 'level', level);
  return root;
}

/**
 * Rows by weight, with a bar and the share of the whole; the tail is summed up.
 * @param {HTMLElement} place
 * @param {{name: string, n: number}[]} rows
 * @param {{empty?: string, max?: number, rest?: (n: number) => string}} [how]
 */
export function ranked(place, rows, { empty = w('noRows'), max = 8 } = {}) {
  const some = rows.filter((row) => row.n > 0).sort((a, b) => b.n - a.n);
  const all = some.reduce((sum, row) => sum + row.n, 0);
  renewed(place, [some, empty], () => {
    if (some.length === 0) return [nothing(empty)];
    const lines = some.slice(0, max).map(({ name, n }) => make('li', '',
      make('span', 'name', name), make('b', '', number(n)), make('small', '', percent(n, all)), bar(n / some[0].n)));
    return [make('ol', 'ranked', ...lines)];
  });
}

/** The level of a share of the capacity. @param {number} share */
export function levelOf(share) {
  if (share >= 1) return 'full';
  if (share >= 0.9) return 'slow';
  return share >= 0.8 ? 'announce' : 'normal';
}

/** @param {string[]} heads @param {(string | Node)[][]} rows the first cell heads its row */
export function table(heads, rows) {
  const head = make('tr', '', ...heads.map((text, ix) => {
    const th = make('th', ix ? 'num' : '', text);
    th.scope = 'col';
    return th;
  }));
  const body = rows.map((cells) => make('tr', '', ...cells.map((cell, ix) => {
    if (ix) return make('td', 'num', cell);
    const th = make('th', '', cell);
    th.scope = 'row';
    return th;
  })));
  return make('table', '', make('thead', '', head), make('tbody', '', ...body));
}
