// Today's entries per quarter hour, as a ridge. The quarter that is still running stands apart as
// an open column, since a part of a quarter is no dip.

import { byId, find, make, repeat, write } from '../lib/dom.js';
import { hourMinute, midnight, number } from '../lib/format.js';
import { t } from '../lib/i18n.js';

const QUARTER_MS = 15 * 60_000;
const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [1000, 300];

const section = byId('curve');
const plot = find(section, '.plot');
const none = find(section, '.none');

/** @param {string} tag @param {string} className */
function draw(tag, className) {
  const node = document.createElementNS(SVG, tag);
  node.setAttribute('class', className);
  return node;
}

const svg = draw('svg', '');
svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
svg.setAttribute('preserveAspectRatio', 'none');
const [grid, ridge, edge, running, top] = [
  draw('path', 'grid'), draw('path', 'ridge'), draw('path', 'edge'), draw('path', 'running'),
  draw('path', 'top'),
];
svg.append(ridge, grid, edge, running, top);
const ticks = make('div', 'ticks');
const levels = make('div', 'levels');
plot.append(svg, levels, ticks);
/** @type {{root: HTMLElement}[]} */
const tickViews = [];
/** @type {{root: HTMLElement}[]} */
const levelViews = [];

/** A round number at or above `value` that is easy to halve. @param {number} value */
function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(20, value)));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * unit >= value) ?? 10;
  return step * unit;
}

/** @param {import('../lib/state.js').Park} park */
export function show({ today, at: now }) {
  const { curve } = today;
  const start = today.starts_at ?? midnight(today.date);
  const filled = curve.findLastIndex((count) => count > 0);
  // The quarter that is running: it comes after the last one with entries, or is it.
  const last = filled < 0 ? -1 : Math.min(curve.length - 1, Math.max(filled, Math.floor((now - start) / QUARTER_MS)));
  const first = curve.findIndex((count) => count > 0);
  none.hidden = last >= 0;
  // From 6 to 20 o'clock, and further where somebody came earlier or later.
  const from = Math.min(24, first < 0 ? 24 : Math.floor(first / 4) * 4);
  const until = Math.min(Math.max(96, curve.length), Math.max(80, (Math.floor(last / 4) + 1) * 4));
  const most = Math.max(0, ...curve);
  const high = roundUp(most * 1.04);
  const x = (/** @type {number} */ at) => ((at - from) / (until - from)) * WIDTH;
  const y = (/** @type {number} */ count) => HEIGHT - (count / high) * HEIGHT;

  const whole = last < 0 ? [] : curve.slice(first, last);
  const points = whole.map((count, i) => `${x(first + i + 0.5).toFixed(1)} ${y(count).toFixed(1)}`);
  const foot = points.length
    ? [
        `${x(first).toFixed(1)} ${HEIGHT}`, ...points,
        `${x(last).toFixed(1)} ${y(curve[last - 1]).toFixed(1)}`, `${x(last).toFixed(1)} ${HEIGHT}`,
      ]
    : [];
  path(ridge, foot.length ? `M${foot.join('L')}Z` : '');
  path(edge, foot.length ? `M${foot.slice(0, -1).join('L')}` : '');
  const [left, right, roof] = last < 0 ? [0, 0, 0] : [x(last), x(last + 1), y(curve[last])];
  path(running, last < 0 ? '' : `M${left} ${HEIGHT}V${roof}H${right}V${HEIGHT}Z`);
  path(top, last < 0 ? '' : `M${left} ${roof}H${right}`);
  path(grid, (most > 0 ? [0, 0.5, 1] : [1]).map((share) => `M0 ${HEIGHT * share}H${WIDTH}`).join(''));

  const hours = [];
  for (let at = from; at <= until; at += 8) hours.push(at);
  repeat(ticks, tickViews, hours, () => ({ root: make('span') }), (view, at) => {
    write(view.root, hourMinute(start + at * QUARTER_MS));
    place(view.root, 'left', x(at) / WIDTH);
  });
  repeat(levels, levelViews, most > 0 ? [high, high / 2] : [], () => ({ root: make('span') }), (view, count) => {
    write(view.root, number(count));
    place(view.root, 'top', y(count) / HEIGHT);
  });
  const peakAt = curve.indexOf(most);
  const peak = most > 0 ? { n: number(most), time: hourMinute(start + peakAt * QUARTER_MS) } : null;
  write(byId('peak'), peak ? t('peak', peak) : '');
  plot.setAttribute('aria-label', peak ? `${t('curveLabel')} · ${t('peak', peak)}` : t('curveLabel'));
}

/** @param {Element} node @param {string} d */
function path(node, d) {
  if (node.getAttribute('d') !== d) node.setAttribute('d', d);
}

/** @param {HTMLElement} node @param {'left' | 'top'} edgeName @param {number} share */
function place(node, edgeName, share) {
  const text = `${(share * 100).toFixed(2)}%`;
  if (node.style[edgeName] !== text) node.style[edgeName] = text;
}
