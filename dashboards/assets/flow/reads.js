// Answers of the history API with their age: the newest good one of each address is kept, so that
// a view is there at once and a server that is away leaves the last picture. Called by main.js.

import { Away, ask } from '../lib/api.js';

/** Answers kept: a manager leafs through days, not through years. */
const KEPT_MAX = 48;

/** @typedef {{value: any, at: number}} Answer at: performance.now() when it came */

/** @type {Map<string, Answer>} */
const kept = new Map();

/** @param {string} path @returns {Answer | undefined} */
export const last = (path) => kept.get(path);

/**
 * @typedef {object} Outcome
 * @property {boolean} away the server did not answer
 * @property {import('../lib/api.js').Problem[]} refused
 */

/**
 * Asks for all of them anew.
 * @param {string[]} paths
 * @param {AbortSignal} signal
 * @returns {Promise<Outcome>}
 */
export async function renew(paths, signal) {
  /** @type {Outcome} */
  const outcome = { away: false, refused: [] };
  await Promise.all(paths.map(async (path) => {
    try {
      const value = await ask(path, { signal });
      kept.delete(path);
      kept.set(path, { value, at: performance.now() });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Away) outcome.away = true;
      else outcome.refused.push(/** @type {import('../lib/api.js').Problem} */ (error));
    }
  }));
  for (const path of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(path);
  }
  return outcome;
}
