// The view of one day: its sums, its curve, and by what it divides. Everything from the API.

import { byId, find, make, write } from '../lib/dom.js';
import { channelName } from '../lib/channels.js';
import { number, percent } from '../lib/format.js';
import { className, reasonName, say } from '../lib/i18n.js';
import { drawDay, drawDwell } from './daycharts.js';
import { chart } from './charts.js';
import { bar, blank, figures, levelOf, more, nothing, ranked, renewed, table } from './parts.js';
import { dayName, delta, length, timeOf, w, weekday } from './words.js';

/** @typedef {import('./types.js').Day} Day */
/** @typedef {import('./types.js').Flow} Flow */
/** @typedef {import('./types.js').Outlook} Outlook */
/** @typedef {import('./types.js').Row} Row */

/**
 * @param {Day} day
 * @param {Flow | undefined} flow by site, per quarter hour
 * @param {Outlook | undefined} outlook
 */
export function show(day, flow, outlook) {
  const none = day.entries + day.exits + day.denied === 0 && !day.in_site && !day.peak?.persons;
  blank(byId('day'), !none ? null : day.open
    ? { line: w('emptyToday'), why: w('emptyTodayWhy') }
    : { line: w('emptyDay', { day: dayName(day.day) }), why: w('emptyDayWhy') });
  // Before the gates open there may be something to expect already.
  byId('day-forecast').parentElement?.classList.toggle('stay', none && expectedOf(day, outlook) !== null);
  if (none) return showForecast(day, outlook);
  write(byId('day-name'), dayName(day.day, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }));
  write(find(byId('day-sum'), '.asof'), day.open ? w('asOf', { time: timeOf(day.at) }) : '');
  write(byId('day-entries'), number(day.entries));
  const before = day.last_week;
  const then = before ? (day.open ? before.entries_by_now : before.entries) : 0;
  const values = before && then ? { weekday: weekday(before.day), delta: delta(day.entries, then), before: number(then) } : null;
  write(byId('day-versus'), values ? w(day.open ? 'versusNow' : 'versusDay', values) : w('noVersus'));
  figures(byId('day-figures'), sums(day));
  const peak = day.peak ? `${w('peak')} ${number(day.peak.persons)} ${timeOf(day.peak.at)}` : '';
  chart(byId('day-curve'), `${w('curve')} · ${number(day.entries)} ${w('visits')} · ${peak}`, drawDay(day, flow, outlook));
  showGates(day);
  showAreas(day);
  showForecast(day, outlook);
  showDwell(day);
  const of = (/** @type {Row[]} */ rows, /** @type {(row: Row) => string} */ name) =>
    rows.map((row) => ({ name: name(row), n: row.in ?? 0 }));
  ranked(byId('day-class'), of(day.by_class, (row) => className(row.key)));
  ranked(byId('day-channel'), of(day.by_channel, (row) => channelName(row.key)));
  ranked(byId('day-product'), of(day.by_product, (row) => (row.name ? say(row.name) : row.key)));
  ranked(byId('day-reason'), day.by_reason.map((row) => ({ name: reasonName(row.key), n: row.denied ?? 0 })), { empty: w('noDenials') });
  write(byId('day-denied'), day.denied ? w('timesN', { n: number(day.denied) }) : '');
  showDevices(day);
}

/** @param {Day} day @returns {import('./parts.js').Figure[]} */
function sums(day) {
  const share = day.peak && day.capacity ? day.peak.persons / day.capacity : null;
  const rows = [
    { name: w('peak'), value: day.peak ? number(day.peak.persons) : '—', unit: w('persons'), note: day.peak ? w('atTime', { time: timeOf(day.peak.at) }) : '' },
    share === null
      ? { name: w('capacityShare'), value: '—', note: day.capacity ? '' : w('noCapacity') }
      : { name: w('capacityShare'), value: percent(day.peak?.persons ?? 0, day.capacity ?? 0), note: `${w('capacity')} ${number(day.capacity ?? 0)}`, level: levelOf(share) },
    { name: w('above80'), value: day.capacity ? number(day.minutes_above_80) : '—', unit: w('minutes'), level: day.minutes_above_80 > 0 ? 'announce' : '' },
    { name: w('exits'), value: number(day.exits), unit: w('visits') },
    { name: w('reentries'), value: number(day.reentries), unit: w('visits'), note: percent(day.reentries, day.entries, 1) },
    { name: w('refused'), value: number(day.denied), unit: w('times'), note: percent(day.denied, day.entries + day.denied, 1) },
    { name: w('notTaken'), value: number(day.not_taken), unit: w('times') },
  ];
  if (day.open && day.in_site !== null) rows.unshift({ name: w('inPark'), value: number(day.in_site), unit: w('persons') });
  return rows;
}

/** @param {Day} day */
function showGates(day) {
  const most = Math.max(1, ...day.by_gate.flatMap((row) => [row.in ?? 0, row.out ?? 0]));
  const rows = day.by_gate.map((row) => ({ name: row.name ? say(row.name) : row.key, in: row.in ?? 0, out: row.out ?? 0, denied: row.denied ?? 0 }));
  renewed(byId('day-gates'), [rows, w('gates')], () => (rows.length === 0 ? [nothing(w('noRows'))] : [
    make('ul', 'gates', ...rows.map((row) => {
      const out = bar(row.out / most);
      out.classList.add('out');
      return make('li', '', make('span', 'name', row.name), make('small', 'calm', `${w('refused')} ${number(row.denied)}`),
        make('b', '', number(row.in)), make('small', '', `/ ${number(row.out)}`), make('span', 'pairbar', bar(row.in / most), out));
    })),
  ]));
}

