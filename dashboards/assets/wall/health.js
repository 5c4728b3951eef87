// Whether the system itself is well: devices connected, lanes by state, and how long answers take.

import { byId, find, make, mark, repeat, write } from '../lib/dom.js';
import { number, percent } from '../lib/format.js';
import { w } from './words.js';

/** @typedef {import('../lib/state.js').Lane['condition']} Condition */

/** @type {Condition[]} */
const CONDITIONS = ['online', 'closed', 'fault', 'offline', 'unassigned'];
const states = find(byId('health'), '.lane-states');
const key = find(byId('map'), '.key');
/** @type {{root: HTMLElement, count: HTMLElement}[]} */
const stateViews = [];
/** @type {{root: HTMLElement, mark: HTMLElement, word: HTMLElement}[]} */
const keyViews = [];

/** @param {import('../lib/state.js').Park} park */
export function show({ today, lanes }) {
  write(byId('devices'), `${number(today.devices_online)}/${number(today.devices_total)}`);
  write(byId('devices-share'), percent(today.devices_online, today.devices_total, 1));
  const missing = today.devices_total > today.devices_online;
  mark(byId('devices'), 'level', missing ? 'announce' : 'normal');
  const { count, p50_us: p50, p99_us: p99 } = today.decision;
  write(byId('p50'), count ? number(p50 / 1000, 1) : '—');
  write(byId('p99'), count ? number(p99 / 1000, 1) : '—');
  showLanes([...lanes.values()]);
}

/** How many lanes are in which state, and what their marks on the map mean. @param {import('../lib/state.js').Lane[]} lanes */
function showLanes(lanes) {
  const count = (/** @type {Condition} */ what) => lanes.filter((lane) => lane.condition === what).length;
  const present = CONDITIONS.filter((what) => what === 'online' || (what !== 'unassigned' && count(what) > 0));
  repeat(states, stateViews, present, buildState, (view, what) => {
    mark(view.root, 'what', what);
    write(view.root.firstChild ?? view.root, w(`lane_${what}`));
    write(view.count, number(count(what)));
  });
  repeat(key, keyViews, CONDITIONS, buildKey, (view, what) => {
    mark(view.mark, 'condition', what);
    write(view.word, w(`lane_${what}`));
  });
}

function buildState() {
  const count = make('b');
  return { root: make('span', '', make('i'), count), count };
}

function buildKey() {
  const [cell, word] = [make('i', 'lane'), make('span')];
  return { root: make('span', '', cell, word), mark: cell, word };
}

/** @param {number} lagMs of the newest line; clocks that disagree make it absurd */
export function showGlass(lagMs) {
  write(byId('glass'), lagMs >= 0 && lagMs < 60_000 ? number(lagMs) : '—');
}
