// What a view asks the server for again and again while it is seen: one question at a time, and a
// problem is told in words instead of ending the turns. Called by the views that the feed does not fill.

import { Away, Problem } from '../lib/api.js';
import { w } from './words.js';

export class Renewal {
  #seen = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #turn;
  #how;

  /** @param {{ask: () => Promise<void>, failed: (words: string) => void, show: () => void, everyMs: () => number}} how */
  constructor(how) {
    this.#how = how;
  }

  enter() {
    this.#seen = true;
    void this.now();
  }

  leave() {
    this.#seen = false;
    clearTimeout(this.#turn);
  }

  async now() {
    clearTimeout(this.#turn);
    try {
      await this.#how.ask();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      this.#how.failed(error instanceof Away ? w('away') : error.message);
    }
    if (!this.#seen) return;
    this.#how.show();
    this.#turn = setTimeout(() => void this.now(), this.#how.everyMs());
  }
}
