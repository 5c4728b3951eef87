// Three ranked lists of today: why visitors were refused, with which class of ticket they came,
// and which channel sold it to them.

import { byId, fill, find, make, mark, repeat, write } from '../lib/dom.js';
import { number, percent } from '../lib/format.js';
import { className, reasonName, t } from '../lib/i18n.js';
import { channelName } from '../lib/channels.js';

/** @typedef {{root: HTMLElement, name: HTMLElement, count: HTMLElement, bar: HTMLElement}} View */

const ROWS_MAX = 6;

class Ranks {
  /** @type {View[]} */
  #views = [];
  #list;
  #none;
  #name;
  #count;

  /**
   * @param {string} id the section
   * @param {(code: string) => string} name
   * @param {(count: number, sum: number) => string} count
   */
  constructor(id, name, count) {
    this.#list = find(byId(id), 'ul');
    this.#none = find(byId(id), '.none');
    this.#name = name;
    this.#count = count;
  }

  /** @param {Record<string, number>} counts */
  show(counts) {
    const rows = Object.entries(counts)
      .filter(([, count]) => count > 0)
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const sum = rows.reduce((all, [, count]) => all + count, 0);
    const most = rows[0]?.[1] ?? 1;
    this.#none.hidden = rows.length > 0;
    repeat(this.#list, this.#views, rows.slice(0, ROWS_MAX), build, (view, [code, count]) => {
      mark(view.root, 'code', code);
      write(view.name, this.#name(code));
      write(view.count, this.#count(count, sum));
      fill(view.bar, count / most);
    });
  }
}

/** @returns {View} */
function build() {
  const [name, count, bar] = [make('span', 'name'), make('span', 'held'), make('i')];
  return { root: make('li', '', name, count, make('div', 'bar', bar)), name, count, bar };
}

const denials = new Ranks('denials', reasonName, (count) => number(count));
const classes = new Ranks('classes', className, (count, sum) => percent(count, sum));
const channels = new Ranks('channels', channelName, (count, sum) => percent(count, sum));

/** @param {import('../lib/state.js').Park} park */
export function show({ today, past }) {
  write(byId('denied'), t('times', { n: number(today.denied) }));
  denials.show(today.by_reason);
  classes.show(today.by_class);
  channels.show(past?.by_channel ?? {});
}
