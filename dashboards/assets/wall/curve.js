// The day as a curve of 24 hours: today's entries per quarter hour, the same weekday of last week
// behind it, the forecast ahead of it with its peak. One chart, kept for days: it is told of a
// change at most once a second, and of nothing else. The library is large and comes after the
// first picture.

import { byId, find, make, mark, repeat, write } from '../lib/dom.js';
import { hourMinute, midnight, number, percent } from '../lib/format.js';
import { spoken, t } from '../lib/i18n.js';
import { w } from './words.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../vendor/echarts.js').Chart} Chart */

const QUARTER_MS = 15 * 60_000;
const DRAW_MS = 1000;
const RETRY_MS = 5000;

const section = byId('curve');
const plot = find(section, '.plot');
const none = find(section, '.none');
const legend = find(section, '.series');
/** @type {{root: HTMLElement}[]} */
const legendViews = [];
/** @type {Chart | null} */
let chart = null;
/** @type {Park | null} */
let shown = null;
/** What was drawn last. */
let drawn = '';
let drawnAt = -Infinity;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;

/** @param {number} attempt */
async function load(attempt) {
  try {
    // A module that failed is remembered as failed under its address: another try needs another.
    const url = attempt ? `../vendor/echarts.js?again=${attempt}` : '../vendor/echarts.js';
    /** @type {typeof import('../vendor/echarts.js')} */
    const { init } = await import(url);
    chart = init(plot, null, { renderer: 'canvas' });
    section.dataset.chart = 'there';
    drawn = '';
    draw();
  } catch {
    section.dataset.chart = 'away';
    setTimeout(() => void load(attempt + 1), RETRY_MS);
    if (shown) show(shown);
  }
}
void load(0);

new ResizeObserver(() => {
  chart?.resize();
  drawn = '';
  if (shown) draw();
}).observe(plot);

/** @param {Park} park */
export function show(park) {
  shown = park;
  const { today, past } = park;
  const quiet = !past?.last_week && !past?.forecast && today.entries === 0;
  const away = section.dataset.chart === 'away';
  none.hidden = !quiet && !away;
  write(none, away ? w('chartAway') : t('noEntries'));
  showLegend(park);
  if (later !== undefined) return;
  const wait = drawnAt + DRAW_MS - performance.now();
  if (wait <= 0) draw();
  else later = setTimeout(draw, wait);
}

/** @param {Park} park */
function showLegend({ today, past, at }) {
  const forecast = past?.forecast;
  const week = past?.last_week;
  const rows = [
    { what: 'unit', text: w('shapeUnit') },
    { what: 'today', text: `${w('seriesToday')} ${number(today.entries)}` },
    ...(week ? [{ what: 'week', text: `${w('seriesLastWeek')} ${number(week.entries)}` }] : []),
    forecast
      ? { what: 'forecast', text: `${w('seriesForecast')} ${number(forecast.entries)}` }
      : { what: 'nothing', text: week ? w('forecastLater') : w('noWeek') },
  ];
  repeat(legend, legendViews, rows, () => ({ root: make('span') }), ({ root }, row) => {
    mark(root, 'what', row.what);
    write(root, row.text);
  });
  write(byId('peak'), forecast ? peakText(forecast, at) : '');
  plot.setAttribute('aria-label', [w('shapeLabel'), ...rows.map((row) => row.text), byId('peak').textContent].join(' · '));
}

/** @param {import('../lib/state.js').Forecast} forecast @param {number} now */
function peakText(forecast, now) {
  const values = { time: hourMinute(forecast.peak_at), n: number(forecast.peak_in_site) };
  if (forecast.peak_at <= now) return w('peakWas', values);
  const error = forecast.error_percent;
  const known = error !== undefined && error !== null;
  return w('peakExpected', values) + (known ? w('plusMinus', { percent: percent(Math.ceil(error), 100) }) : '');
}

/** Draws what differs from the last drawing. */
function draw() {
  clearTimeout(later);
  later = undefined;
  if (!chart || !shown) return;
  const { today, past, at } = shown;
  const start = today.starts_at ?? midnight(today.date);
  const quarters = Math.max(96, today.curve.length);
  const running = Math.min(quarters - 1, Math.max(0, Math.floor((at - start) / QUARTER_MS)));
  const em = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const key = JSON.stringify([today.curve, running, past, spoken(), em, start]);
  if (key === drawn) return;
  drawn = key;
  drawnAt = performance.now();
  chart.setOption(picture(shown, { start, quarters, running, em }), { lazyUpdate: true });
}

