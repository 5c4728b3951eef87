// Whether the system itself is well: devices connected, and how long answers take.

import { byId, mark, write } from '../lib/dom.js';
import { number, percent } from '../lib/format.js';

/** @param {import('../lib/state.js').Park} park */
export function show({ today }) {
  write(byId('devices'), `${number(today.devices_online)}/${number(today.devices_total)}`);
  write(byId('devices-share'), percent(today.devices_online, today.devices_total, 1));
  const missing = today.devices_total > today.devices_online;
  mark(byId('devices'), 'level', missing ? 'announce' : 'normal');
  const { count, p50_us: p50, p99_us: p99 } = today.decision;
  write(byId('p50'), count ? number(p50 / 1000, 1) : '—');
  write(byId('p99'), count ? number(p99 / 1000, 1) : '—');
}

/** @param {number} lagMs of the newest line; clocks that disagree make it absurd */
export function showGlass(lagMs) {
  write(byId('glass'), lagMs >= 0 && lagMs < 60_000 ? number(lagMs) : '—');
}
