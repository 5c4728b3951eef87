// The view of two weeks: the last seven days against the seven before, by day, by hour and weekday,
// and how good the forecasts were. Everything from the API.

import { byId, find, make, write } from '../lib/dom.js';
import { number, percent } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { chart } from './charts.js';
import { blank, figures, levelOf, more, nothing, renewed, table } from './parts.js';
import { drawDays, drawErrors, drawHeat } from './weekcharts.js';
import { dayName, delta, timeOf, w } from './words.js';

/** @typedef {import('./types.js').WeekDay} WeekDay */
/** @typedef {import('./types.js').Heat} Heat */
/** @typedef {import('./types.js').Outlook} Outlook */

/** @type {'entries' | 'peak'} */
let heatOf = 'entries';
/** @type {Heat | undefined} */
let heat;

for (const button of byId('heat-what').querySelectorAll('button')) {
  button.addEventListener('click', () => {
    heatOf = button.dataset.what === 'peak' ? 'peak' : 'entries';
    showHeat();
  });
}

/** @param {WeekDay[]} days @param {(day: WeekDay) => number} of */
const sum = (days, of) => days.reduce((all, day) => all + of(day), 0);

/**
 * @param {import('./types.js').Week} week
 * @param {Heat | undefined} heatmap
 * @param {Outlook | undefined} outlook
 * @param {(day: string) => void} open goes to a day
 */
export function show({ days }, heatmap, outlook, open) {
  const none = days.every((day) => day.entries + day.exits === 0) && !heatmap?.cells.some((cell) => cell.entries > 0);
  blank(byId('week'), none ? { line: w('emptyWeek'), why: w('notYetWhy') } : null);
  if (none) return;
  const [before, these] = [days.slice(-14, -7), days.slice(-7)];
  const range = { from: dayName(these[0]?.day ?? ''), to: dayName(these.at(-1)?.day ?? '') };
  write(byId('week-name'), these.length ? w('sevenUntil', range) : w('week'));
  const [entries, then] = [sum(these, (day) => day.entries), sum(before, (day) => day.entries)];
  write(byId('week-entries'), number(entries));
  // Seven days against fewer on record would praise nothing.
  const fair = before.length === 7 && before.every((day) => day.entries > 0);
  write(byId('week-versus'), fair ? w('versusWeek', { delta: delta(entries, then), before: number(then) }) : w('noVersus'));
  figures(byId('week-figures'), sums(these));
  const words = these.map((day) => `${dayName(day.day)} ${number(day.entries)}`).join(', ');
  chart(byId('week-days'), `${w('byDay')} · ${words}`, drawDays(days), open);
  heat = heatmap;
  showHeat();
  showErrors(outlook);
  showTable(days, open);
}

/** @param {WeekDay[]} days @returns {import('./parts.js').Figure[]} */
function sums(days) {
  const ran = days.filter((day) => day.entries > 0);
  const best = [...ran].sort((a, b) => b.entries - a.entries)[0];
  const peak = [...days].sort((a, b) => (b.peak?.persons ?? 0) - (a.peak?.persons ?? 0))[0];
  const share = peak?.peak && peak.capacity ? peak.peak.persons / peak.capacity : null;
  const [entries, denied] = [sum(days, (day) => day.entries), sum(days, (day) => day.denied)];
  const known = days.flatMap((day) => (day.availability === null ? [] : [day.availability]));
  const above = sum(days, (day) => day.minutes_above_80);
  return [
    { name: w('perDay'), value: ran.length ? number(Math.round(entries / ran.length)) : '—', unit: w('visits') },
    { name: w('best'), value: best ? number(best.entries) : '—', unit: w('visits'), note: best ? dayName(best.day) : '' },
    { name: w('peak'), value: peak?.peak ? number(peak.peak.persons) : '—', unit: w('persons'), note: peak?.peak ? `${dayName(peak.day)} ${timeOf(peak.peak.at)}` : '' },
    share === null
      ? { name: w('capacityShare'), value: '—' }
      : { name: w('capacityShare'), value: percent(peak.peak?.persons ?? 0, peak.capacity ?? 0), level: levelOf(share) },
    { name: w('above80'), value: number(above), unit: w('minutes'), level: above > 0 ? 'announce' : '' },
    { name: w('reentries'), value: number(sum(days, (day) => day.reentries)), unit: w('visits') },
    { name: w('refusedShare'), value: percent(denied, entries + denied, 1), note: w('ofTries', { n: number(denied) }) },
    { name: w('devices'), value: known.length ? `${number(Math.floor((known.reduce((a, b) => a + b, 0) / known.length) * 10_000) / 100, 2)}%` : '—' },
  ];
}

function showHeat() {
  for (const button of byId('heat-what').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset.what === heatOf));
  }
  const held = heat;
  const some = held?.cells.some((cell) => cell[heatOf] > 0);
  write(byId('heat-of'), held && some ? w('heatOf', { weeks: held.weeks, days: held.days }) : '');
  const place = byId('week-heat');
  const card = /** @type {HTMLElement} */ (place.parentElement);
  card.querySelector('.none')?.remove();
  place.hidden = !some;
  if (held && some) chart(place, w('heatLabel'), drawHeat(held, heatOf));
  else card.append(nothing(w('noRows'), w('notYetWhy')));
}

/** @param {Outlook} [outlook] */
function showErrors(outlook) {
  const seen = new Set();
  // One a day: the newest of each.
  const errors = (outlook?.errors ?? []).filter(({ day }) => !seen.has(day) && seen.add(day)).slice(0, 14).reverse();
  const place = byId('week-forecast');
  const card = /** @type {HTMLElement} */ (place.parentElement);
  card.querySelector('.none')?.remove();
  place.hidden = errors.length === 0;
  const method = outlook?.method ? say(outlook.method) : '';
  renewed(byId('week-forecast-method'), method, () => (method ? [more(w('method'), method)] : []));
  const mean = errors.reduce((all, row) => all + Math.abs(row.error_percent), 0) / (errors.length || 1);
  const words = errors.length ? w('meanError', { percent: `${number(mean, 1)}%` }) : '';
  write(byId('week-forecast-mean'), words);
  if (errors.length) chart(place, `${w('forecastCheck')} · ${words}`, drawErrors(errors));
  else card.append(nothing(w('noForecast')));
}

/** @param {WeekDay[]} days @param {(day: string) => void} open */
function showTable(days, open) {
  const heads = [w('date'), w('entries'), w('exits'), w('peak'), w('capacityShare'), w('above80'), w('reentries'), w('refused'), w('availability')];
  renewed(find(byId('week'), '#week-table'), [days, heads], () => {
    const rows = [...days].reverse().map((day) => {
      const link = make('a', '', dayName(day.day));
      link.href = `/flow?view=day&day=${day.day}`;
      link.addEventListener('click', (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        open(day.day);
      });
      return [
        link, number(day.entries), number(day.exits),
        day.peak ? `${number(day.peak.persons)} · ${timeOf(day.peak.at)}` : '—',
        day.peak && day.capacity ? percent(day.peak.persons, day.capacity) : '—',
        `${number(day.minutes_above_80)} ${w('minutes')}`, number(day.reentries), number(day.denied),
        day.availability === null ? '—' : `${number(Math.floor(day.availability * 1000) / 10, 1)}%`,
      ];
    });
    return rows.length ? [table(heads, rows)] : [nothing(w('noRows'), w('notYetWhy'))];
  });
}
