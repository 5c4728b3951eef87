// The day's ridge on the view Now: entries per quarter hour of today, of the same weekday last week
// and of the forecast, in plain SVG, so that it stands there before any chart library has come.

import { find, make, repeat, write } from '../lib/dom.js';
import { hourMinute, number } from '../lib/format.js';

const QUARTER_MS = 15 * 60_000;
const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [1000, 300];

/**
 * @typedef {object} Curves
 * @property {number} start when the business day began, Unix ms
 * @property {number} now Unix ms
 * @property {number[]} today
 * @property {number[]} [lastWeek]
 * @property {number[]} [forecast]
 */

/** @param {string} name */
function line(name) {
  const node = document.createElementNS(SVG, 'path');
  node.setAttribute('class', name);
  return node;
}

/** A round number at or above `value` that is easy to halve. @param {number} value */
function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(20, value)));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * unit >= value) ?? 10) * unit;
}

/** @param {HTMLElement} section */
export function ridge(section) {
  const plot = find(section, '.plot');
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  const names = ['area', 'running', 'grid', 'week', 'forecast', 'edge', 'at'];
  const [area, column, grid, week, ahead, edge, at] = names.map(line);
  svg.append(area, column, grid, week, ahead, edge, at);
  const [ticks, levels] = [make('div', 'ticks'), make('div', 'levels')];
  plot.append(svg, levels, ticks);
  /** @type {{root: HTMLElement}[]} */
  const tickViews = [];
  /** @type {{root: HTMLElement}[]} */
  const levelViews = [];

  /** @param {Curves} curves */
  return ({ start, now, today, lastWeek = [], forecast = [] }) => {
    const running = Math.max(0, Math.min(today.length - 1, Math.floor((now - start) / QUARTER_MS)));
    const all = [today, lastWeek, forecast];
    const firsts = all.map((curve) => curve.findIndex((n) => n > 0)).filter((ix) => ix >= 0);
    const lasts = all.map((curve) => curve.findLastIndex((n) => n > 0));
    const from = Math.floor(Math.min(32, ...firsts) / 4) * 4;
    const until = Math.min(96, Math.max(72, running + 1, ...lasts.map((ix) => ix + 1)));
    const high = roundUp(Math.max(1, ...all.flat()) * 1.04);
    const x = (/** @type {number} */ q) => ((q - from) / (until - from)) * WIDTH;
    const y = (/** @type {number} */ n) => HEIGHT - (n / high) * HEIGHT;
    const points = (/** @type {number[]} */ curve, /** @type {number} */ a, /** @type {number} */ b) =>
      curve.slice(a, b).map((n, ix) => `${x(a + ix + 0.5).toFixed(1)} ${y(n).toFixed(1)}`);
    // The quarter that runs is no dip: the line ends with the last whole one, and it is a column.
    const whole = points(today, from, Math.max(from + 1, running));
    const [left, right] = [x(from + 0.5), x(Math.max(from + 1, running) - 0.5)];
    put(area, `M${left} ${HEIGHT}L${whole.join('L')}L${right.toFixed(1)} ${HEIGHT}Z`);
    put(edge, `M${whole.join('L')}`);
    put(column, today[running] > 0 ? `M${x(running)} ${HEIGHT}V${y(today[running])}H${x(running + 1)}V${HEIGHT}Z` : '');
    put(week, lastWeek.some((n) => n > 0) ? `M${points(lastWeek, from, until).join('L')}` : '');
    const rest = points(forecast, Math.max(from, running - 1), until);
    put(ahead, forecast.some((n) => n > 0) && rest.length > 1 ? `M${rest.join('L')}` : '');
    put(grid, [0, 0.5, 1].map((share) => `M0 ${HEIGHT * share}H${WIDTH}`).join(''));
    const here = x(Math.min(until, (now - start) / QUARTER_MS));
    put(at, now >= start && here >= 0 ? `M${here.toFixed(1)} 0V${HEIGHT}` : '');

    const hours = [];
    for (let q = from; q <= until; q += until - from > 56 ? 16 : 12) hours.push(q);
    repeat(ticks, tickViews, hours, () => ({ root: make('span') }), (view, q) => {
      write(view.root, hourMinute(start + q * QUARTER_MS));
      place(view.root, 'left', x(q) / WIDTH);
    });
    repeat(levels, levelViews, [high, high / 2], () => ({ root: make('span') }), (view, n) => {
      write(view.root, number(n));
      place(view.root, 'top', y(n) / HEIGHT);
    });
  };
}

/** @param {Element} node @param {string} d */
function put(node, d) {
  if (node.getAttribute('d') !== d) node.setAttribute('d', d);
}

/** @param {HTMLElement} node @param {'left' | 'top'} edge @param {number} share */
function place(node, edge, share) {
  const text = `${(share * 100).toFixed(2)}%`;
  if (node.style[edge] !== text) node.style[edge] = text;
}
