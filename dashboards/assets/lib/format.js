// Numbers, times and ages as people read them: thousands separators, the site's time zone, the
// language spoken. Formatters are costly to make, so they are kept.

import { spoken, tag } from './i18n.js';

/** @type {Map<string, Intl.NumberFormat>} */
const numbers = new Map();
/** @type {Map<string, Intl.DateTimeFormat>} */
const dates = new Map();
let zone = 'UTC';

/** @param {string} timezone the site's; an unknown one leaves UTC */
export function setZone(timezone) {
  try {
    zone = new Intl.DateTimeFormat('en', { timeZone: timezone }).resolvedOptions().timeZone;
  } catch {
    zone = 'UTC';
  }
  dates.clear();
}

/** @param {number} value @param {number} [digits] after the point */
export function number(value, digits = 0) {
  const key = `${tag()}${digits}`;
  let format = numbers.get(key);
  if (!format) {
    const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    format = new Intl.NumberFormat(tag(), fixed);
    numbers.set(key, format);
  }
  return format.format(value);
}

/** @param {number} part @param {number} whole @param {number} [digits] */
export function percent(part, whole, digits = 0) {
  // Down, as the levels are: 99.9 % is not full.
  const scale = 10 ** digits;
  return whole > 0 ? `${number(Math.floor((part * 100 * scale) / whole) / scale, digits)}%` : '—';
}

/** @param {string} name @param {Intl.DateTimeFormatOptions} options */
function date(name, options) {
  const key = `${tag()}${name}`;
  let format = dates.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(tag(), { timeZone: zone, ...options });
    dates.set(key, format);
  }
  return format;
}

/** @type {Intl.DateTimeFormatOptions} */
const HM = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };

/** @param {number} ms Unix time */
export const clock = (ms) => date('clock', { ...HM, second: '2-digit' }).format(ms);
/** @param {number} ms */
export const hourMinute = (ms) => date('hm', HM).format(ms);
/** @param {number} ms */
export const day = (ms) =>
  date('day', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }).format(ms);

/** A calendar date as month and day. @param {string} iso such as 2026-10-01 */
export const dayMonth = (iso) => {
  const at = Date.parse(`${iso}T00:00:00Z`);
  if (Number.isNaN(at)) return iso;
  return date('dayMonth', { timeZone: 'UTC', month: 'short', day: 'numeric' }).format(at);
};

/** How long ago, in one unit that is fine enough. @param {number} ms */
export function age(ms) {
  const seconds = Math.max(0, ms) / 1000;
  const zh = spoken() === 'zh';
  if (seconds < 60) return `${number(Math.floor(seconds))}${zh ? ' 秒' : ' s'}`;
  if (seconds < 3600) return `${number(Math.floor(seconds / 60))}${zh ? ' 分钟' : ' min'}`;
  if (seconds < 172_800) return `${number(Math.floor(seconds / 3600))}${zh ? ' 小时' : ' h'}`;
  return `${number(Math.floor(seconds / 86_400))}${zh ? ' 天' : ' days'}`;
}

/** A counting-up watch, 0:00 to 99:59:59. @param {number} ms */
export function stopwatch(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}

/**
 * The moment of local midnight of a date in the site's zone.
 * @param {string} iso 2026-10-01
 */
export function midnight(iso) {
  const wanted = Date.parse(`${iso}T00:00:00Z`);
  if (Number.isNaN(wanted)) return 0;
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
    hour: 'numeric', minute: 'numeric',
  });
  let guess = wanted;
  // Twice: the first guess may lie on the other side of a clock change.
  for (let turn = 0; turn < 2; turn += 1) {
    /** @type {Record<string, number>} */
    const at = {};
    for (const { type, value } of parts.formatToParts(guess)) at[type] = Number(value);
    guess += wanted - Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute);
  }
  return guess;
}
