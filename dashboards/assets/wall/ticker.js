// The newest passages and refusals, newest on top. As many lines as fit, made once: the oldest one
// is written anew and moved up.

import { animate, byId, find, make, mark, write } from '../lib/dom.js';
import { clock, number } from '../lib/format.js';
import { className, reasonName, say, t } from '../lib/i18n.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Recent} Recent */
/** @typedef {{root: HTMLElement, stamp: HTMLElement, time: HTMLElement, gate: HTMLElement, lane: HTMLElement, what: HTMLElement, count: HTMLElement}} View */

const LINES = 11;
/** In a rush the lines change too fast to slide in: they would never be seen whole. */
const SLIDE_AFTER_MS = 350;
let addedAt = -Infinity;

const list = find(byId('ticker'), 'ol');
const none = find(byId('ticker'), '.none');
/** Top first. @type {View[]} */
const views = [];

/** @returns {View} */
function build() {
  const [stamp, time] = [make('b', 'stamp'), make('time')];
  const [gate, lane] = [make('span', 'gate'), make('small')];
  const [what, count] = [make('span'), make('span', 'count')];
  const place = make('span', 'place', gate, lane);
  const root = make('li', '', stamp, time, place, make('span', 'what', what, count));
  return { root, stamp, time, gate, lane, what, count };
}

/** @param {Park} park */
export function showAll(park) {
  const lines = park.recent.slice(-LINES).reverse();
  none.hidden = lines.length > 0;
  while (views.length < LINES) {
    const view = build();
    views.push(view);
    list.append(view.root);
  }
  views.forEach((view, index) => {
    const line = lines[index];
    view.root.hidden = !line;
    if (line) show(view, park, line);
    else delete view.root.dataset.n;
  });
}

/** @param {Park} park @param {Recent[]} lines oldest first */
export function add(park, lines) {
  none.hidden = true;
  const now = performance.now();
  const slide = now - addedAt > SLIDE_AFTER_MS;
  addedAt = now;
  for (const line of lines.slice(-LINES)) {
    const view = views.pop();
    if (!view) return;
    views.unshift(view);
    view.root.hidden = false;
    show(view, park, line);
    list.prepend(view.root);
    if (slide) animate(view.root, [{ opacity: 0, transform: 'translateY(-60%)' }, {}], 260);
  }
}

/** @param {View} view @param {Park} park @param {Recent} line */
function show(view, park, line) {
  const { root } = view;
  mark(root, 'n', String(line.n));
  mark(root, 'kind', line.kind);
  mark(root, 'direction', line.direction);
  write(view.stamp, t(line.kind === 'denied' ? 'no' : line.direction));
  write(view.time, clock(line.at));
  const gate = park.gates.get(line.gate);
  write(view.gate, gate ? say(gate.name) : line.gate);
  write(view.lane, line.lane);
  write(view.what, what(line));
  write(view.count, line.count > 1 ? t('persons', { n: number(line.count) }) : '');
}

/** @param {Recent} line */
function what(line) {
  if (line.kind === 'denied') return reasonName(line.reason ?? 'internal');
  if (line.kind === 'not_taken') return t('notTaken');
  return line.class ? className(line.class) : '';
}
