// Small helpers that keep a page of days at one size: nodes are made once and written again.

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}

/** @param {ParentNode} root @param {string} selector @returns {HTMLElement} */
export function find(root, selector) {
  const node = root.querySelector(selector);
  if (!(node instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return node;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {(Node | string)[]} inside
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className, ...inside) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...inside);
  return node;
}

/** Writes only what differs, into the text node that is there. @param {Node} node @param {string} text */
export function write(node, text) {
  const held = node.firstChild;
  if (held instanceof Text && node.childNodes.length === 1) {
    if (held.data !== text) held.data = text;
  } else {
    node.textContent = text;
  }
}

/** @param {HTMLElement} node @param {string} key @param {string} value */
export function mark(node, key, value) {
  if (node.dataset[key] !== value) node.dataset[key] = value;
}

/** @param {HTMLElement} node a bar's fill @param {number} share 0 to 1 */
export function fill(node, share) {
  const scale = `scaleX(${Math.min(1, Math.max(0, share)).toFixed(4)})`;
  if (node.style.transform !== scale) node.style.transform = scale;
}

/**
 * As many children of `list` as there are rows, made once each and kept; the surplus is hidden.
 * @template Row
 * @template {{root: HTMLElement}} View
 * @param {HTMLElement} list
 * @param {View[]} views those made so far
 * @param {readonly Row[]} rows
 * @param {() => View} build
 * @param {(view: View, row: Row) => void} show
 */
export function repeat(list, views, rows, build, show) {
  rows.forEach((row, index) => {
    let view = views[index];
    if (!view) {
      view = build();
      views.push(view);
      list.append(view.root);
    }
    view.root.hidden = false;
    show(view, row);
  });
  for (const view of views.slice(rows.length)) view.root.hidden = true;
}

const still = matchMedia('(prefers-reduced-motion: reduce)');

/** @param {Element} node @param {Keyframe[]} frames @param {number} ms */
export function animate(node, frames, ms) {
  if (!still.matches && !document.hidden) node.animate(frames, { duration: ms, easing: 'ease-out' });
}
