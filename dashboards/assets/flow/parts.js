// Parts that the views share: a list of figures, ranked bars, an empty place. Each writes a place
// anew only when what it shows has changed, so that a tap is not lost to a renewal.

import { fill, make, mark } from '../lib/dom.js';
import { sign } from '../lib/head.js';
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
  const unfolded = place.querySelector('details')?.open ?? false;
  place.replaceChildren(...build());
  const details = place.querySelector('details');
  if (details) details.open = unfolded;
}

/** @typedef {{name: string, value: string, unit?: string, note?: string, level?: string}} Figure */

/** @param {HTMLElement} list a `dl.figures` @param {Figure[]} rows */
export function figures(list, rows) {
  renewed(list, rows, () => rows.map(({ name, value, unit, note, level }) => {
    const known = value !== '—';
    const dd = make('dd', '', make('span', '', value));
    if (unit && known) dd.append(make('small', '', unit));
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

/**
 * A view of which there is nothing to show says so once, not card by card.
 * @param {HTMLElement} panel
 * @param {{line: string, why: string} | null} what null: there is something
 */
export function blank(panel, what) {
  panel.classList.toggle('blank', what !== null);
  const held = panel.querySelector('.card.empty');
  const card = held instanceof HTMLElement ? held : make('section', 'card empty');
  if (card !== held) panel.querySelector('.cards')?.append(card);
  card.hidden = what === null;
  if (what) renewed(card, what, () => [sign('M0 40V30L15 14l12 8 18-20 14 16 10-8 18 16 12-6V40Z', '0 0 100 40'), nothing(what.line, what.why)]);
}

/** An explanation that is there when it is wanted. @param {string} summary @param {string} text */
export function more(summary, text) {
  return make('details', 'hint', make('summary', '', summary), make('p', '', text));
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
 * @param {{empty?: string, max?: number}} [how]
 */
export function ranked(place, rows, { empty = w('noRows'), max = 6 } = {}) {
  const some = rows.filter((row) => row.n > 0).sort((a, b) => b.n - a.n);
  const all = some.reduce((sum, row) => sum + row.n, 0);
  renewed(place, [some, empty], () => {
    if (some.length === 0) return [nothing(empty)];
    const tail = some.length > max ? some.slice(max - 1) : [];
    const told = some.slice(0, some.length - tail.length);
    if (tail.length) told.push({ name: w('others', { n: tail.length }), n: tail.reduce((sum, row) => sum + row.n, 0) });
    const lines = told.map(({ name, n }) => make('li', '',
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
