// Today against the same weekday of last week, at the same time of day: in words, not by colour.

import { number, percent } from '../lib/format.js';
import { w } from './words.js';

const QUARTER_MS = 15 * 60_000;
const HOUR_MS = 4 * QUARTER_MS;
/** Less than this apart, in %, is the same. */
const SAME_PERCENT = 1;
/** Of so few, a share says nothing. */
const FEW = 20;

/**
 * How far `now` is from `then`, as a line to read; empty where nothing is on record.
 * @param {number} now
 * @param {number | undefined} then
 */
export function than(now, then) {
  if (then === undefined) return '';
  if (then < FEW || now > then * 3) return w('wasThen', { n: number(then) });
  const apart = Math.abs(now - then);
  if (apart * 100 < then * SAME_PERCENT) return w('same');
  return w(now > then ? 'more' : 'fewer', { percent: percent(apart, then) });
}

/**
 * Entries of last week's same hour until the same minute, out of its quarters: this hour is not
 * over, so that the whole hour of last week would be no fair measure.
 * @param {number[]} curve of last week
 * @param {number} sinceStart ms since the business day began
 */
export function hourByNow(curve, sinceStart) {
  const from = Math.floor(sinceStart / HOUR_MS) * 4;
  const quarters = (sinceStart - from * QUARTER_MS) / QUARTER_MS;
  let sum = 0;
  for (let n = 0; n < 4; n += 1) sum += (curve[from + n] ?? 0) * Math.min(1, Math.max(0, quarters - n));
  return Math.round(sum);
}
