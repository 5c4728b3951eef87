// Today against the same weekday of last week, at the same time of day: in words, not by colour.

import { number, percent } from '../lib/format.js';
import { w } from './words.js';

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
