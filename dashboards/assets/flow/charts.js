// Apache ECharts, brought when the first chart is wanted: figures and lists stand before it comes.
// Keeps each chart at its place's size and in the page's colours. What a chart says stands beside
// it in words too, as the label of its place.

import { onTheme, colour } from '../lib/theme.js';

/** @typedef {import('../vendor/echarts.js').Chart} Chart */
/** @typedef {{[name in 'text' | 'dim' | 'edge' | 'line' | 'raised' | 'sunk' | 'track' | 'flow' | 'flowMid' | 'flowSoft' | 'announce' | 'slow' | 'full']: string}} Inks */
/** @typedef {{chart: Chart | null, draw: (inks: Inks, wide: boolean) => object, tap?: (name: string) => void}} Held */

/** @type {Promise<typeof import('../vendor/echarts.js')> | undefined} */
let library;
/** How soon it is asked for again when it could not be brought, in ms. */
const AGAIN_MS = 3000;
/** How often it could not be brought. */
let failures = 0;
/** @type {Map<HTMLElement, Held>} */
const charts = new Map();

/** @returns {Inks} */
function inks() {
  return {
    text: colour('--text'), dim: colour('--dim'), edge: colour('--edge'), line: colour('--line'), raised: colour('--raised'),
    sunk: colour('--sunk'), track: colour('--track'), flow: colour('--flow'), flowMid: colour('--flow-mid'),
    flowSoft: colour('--flow-soft'), announce: colour('--announce'), slow: colour('--slow'), full: colour('--full'),
  };
}

const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target instanceof HTMLElement) paint(target, true);
});

/** @param {HTMLElement} place @param {boolean} [resized] */
function paint(place, resized = false) {
  const held = charts.get(place);
  if (!held?.chart || place.clientWidth === 0) return;
  if (resized) held.chart.resize();
  held.chart.setOption(dressed(held.draw(inks(), place.clientWidth > 560)), { notMerge: true });
  place.dataset.drawn = 'true';
}

/** What all charts have in common. @param {object} option */
function dressed(option) {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const fontFamily = getComputedStyle(document.body).fontFamily;
  return { textStyle: { fontFamily }, animation: !still, animationDuration: 300, animationDurationUpdate: 300, ...option };
}

/**
 * Draws, or draws anew.
 * @param {HTMLElement} place `.chart`
 * @param {string} words what it shows, for those who do not see it
 * @param {(inks: Inks, wide: boolean) => object} draw the option of ECharts
 * @param {(name: string) => void} [tap] told the category that was tapped
 */
export function chart(place, words, draw, tap) {
  place.setAttribute('aria-label', words);
  const held = charts.get(place);
  if (held) {
    held.draw = draw;
    held.tap = tap;
    paint(place);
    return;
  }
  charts.set(place, { chart: null, draw, tap });
  void begin(place);
}

/**
 * A module that failed is remembered as failed under its address: another try needs another.
 * @returns {Promise<typeof import('../vendor/echarts.js')>}
 */
const bring = () => import(failures ? `../vendor/echarts.js?again=${failures}` : '../vendor/echarts.js');

/** @param {HTMLElement} place */
async function begin(place) {
  const asked = library ??= bring();
  let echarts;
  try {
    echarts = await asked;
  } catch {
    // Several charts wait for one failure.
    if (library === asked) {
      library = undefined;
      failures += 1;
    }
    setTimeout(() => void begin(place), AGAIN_MS);
    return;
  }
  const held = charts.get(place);
  if (!held || held.chart) return;
  held.chart = echarts.init(place, null, { renderer: 'canvas' });
  held.chart.on('click', (event) => held.tap?.(String(event.data?.tap ?? event.name)));
  watcher.observe(place);
  paint(place);
}

/** The tooltip's look: drawn in the canvas, since its HTML form needs inline styles. @param {Inks} ink */
export const tip = (ink) => ({
  renderMode: 'richText', confine: true, backgroundColor: ink.raised, borderColor: ink.line, borderWidth: 1,
  padding: [8, 10], textStyle: { color: ink.text, fontSize: 13 },
});

/** A quiet axis. @param {Inks} ink */
export const axis = (ink) => ({
  axisLine: { lineStyle: { color: ink.line } }, axisTick: { show: false },
  axisLabel: { color: ink.dim, fontSize: 12 }, splitLine: { lineStyle: { color: ink.line } },
});

onTheme(() => {
  for (const place of charts.keys()) paint(place);
});
