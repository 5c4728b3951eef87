// The day in figures: who is in the park, how full it is, and how fast it fills.

import { byId, fill, find, mark, write } from '../lib/dom.js';
import { number, percent } from '../lib/format.js';
import { t } from '../lib/i18n.js';

const section = byId('now');
const bar = find(section, '.bar > i');

/** @param {import('../lib/state.js').Park} park */
export function show({ today }) {
  write(byId('in-site'), number(today.in_site));
  write(byId('entries'), number(today.entries));
  write(byId('exits'), number(today.exits));
  write(byId('this-hour'), number(today.entries_this_hour));
  write(byId('reentries'), number(today.reentries));
  write(byId('in-per-min'), number(today.entries_per_min));
  write(byId('out-per-min'), number(today.exits_per_min));
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
}
