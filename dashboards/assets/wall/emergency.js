// An emergency takes the wall over: a band across the page, red lines, and the figures stay, for
// now they matter most. It ends with the alarm.

import { byId, find, mark, write } from '../lib/dom.js';
import { age, clock } from '../lib/format.js';
import { w } from './words.js';

const band = byId('emergency');
const since = find(band, '.since');
let began = 0;

/** @param {import('../lib/state.js').Park} park */
export function show(park) {
  const alarm = [...park.alarms.values()].find((held) => held.code === 'emergency');
  began = alarm?.at ?? 0;
  band.hidden = !alarm;
  mark(document.documentElement, 'emergency', String(Boolean(alarm)));
  if (alarm) showAge(park.at);
}

/** @param {number} now the server's time */
export function showAge(now) {
  if (began) write(since, w('emergencySince', { time: clock(began), age: age(now - began) }));
}
