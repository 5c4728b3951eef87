// The charts of one day, as options of ECharts.

import { number } from '../lib/format.js';
import { axis, tip } from './charts.js';
import { timeOf, w } from './words.js';

/** @typedef {import('./types.js').Day} Day */
/** @typedef {import('./charts.js').Inks} Inks */

const SLOTS = 96;
/** What the legend shows for a line, drawn and dashed. */
const LINE = 'path://M0 4h14v2.5H0z';
const DASHES = 'path://M0 4h5.5v2.5H0zM8.5 4H14v2.5H8.5z';
const minutesOf = (/** @type {string} */ time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
const two = (/** @type {number} */ n) => String(n).padStart(2, '0');

/**
 * Above: persons in the park, with the forecast of the rest. Below: who came and who left.
 * @param {Day} day
 * @param {import('./types.js').Flow} [flow]
 * @param {import('./types.js').Outlook} [outlook]
 */
export function drawDay(day, flow, outlook) {
  /** @typedef {{in: number, out: number, peak: number}} Slot */
  /** @type {(Slot | null)[]} */
  const slots = Array(SLOTS).fill(null);
  const [series] = flow?.series ?? [];
  const starts = (flow?.at ?? []).slice(0, SLOTS);
  // A business day may begin at four in the morning: slots count from its own start.
  const turn = starts.length ? minutesOf(timeOf(starts[0])) : 0;
  const slotName = (/** @type {number} */ slot) => {
    const minutes = (turn + slot * 15) % 1440;
    return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  };
  starts.forEach((_, ix) => {
    slots[ix] = { in: series?.in?.[ix] ?? 0, out: series?.out?.[ix] ?? 0, peak: series?.peak?.[ix] ?? 0 };
  });
  const ahead = day.open && outlook?.day === day.day ? outlook.in_site : [];
  const lastSlot = slots.findLastIndex((slot) => slot !== null);
  const busy = slots.map((slot, ix) => (slot && (slot.in || slot.out || slot.peak)) || (ix > lastSlot && ahead[ix] > 0));
  const first = Math.max(0, Math.floor(Math.min(32, ...busy.flatMap((b, ix) => (b ? [ix] : []))) / 4) * 4);
  const end = Math.min(SLOTS, Math.max(72, busy.findLastIndex(Boolean) + 2));
  const names = Array.from({ length: end - first }, (_, ix) => slotName(first + ix));
  const shown = slots.slice(first, end);
  const most = Math.max(0, ...shown.map((slot) => slot?.peak ?? 0), ...ahead);

  return (/** @type {Inks} */ ink, /** @type {boolean} */ wide) => {
    const x = { type: 'category', data: names, boundaryGap: true, ...axis(ink) };
    const labels = { ...axis(ink).axisLabel, interval: (/** @type {number} */ ix) => (first + ix) % (wide ? 4 : 12) === 0 };
    const capacity = day.capacity && most > day.capacity * 0.55 ? day.capacity : null;
    const markLine = capacity && {
      silent: true, symbol: 'none', lineStyle: { color: ink.full, type: 'solid', width: 1 },
      label: { color: ink.full, formatter: `${w('capacity')} ${number(capacity)}`, position: 'insideStartTop', fontSize: 12 },
      data: [{ yAxis: capacity }],
    };
    const y = { type: 'value', splitNumber: 3, ...axis(ink), axisLabel: { ...axis(ink).axisLabel, formatter: (/** @type {number} */ n) => number(Math.abs(n)) } };
    const left = 46;
    const legend = [
      { name: w('inParkShort'), icon: LINE },
      ...(ahead.length ? [{ name: w('forecast'), icon: DASHES }] : []),
      { name: w('entries'), icon: 'rect' }, { name: w('exits'), icon: 'rect' },
    ];
    return {
      legend: { top: 0, right: 0, itemHeight: 10, itemWidth: 14, selectedMode: false, textStyle: { color: ink.dim }, data: legend },
      tooltip: { trigger: 'axis', ...tip(ink), formatter: (/** @type {{axisValue: string, dataIndex: number}[]} */ [{ axisValue, dataIndex }]) => sayslot(axisValue, shown[dataIndex], ahead[first + dataIndex]) },
      axisPointer: { link: [{ xAxisIndex: 'all' }], lineStyle: { color: ink.dim } },
      grid: [{ left, right: 10, top: 46, height: '43%' }, { left, right: 10, top: '66%', bottom: 24 }],
      xAxis: [{ ...x, gridIndex: 0, axisLabel: { show: false } }, { ...x, gridIndex: 1, axisLabel: labels }],
      yAxis: [{ ...y, gridIndex: 0, max: capacity ? (/** @type {{max: number}} */ v) => Math.max(v.max, capacity) : null }, { ...y, gridIndex: 1, splitNumber: 2 }],
      series: [
        { name: w('inParkShort'), type: 'line', data: shown.map((slot) => slot?.peak ?? null), showSymbol: false, smooth: 0.2, lineStyle: { width: 2.5, color: ink.flow }, itemStyle: { color: ink.flow }, areaStyle: { color: ink.flowSoft, opacity: 0.8 }, markLine: markLine || undefined },
        { name: w('forecast'), type: 'line', data: names.map((_, ix) => (first + ix >= lastSlot ? (ahead[first + ix] ?? null) : null)), showSymbol: false, smooth: 0.2, lineStyle: { width: 2, type: [4, 4], color: ink.flowMid }, itemStyle: { color: ink.flowMid } },
        { name: w('entries'), type: 'bar', xAxisIndex: 1, yAxisIndex: 1, stack: 'gate', barCategoryGap: '22%', data: shown.map((slot) => slot?.in ?? null), itemStyle: { color: ink.flow } },
        { name: w('exits'), type: 'bar', xAxisIndex: 1, yAxisIndex: 1, stack: 'gate', data: shown.map((slot) => (slot ? -slot.out : null)), itemStyle: { color: ink.edge } },
      ],
    };
  };
}

/** @param {string} time @param {{in: number, out: number, peak: number} | null} slot @param {number} [ahead] */
function sayslot(time, slot, ahead) {
  const lines = [time];
  if (slot) {
    lines.push(`${w('inParkShort')} ${number(slot.peak)} ${w('persons')}`, `${w('entries')} ${number(slot.in)}`, `${w('exits')} ${number(slot.out)}`);
  } else if (ahead !== undefined) {
    lines.push(`${w('forecast')} ${number(ahead)} ${w('persons')}`);
  }
  return lines.join('\n');
}

/** How long visitors stayed. @param {NonNullable<Day['dwell']>} dwell */
export function drawDwell(dwell) {
  const lastBin = dwell.bins.findLastIndex((bin) => bin.persons > 0);
  const bins = dwell.bins.slice(0, lastBin + 1);
  const all = bins.reduce((sum, bin) => sum + bin.persons, 0) || 1;
  const hour = (/** @type {number} */ minutes) => number(minutes / 60, minutes % 60 ? 1 : 0);
  const binOf = (/** @type {number} */ minutes) => bins.findIndex((bin) => bin.to_min === null || minutes < bin.to_min);
  return (/** @type {Inks} */ ink) => ({
    grid: { left: 46, right: 10, top: 22, bottom: 24 },
    tooltip: {
      trigger: 'axis', ...tip(ink), axisPointer: { type: 'shadow', shadowStyle: { color: ink.track, opacity: 0.5 } },
      formatter: (/** @type {{dataIndex: number}[]} */ [{ dataIndex }]) => {
        const { from_min, to_min, persons } = bins[dataIndex];
        const span = to_min === null ? `≥ ${w('hours', { n: hour(from_min) })}` : `${hour(from_min)} – ${w('hours', { n: hour(to_min) })}`;
        return `${span}\n${number(persons)} ${w('persons')} · ${number((persons * 100) / all, 1)}%`;
      },
    },
    xAxis: { type: 'category', data: bins.map((bin) => hour(bin.from_min)), ...axis(ink), axisLabel: { ...axis(ink).axisLabel, interval: (/** @type {number} */ ix) => bins[ix].from_min % 60 === 0 && (bins.length <= 16 || bins[ix].from_min % 120 === 0), formatter: (/** @type {string} */ n) => w('hours', { n }).replace(' ', '') } },
    yAxis: { type: 'value', splitNumber: 2, ...axis(ink), axisLabel: { ...axis(ink).axisLabel, formatter: (/** @type {number} */ n) => number(n) } },
    series: [{
      type: 'bar', barCategoryGap: '14%', itemStyle: { color: ink.flow, borderRadius: [2, 2, 0, 0] },
      data: bins.map((bin, ix) => ({ value: bin.persons, itemStyle: { color: ix === binOf(dwell.median_min) ? ink.flow : ix > binOf(dwell.p90_min) ? ink.track : ink.flowMid } })),
    }],
  });
}
