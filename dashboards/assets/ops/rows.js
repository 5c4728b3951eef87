// Lists whose rows come, go and change places, without building anew what is there: focus, open
// menus and typed text survive. Called by all views of this page.

import { make, mark, write } from '../lib/dom.js';

/**
 * Keeps one node for each row, in the rows' order.
 * @template Row
 * @template {{root: HTMLElement}} View
 * @param {HTMLElement} list
 * @param {Map<string, View>} views those that are there, by key
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string} key
 * @param {(row: Row) => View} build
 * @param {(view: View, row: Row) => void} show
 */
export function rows(list, views, rows, key, build, show) {
  const wanted = new Set(rows.map(key));
  for (const [held, view] of views) {
    if (wanted.has(held)) continue;
    view.root.remove();
    views.delete(held);
  }
  /** @type {Element | null} */
  let place = list.firstElementChild;
  for (const row of rows) {
    const id = key(row);
    let view = views.get(id);
    if (!view) {
      view = build(row);
      views.set(id, view);
    }
    if (view.root === place) place = place.nextElementSibling;
    else list.insertBefore(view.root, place);
    show(view, row);
  }
}

/**
 * A button with a word.
 * @param {string} className
 * @param {() => void} act
 * @param {string} [text]
 */
export function button(className, act, text = '') {
  const node = make('button', className, text);
  node.type = 'button';
  node.addEventListener('click', act);
  return node;
}

/** Title and text for where nothing is. */
export function none() {
  const [title, text] = [make('strong'), make('span')];
  const root = make('p', 'none', title, text);
  return {
    root,
    /** @param {boolean} seen @param {string} head @param {string} [more] */
    show(seen, head, more = '') {
      root.hidden = !seen;
      write(title, head);
      write(text, more);
    },
  };
}

/** A card with a heading. @param {string} className @param {(Node | string)[]} inside */
export function card(className, ...inside) {
  const [title, note] = [make('span'), make('em')];
  const heading = make('h2', '', title, note);
  const root = make('section', `card ${className}`.trim(), heading, ...inside);
  return { root, title, note, heading };
}

/** Figures with their names. @param {HTMLElement} list a `dl` */
export function figures(list) {
  /** @type {Map<string, {root: HTMLElement, name: HTMLElement, value: HTMLElement, note: HTMLElement}>} */
  const views = new Map();
  /** @param {{name: string, value: string, note?: string, level?: string, long?: boolean}[]} given */
  return (given) => rows(list, views, given, (row) => row.name, () => {
    const [name, value, note] = [make('dt'), make('span'), make('small', 'note')];
    return { root: make('div', '', name, make('dd', '', value, note)), name, value, note };
  }, (view, row) => {
    write(view.name, row.name);
    write(view.value, row.value);
    write(view.note, row.note ?? '');
    mark(view.root, 'level', row.level ?? '');
    mark(view.root, 'long', String(row.long ?? false));
  });
}
