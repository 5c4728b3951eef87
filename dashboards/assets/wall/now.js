// The day in figures: who is in the park, how full it is, how fast it fills, and how that is
// against the same weekday of last week.

import { byId, fill, find, mark, write } from '../lib/dom.js';
import { dayMonth, hourMinute, number, percent } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { than } from './compare.js';
import { w } from './words.js';

/** @typedef {import('../lib/state.js').Park} Park */

const section = byId('now');
const bar = find(section, '.bar > i');

/** @param {Park} park */
export function show(park) {
  const { today } = park;
  const urgent = [...park.alarms.values()].some((alarm) => alarm.code === 'emergency');
  write(byId('in-site-title'), urgent ? w('stillInside') : t('inPark'));
  write(byId('in-site'), number(today.in_site));
  write(byId('entries'), number(today.entries));
  write(byId('exits'), number(today.exits));
  write(byId('this-hour'), number(today.entries_this_hour));
  write(byId('exits-this-hour'), number(today.exits_this_hour));
  write(byId('reentries'), number(today.reentries));
  write(byId('in-per-min'), number(today.entries_per_min));
  write(byId('out-per-min'), number(today.exits_per_min));
  write(byId('reentries-share'), today.entries ? w('ofEntries', { percent: percent(today.reentries, today.entries, 1) }) : '');
  mark(section, 'level', today.level);
  mark(section, 'digits', String(number(today.in_site).length));
  const { capacity } = today;
  byId('site-bar').hidden = !capacity;
  byId('level').hidden = !capacity;
  if (capacity) {
    fill(bar, today.in_site / capacity);
    write(byId('level'), t(`level_${today.level}`));
    const share = percent(today.in_site, capacity, 1);
    write(byId('share'), t('ofCapacity', { capacity: number(capacity), percent: share }));
  } else {
    write(byId('share'), t('noCapacity'));
  }
  showPast(park);
}

/** @param {Park} park */
function showPast({ today, past, at }) {
  const week = past?.last_week;
  // What history says is some seconds old: of the hour before, it says nothing of this one.
  const hour = week && sameHour(past.at, at) ? week : undefined;
  write(byId('entries-than'), than(today.entries, week?.entries_by_now));
  write(byId('exits-than'), than(today.exits, week?.exits_by_now));
  write(byId('this-hour-than'), than(today.entries_this_hour, hour?.entries_this_hour_by_now));
  write(byId('exits-this-hour-than'), than(today.exits_this_hour, hour?.exits_this_hour_by_now));
  write(byId('in-per-min-than'), than(today.entries_per_min, week?.entries_per_min));
  write(byId('out-per-min-than'), than(today.exits_per_min, week?.exits_per_min));
  const none = past?.forecast ? 'noLastWeek' : 'noWeek';
  write(byId('against'), week ? w('sameWeekday', { date: dayMonth(week.date) }) : w(none));
  mark(section, 'week', String(Boolean(week)));
}

/** Whether two moments lie in one hour of the site's clock. @param {number} one @param {number} other */
const sameHour = (one, other) => Math.abs(one - other) < 3_600_000 && hourMinute(one).slice(0, 2) === hourMinute(other).slice(0, 2);