/**
 * @param {Park} park
 * @param {{start: number, quarters: number, running: number, em: number}} frame
 */
function picture({ today, past, at }, { start, quarters, running, em }) {
  const forecast = past?.forecast;
  const line = { type: 'line', symbol: 'none', smooth: 0.25, smoothMonotone: 'x', silent: true, animation: false };
  // A point stands in the middle of its quarter. The one that is running is a column of its own: a
  // part of a quarter is no dip.
  const points = (/** @type {number[]} */ curve, from = 0, until = quarters) =>
    curve.slice(from, until).map((count, n) => [from + n + 0.5, count]);
  const ahead = forecast ? points(forecast.curve, Math.max(0, running - 1)) : [];
  const error = (forecast?.error_percent ?? 0) / 100;
  const band = error > 0 ? ahead.map(([x, count]) => [x, count * (1 - error)]) : [];
  const spread = error > 0 ? ahead.map(([x, count]) => [x, count * 2 * error]) : [];
  const label = { color: '#a9bab7', fontSize: 1.125 * em };
  const peakAt = forecast ? (forecast.peak_at - start) / QUARTER_MS : null;
  const marks = [
    { xAxis: (at - start) / QUARTER_MS, lineStyle: { color: '#edf3f1', width: 0.1 * em, type: 'solid' }, label: { show: false } },
    ...(peakAt !== null && peakAt >= 0 && peakAt <= quarters
      ? [{ xAxis: peakAt, lineStyle: { color: '#edf3f1', width: 0.12 * em, type: [0.3 * em, 0.3 * em] },
          label: { formatter: `${w('peakMark')} ${hourMinute(forecast?.peak_at ?? 0)}`, color: '#edf3f1', fontSize: 1.125 * em, fontWeight: 600, position: 'end', distance: 0.2 * em } }]
      : []),
  ];
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 4.2 * em, right: 1.6 * em, top: 1.9 * em, bottom: 2.1 * em },
    xAxis: {
      type: 'value', min: 0, max: quarters, interval: 12,
      axisLine: { lineStyle: { color: '#26353a', width: 0.0625 * em } }, axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: { ...label, formatter: (/** @type {number} */ n) => (n === quarters && quarters === 96 ? '24:00' : hourMinute(start + n * QUARTER_MS)) },
    },
    yAxis: {
      type: 'value', min: 0, minInterval: 1, splitNumber: 3,
      splitLine: { lineStyle: { color: '#26353a', width: 0.0625 * em } },
      axisLabel: { ...label, formatter: (/** @type {number} */ n) => number(n) },
    },
    series: [
      { ...line, id: 'band', stack: 'band', data: band, lineStyle: { opacity: 0 } },
      { ...line, id: 'spread', stack: 'band', data: spread, lineStyle: { opacity: 0 }, areaStyle: { color: '#7fd1b9', opacity: 0.13 } },
      { ...line, id: 'week', data: points(past?.last_week?.curve ?? []), lineStyle: { color: '#869996', width: 0.14 * em } },
      { ...line, id: 'forecast', data: ahead, lineStyle: { color: '#7fd1b9', width: 0.16 * em, type: [0.5 * em, 0.4 * em] } },
      { ...line, id: 'today', data: points(today.curve, 0, running), lineStyle: { color: '#7fd1b9', width: 0.22 * em }, areaStyle: { color: '#2f6f61', opacity: 0.6 },
        markLine: { symbol: 'none', silent: true, animation: false, data: marks } },
      { ...line, id: 'running', smooth: false, data: column(running, today.curve[running] ?? 0), lineStyle: { color: '#8ff0d2', width: 0.12 * em }, areaStyle: { color: '#8ff0d2', opacity: 0.55 } },
    ],
  };
}

/** The quarter that is still running. @param {number} quarter @param {number} count */
function column(quarter, count) {
  return count > 0 ? [[quarter, 0], [quarter, count], [quarter + 1, count], [quarter + 1, 0]] : [];
}