/** @param {Day} day */
function showAreas(day) {
  const rows = day.by_area.map((area) => ({ ...area, text: say(area.name) }));
  renewed(byId('day-areas'), [rows, w('areas')], () => (rows.length === 0 ? [nothing(w('noRows'))] : [
    make('ul', 'areas', ...rows.map((area) => {
      const peak = area.peak ?? 0;
      const share = area.capacity ? peak / area.capacity : null;
      const chip = make('small', 'chip', share === null ? '—' : percent(peak, area.capacity ?? 0));
      if (share !== null) chip.dataset.level = levelOf(share);
      const note = [`${w('entries')} ${number(area.entries)}`];
      if (area.minutes_above_80 > 0) note.push(`${w('above80')} ${number(area.minutes_above_80)} ${w('minutes')}`);
      return make('li', '', make('span', 'name', area.text),
        make('span', '', make('b', '', number(peak)), area.peak_at ? ` ${timeOf(area.peak_at)}` : ''), chip,
        share === null ? '' : bar(share, levelOf(share)), make('small', 'under', note.join(' · ')));
    })),
  ]));
}

/**
 * What was expected of the day; null where there was nothing to expect it from.
 * @param {Day} day
 * @param {Outlook} [outlook]
 * @returns {import('./types.js').DayForecast | null}
 */
function expectedOf(day, outlook) {
  if (outlook?.day !== day.day) return day.forecast;
  const { made_at, entries, peak_in_site, peak_at, curve, days, error_percent } = outlook;
  if (made_at === null || entries === null || peak_in_site === null || peak_at === null) return day.forecast;
  return { made_at, entries, peak_in_site, peak_at, curve, days, error_percent };
}

/** @param {Day} day @param {Outlook} [outlook] */
function showForecast(day, outlook) {
  const forecast = expectedOf(day, outlook);
  write(byId('day-forecast-at'), forecast ? w('madeAt', { time: timeOf(forecast.made_at) }) : '');
  const place = byId('day-forecast');
  renewed(place, [forecast ?? null, day.open, day.entries, day.peak, w('forecast')], () => {
    if (!forecast) return [nothing(w('noForecast'), '')];
    const list = make('dl', 'figures');
    const off = (/** @type {number} */ expected, /** @type {number | undefined} */ came) =>
      came === undefined || came === 0 ? '' : w('offBy', { percent: `${number((Math.abs(expected - came) * 100) / came, 1)}%` });
    const closed = !day.open;
    figures(list, [
      { name: w('expectedEntries'), value: number(forecast.entries), unit: w('visits'), note: closed ? `${w('came')} ${number(day.entries)} · ${off(forecast.entries, day.entries)}` : '' },
      { name: w('expectedPeak'), value: number(forecast.peak_in_site), unit: w('persons'), note: closed && day.peak ? `${w('came')} ${number(day.peak.persons)} · ${off(forecast.peak_in_site, day.peak.persons)}` : w('atTime', { time: timeOf(forecast.peak_at) }) },
      { name: w('usualError'), value: typeof forecast.error_percent === 'number' ? `${number(forecast.error_percent, 1)}%` : '—', note: w('errorNote') },
      ...(outlook && day.open ? [{ name: w('soldToday'), value: number(outlook.sold_today), unit: w('persons') }] : []),
    ]);
    const days = w('fromDays', { n: number(forecast.days) });
    return [list, outlook?.method ? more(`${days} · ${w('method')}`, say(outlook.method)) : make('p', 'hint', days)];
  });
}

/** @param {Day} day */
function showDwell(day) {
  const { dwell } = day;
  const some = dwell !== null && dwell.persons > 0;
  write(byId('day-dwell-n'), some ? w('dwellN', { n: number(dwell.persons) }) : '');
  byId('day-dwell').hidden = !some;
  if (!some) {
    renewed(byId('day-dwell-figures'), w('noDwell'), () => [nothing(w('noDwell'))]);
    return;
  }
  figures(byId('day-dwell-figures'), [
    { name: w('median'), value: length(dwell.median_min) },
    { name: w('p90'), value: length(dwell.p90_min) },
  ]);
  chart(byId('day-dwell'), `${w('dwellLabel')} · ${w('median')} ${length(dwell.median_min)}`, drawDwell(dwell));
}

/** @param {Day} day */
function showDevices({ devices }) {
  renewed(byId('day-devices'), [devices, w('devices')], () => {
    if (devices.availability === null) return [nothing(w('noDevices'))];
    const share = (/** @type {number} */ part) => `${number(Math.floor(part * 10_000) / 100, 2)}%`;
    const list = make('dl', 'figures');
    figures(list, [{ name: w('availability'), value: share(devices.availability), level: devices.availability < 0.98 ? 'announce' : '' }]);
    const bad = devices.worst.filter((row) => row.availability < 1);
    if (bad.length === 0) return [list, make('p', 'hint', w('allUp'))];
    const rows = bad.map((row) => [row.device, share(row.availability), length(row.known_min - row.online_min)]);
    return [list, table([w('device'), w('availability'), w('offline')], rows)];
  });
}
