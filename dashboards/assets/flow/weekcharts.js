// The charts of the weeks, as options of ECharts.

import { number } from '../lib/format.js';
import { isDark } from '../lib/theme.js';
import { axis, tip } from './charts.js';
import { dayName, w } from './words.js';

/** @typedef {import('./types.js').WeekDay} WeekDay */
/** @typedef {import('./charts.js').Inks} Inks */

/** Monday, to name weekdays by. */
const MONDAY = '2024-01-01';
const weekdayName = (/** @type {number} */ weekday) =>
  dayName(`2024-01-${String(Number(MONDAY.slice(8)) + weekday - 1).padStart(2, '0')}`, { weekday: 'short' });
const thousands = (/** @type {number} */ n) => number(Math.abs(n));
/** Short, for a cell: 1.2k. @param {number} n */
const short = (n) => (n >= 1000 ? `${number(n / 1000, n < 9950 ? 1 : 0)}k` : number(Math.round(n)));

/** Entries by day: the last seven in full colour. @param {WeekDay[]} days oldest first */
export function drawDays(days) {
  return (/** @type {Inks} */ ink, /** @type {boolean} */ wide) => ({
    grid: { left: 52, right: 8, top: 24, bottom: 40 },
    tooltip: {
      trigger: 'axis', ...tip(ink), axisPointer: { type: 'shadow', shadowStyle: { color: ink.track, opacity: 0.5 } },
      formatter: (/** @type {{dataIndex: number}[]} */ [{ dataIndex }]) => {
        const day = days[dataIndex];
        const lines = [dayName(day.day), `${w('entries')} ${number(day.entries)} ${w('visits')}`];
        if (day.peak) lines.push(`${w('peak')} ${number(day.peak.persons)} ${w('persons')}`);
        return lines.join('\n');
      },
    },
    xAxis: {
      type: 'category', data: days.map((day) => day.day), ...axis(ink),
      axisLabel: { ...axis(ink).axisLabel, interval: 0, lineHeight: 15, formatter: (/** @type {string} */ day) => {
        const name = dayName(day, { weekday: wide ? 'short' : 'narrow' });
        return `${name}\n${dayName(day, { day: 'numeric' }).replace('日', '')}`;
      } },
    },
    yAxis: { type: 'value', splitNumber: 3, ...axis(ink), axisLabel: { ...axis(ink).axisLabel, formatter: thousands } },
    series: [{
      type: 'bar', barCategoryGap: '24%', cursor: 'pointer',
      label: { show: true, position: 'top', color: ink.dim, fontSize: wide ? 12 : 11, formatter: (/** @type {{value: number}} */ { value }) => (wide ? number(value) : value ? short(value) : '') },
      data: days.map((day, ix) => ({
        value: day.entries, tap: day.day,
        itemStyle: { color: ix >= days.length - 7 ? ink.flow : ink.flowSoft, borderRadius: [2, 2, 0, 0] },
      })),
    }],
  });
}

/** Hours across, weekdays down. @param {import('./types.js').Heat} heat @param {'entries' | 'peak'} what */
export function drawHeat({ cells }, what) {
  const some = cells.filter((cell) => cell[what] > 0);
  const from = Math.min(...some.map((cell) => cell.hour));
  const until = Math.max(...some.map((cell) => cell.hour));
  const hours = Array.from({ length: until - from + 1 }, (_, ix) => from + ix);
  const most = Math.max(...some.map((cell) => cell[what]));
  const shown = cells.filter((cell) => cell.hour >= from && cell.hour <= until);
  const unit = w(what === 'entries' ? 'visits' : 'persons');
  return (/** @type {Inks} */ ink, /** @type {boolean} */ wide) => ({
    grid: { left: 40, right: 4, top: 4, bottom: 24 },
    tooltip: {
      ...tip(ink),
      formatter: (/** @type {{data: {value: number[]}}} */ { data: { value: [x, y, n] } }) =>
        `${weekdayName(y + 1)} ${hours[x]}:00 – ${hours[x] + 1}:00\n${number(Math.round(n))} ${unit}`,
    },
    xAxis: { type: 'category', data: hours.map((hour) => `${hour}`), ...axis(ink), axisLine: { show: false }, splitArea: { show: false } },
    yAxis: { type: 'category', inverse: true, data: [1, 2, 3, 4, 5, 6, 7].map(weekdayName), ...axis(ink), axisLine: { show: false } },
    visualMap: { show: false, min: 0, max: most, inRange: { color: [ink.sunk, ink.flowSoft, ink.flowMid, ink.flow] } },
    series: [{
      type: 'heatmap', itemStyle: { borderColor: ink.raised, borderWidth: 2, borderRadius: 3 }, emphasis: { itemStyle: { borderColor: ink.text } },
      label: { show: wide, fontSize: 12, formatter: (/** @type {{value: number[]}} */ { value }) => (value[2] >= 1 ? short(value[2]) : '') },
      data: shown.map((cell) => ({
        value: [cell.hour - from, cell.weekday - 1, cell[what]],
        // From there on the ground's ink is read better on a cell than the text's.
        label: { color: cell[what] > most * (isDark() ? 0.55 : 0.8) ? ink.raised : ink.text },
      })),
    }],
  });
}

/** Bars of what came, and a stroke where it was expected. @param {import('./types.js').Outlook['errors']} errors oldest first */
export function drawErrors(errors) {
  return (/** @type {Inks} */ ink) => ({
    legend: { top: 0, right: 0, itemHeight: 4, itemWidth: 14, selectedMode: false, textStyle: { color: ink.dim } },
    grid: { left: 52, right: 8, top: 30, bottom: 24 },
    tooltip: {
      trigger: 'axis', ...tip(ink), axisPointer: { type: 'shadow', shadowStyle: { color: ink.track, opacity: 0.5 } },
      formatter: (/** @type {{dataIndex: number}[]} */ [{ dataIndex }]) => {
        const row = errors[dataIndex];
        const off = w('offBy', { percent: `${number(Math.abs(row.error_percent), 1)}%` });
        return [dayName(row.day), `${w('expected')} ${number(row.expected_entries)}`, `${w('came')} ${number(row.entries)}`, off].join('\n');
      },
    },
    xAxis: { type: 'category', data: errors.map((row) => row.day), ...axis(ink), axisLabel: { ...axis(ink).axisLabel, formatter: (/** @type {string} */ day) => dayName(day, { day: 'numeric' }).replace('日', '') } },
    yAxis: { type: 'value', splitNumber: 2, ...axis(ink), axisLabel: { ...axis(ink).axisLabel, formatter: thousands } },
    series: [
      { name: w('came'), type: 'bar', barCategoryGap: '30%', itemStyle: { color: ink.flowSoft, borderRadius: [2, 2, 0, 0] }, data: errors.map((row) => row.entries) },
      { name: w('expected'), type: 'scatter', symbol: 'rect', symbolSize: [16, 3], itemStyle: { color: ink.text }, data: errors.map((row) => row.expected_entries) },
    ],
  });
}
