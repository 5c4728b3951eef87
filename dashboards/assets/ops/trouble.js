// What is wrong with a device, worst first, in words: from its standing, its alarms, its grants and
// what it says of itself. Pure: called by the lanes' overview and by a device's page.

import { age, number } from '../lib/format.js';
import { alarmName } from '../lib/i18n.js';
import { alarmsOf, feed, ms, now, store } from './store.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Device} Device */
/** `full` wants somebody now, `slow` soon, `announce` when there is time. */
/** @typedef {'full' | 'slow' | 'announce'} Level */
/** @typedef {{level: Level, text: string}} Trouble */

/** Alarms that stop a lane or a lock. */
const SEVERE = new Set(['device_offline', 'jam', 'fire', 'fault', 'tamper', 'forced', 'climb', 'held', 'clone', 'no_paper']);
const RANK = { full: 3, slow: 2, announce: 1 };

/** Facts that wait for longer than a moment. */
const QUEUE_MANY = 20;
const PAPER_LOW_PERCENT = 15;
const BATTERY_LOW_PERCENT = 20;
const SKEW_MS = 2000;
/** An error older than this is history. */
const ERROR_MS = 30 * 60_000;

/** A number of a device's telemetry. @param {Device} device @param {string} key */
export function measured(device, key) {
  const value = device.telemetry[key];
  return typeof value === 'number' ? value : null;
}

/** Facts that a device has not got rid of yet; null where it does not say. @param {Device} device */
export const unsent = (device) => measured(device, 'queue');

/** @param {Device} device @returns {Trouble[]} the worst first */
export function troubles(device) {
  /** @type {Trouble[]} */
  const found = [];
  const add = (/** @type {Level} */ level, /** @type {string} */ text) => found.push({ level, text });
  const raised = alarmsOf(device);
  if (device.status === 'pending') add('announce', w('t_pending'));
  if (device.status === 'approved' && !device.online) {
    const seen = ms(device.last_seen);
    add('full', seen ? w('t_offline', { age: age(now() - seen) }) : w('t_never'));
  }
  for (const { code, acknowledged } of raised) {
    if (code === 'device_offline') continue;
    const severe = SEVERE.has(code);
    add(acknowledged ? 'announce' : severe ? 'full' : 'slow', alarmName(code) + (acknowledged ? w('t_seen') : ''));
  }
  const overdue = store.grants.filter((grant) => grant.device === device.id && grant.overdue).length;
  if (overdue && !raised.some((alarm) => alarm.code === 'grant_silent')) add('slow', w('t_overdue', { n: overdue }));
  if (device.online) ownTroubles(device, add);
  return found.sort((a, b) => RANK[b.level] - RANK[a.level]);
}

/** @param {Device} device @param {(level: Level, text: string) => void} add */
function ownTroubles(device, add) {
  const queue = unsent(device);
  if (queue !== null && queue >= QUEUE_MANY) add('slow', w('t_queue', { n: number(queue) }));
  const lost = measured(device, 'queue_lost');
  if (lost) add('slow', w('t_lost', { n: number(lost) }));
  const paper = measured(device, 'paper_percent');
  if (paper !== null && paper < PAPER_LOW_PERCENT) add('announce', w('t_paper', { n: number(paper) }));
  const battery = measured(device, 'battery_percent');
  if (battery !== null && battery < BATTERY_LOW_PERCENT) add('announce', w('t_battery', { n: number(battery) }));
  const skew = device.clock_skew_ms;
  if (skew !== null && Math.abs(skew) > SKEW_MS) add('announce', w('t_clock', { n: number(skew / 1000, 1) }));
  if (device.config_desired !== null && device.config_desired !== device.config_version) add('announce', w('t_config'));
  const failed = ms(device.last_error?.at);
  if (failed && now() - failed < ERROR_MS) add('announce', w('t_error', { age: age(now() - failed) }));
}

/** @param {Trouble[]} found @returns {number} 0 (nothing) to 3 */
export const rank = (found) => (found.length ? RANK[found[0].level] : 0);

/** @typedef {'open' | 'free' | 'locked' | 'maintenance' | 'offline' | 'pending' | 'revoked' | 'emergency'} Standing */

/** How a device works just now. @param {Device} device @returns {Standing} */
export function standing(device) {
  if (device.status !== 'approved') return device.status;
  if (!device.online) return 'offline';
  if (store.emergency?.on && device.kind === 'turnstile') return 'emergency';
  return device.mode && device.mode !== 'normal' ? device.mode : 'open';
}

/** When a visitor last did something at a device: by the feed, which is quicker. @param {Device} device */
export function lastScan(device) {
  const told = ms(device.last_scan);
  const lane = device.lane ? feed?.park?.lanes.get(device.lane) : undefined;
  const fed = lane && lane.device === device.id ? lane.last_at : null;
  return told === null && fed === null ? null : Math.max(told ?? 0, fed ?? 0);
}
