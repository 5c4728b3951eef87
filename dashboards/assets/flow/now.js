// The view Now: the park as it is this second, from the feed; what the feed does not know (the peak
// so far, last week without history in the feed) from the day's answer.

import { byId, fill, find, make, mark, repeat, write } from '../lib/dom.js';
import { age, hourMinute, midnight, number, percent } from '../lib/format.js';
import { alarmName, say } from '../lib/i18n.js';
import { bar, levelOf, renewed } from './parts.js';
import { ridge } from './ridge.js';
import { delta, timeOf, w, weekday } from './words.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Gate} Gate */
/** @typedef {import('./types.js').Day} Day */
/** @typedef {{root: HTMLElement, name: HTMLElement, state: HTMLElement, in: HTMLElement, out: HTMLElement, inBar: HTMLElement, outBar: HTMLElement}} GateView */

const ALARMS_SHOWN = 3;
/** People a minute and lane, from which on a gate counts as busy. */
const BUSY_PER_LANE = 3;

const drawRidge = ridge(byId('now-curve'));
/** @type {GateView[]} */
const gateViews = [];
/** The end of the gates' bars; it grows at once and shrinks slowly. */
let scale = 20;

/** @param {Park} park @param {Day | undefined} answer today's, once it is there */
export function show(park, answer) {
  const { today } = park;
  // At the turn of the day the answer is still yesterday's for a moment.
  const day = answer?.day === today.date ? answer : undefined;
  write(byId('in-site'), number(today.in_site));
  const held = byId('capacity');
  held.hidden = today.capacity === null;
  byId('now-level').hidden = today.capacity === null;
  write(byId('now-level'), w(`level_${today.level}`));
  for (const node of [byId('now-level'), held]) mark(node, 'level', today.level);
  fill(find(held, 'i'), today.capacity ? today.in_site / today.capacity : 0);
  write(byId('now-share'), shareLine(today.in_site, today.capacity));
  write(byId('now-versus'), versusLine(park, day));
  write(byId('now-entries'), number(today.entries));
  write(byId('now-exits'), number(today.exits));
  write(byId('now-in'), number(today.entries_per_min));
  write(byId('now-out'), number(today.exits_per_min));
  write(byId('now-denied'), number(today.denied));
  showPeak(today.in_site, day);
  showGates(park);
  showCurve(park, day);
  showAreas(park);
  showAlarms(park);
}

/** @param {number} inSite @param {number | null} capacity */
function shareLine(inSite, capacity) {
  if (!capacity) return w('noCapacity');
  const values = { capacity: number(capacity), percent: percent(inSite, capacity), room: number(Math.max(0, capacity - inSite)) };
  return w(inSite < capacity ? 'ofCapacity' : 'overCapacity', values);
}

/** @param {Park} park @param {Day} [day] */
function versusLine(park, day) {
  const before = park.past?.last_week;
  const [date, then] = before
    ? [before.date, before.entries_by_now]
    : [day?.last_week?.day, day?.last_week?.entries_by_now];
  if (!date || !then) return w('noVersus');
  return w('versusNow', { weekday: weekday(date), delta: delta(park.today.entries, then), before: number(then) });
}

/** @param {number} inSite @param {Day} [day] */
function showPeak(inSite, day) {
  const most = day?.peak && day.peak.persons >= inSite ? day.peak : null;
  const known = most !== null || day !== undefined;
  write(byId('now-peak'), known ? number(most ? most.persons : inSite) : '—');
  write(byId('now-peak-at'), most ? w('atTime', { time: timeOf(most.at) }) : '');
}

/** @returns {GateView} */
function buildGate() {
  const [name, state, ins, out] = [make('span', 'name'), make('small', 'trouble'), make('b'), make('small')];
  const [inBar, outBar] = [make('i'), make('i')];
  const bars = make('span', 'pairbar', make('span', 'bar in', inBar), make('span', 'bar out', outBar));
  return { root: make('li', '', name, state, ins, out, bars), name, state, in: ins, out, inBar, outBar };
}

/** @param {Park} park */
function showGates(park) {
  const gates = [...park.gates.values()];
  const lanes = [...park.lanes.values()];
  const open = (/** @type {Gate} */ gate) => lanes.filter((lane) => lane.gate === gate.id && lane.condition === 'online').length;
  const down = (/** @type {Gate} */ gate) =>
    lanes.filter((lane) => lane.gate === gate.id && ['fault', 'offline', 'closed'].includes(lane.condition)).length;
  const through = (/** @type {Gate} */ gate) => gate.in_per_min + gate.out_per_min;
  const each = (/** @type {Gate} */ gate) => through(gate) / Math.max(1, open(gate));
  const [busiest] = [...gates].sort((a, b) => each(b) - each(a));
  const busy = busiest && each(busiest) >= BUSY_PER_LANE;
  const values = busy ? { gate: say(busiest.name), n: number(through(busiest)), each: number(each(busiest), each(busiest) < 10 ? 1 : 0) } : undefined;
  write(byId('crowded'), gates.length === 0 ? '' : values ? w('crowded', values) : w('calm'));
  find(byId('now-gates'), '.none').hidden = gates.length > 0;
  scale = Math.max(20, scale * 0.995, ...gates.flatMap((gate) => [gate.in_per_min, gate.out_per_min]));
  repeat(find(byId('now-gates'), '.gates'), gateViews, gates, buildGate, (view, gate) => {
    mark(view.root, 'busiest', String(busy && gate.id === busiest.id));
    write(view.name, say(gate.name));
    const out = down(gate);
    const refused = gate.denied_per_min >= 3 && gate.denied_per_min * 4 >= gate.in_per_min;
    const words = [out === 1 ? w('laneDown') : out ? w('lanesDown', { n: out }) : '', refused ? w('refusedMany', { n: number(gate.denied_per_min) }) : ''];
    write(view.state, words.filter(Boolean).join(' · '));
    write(view.in, w('gateIn', { n: number(gate.in_per_min) }));
    write(view.out, w('gateOut', { n: number(gate.out_per_min) }));
    fill(view.inBar, gate.in_per_min / scale);
    fill(view.outBar, gate.out_per_min / scale);
  });
}

/** @param {Park} park @param {Day} [day] */
function showCurve(park, day) {
  const { today, past } = park;
  const forecast = past?.forecast ?? day?.forecast ?? null;
  const lastWeek = past?.last_week?.curve;
  const section = byId('now-curve');
  const empty = today.entries === 0 && !lastWeek?.length && !forecast;
  find(section, '.none').hidden = !empty;
  find(section, '.plot').hidden = empty;
  find(section, '.legend').hidden = empty;
  find(section, '[data-line=week]').hidden = !lastWeek?.length;
  find(section, '[data-line=forecast]').hidden = !forecast;
  const start = today.starts_at ?? midnight(today.date);
  if (!empty) drawRidge({ start, now: park.at, today: today.curve, lastWeek, forecast: forecast?.curve });
  find(section, '.plot').setAttribute('aria-label', `${w('ridgeLabel')} · ${number(today.entries)} ${w('visits')}`);
  const line = byId('now-forecast');
  if (!forecast) return write(line, w('noForecast'));
  const peakAt = typeof forecast.peak_at === 'number' ? forecast.peak_at : Date.parse(forecast.peak_at);
  const values = {
    time: hourMinute(peakAt), n: number(forecast.peak_in_site),
    share: percent(forecast.peak_in_site, today.capacity ?? 0),
  };
  write(line, peakAt < park.at ? w('peakOver', values) : w(today.capacity ? 'peakExpected' : 'peakExpectedPlain', values));
}

/** @param {Park} park */
function showAreas(park) {
  const areas = [...park.areas.values()];
  find(byId('now-areas'), '.none').hidden = areas.length > 0;
  const rows = areas.map((area) => ({ name: say(area.name), n: area.occupancy, capacity: area.capacity, level: area.level }));
  renewed(find(byId('now-areas'), '.areas'), rows, () => rows.map(({ name, n, capacity, level }) => {
    const held = make('span', '', make('b', '', number(n)), capacity ? ` / ${number(capacity)}` : '');
    const share = make('small', 'chip', capacity ? percent(n, capacity) : '—');
    mark(share, 'level', capacity ? level : '');
    return make('li', '', make('span', 'name', name), held, share, capacity ? bar(n / capacity, level ?? levelOf(n / capacity)) : '');
  }));
}

/** @param {Park} park */
function showAlarms(park) {
  const alarms = [...park.alarms.values()].sort((a, b) => Number(a.acknowledged) - Number(b.acknowledged) || b.at - a.at);
  find(byId('now-alarms'), '.none').hidden = alarms.length > 0;
  const rows = alarms.slice(0, ALARMS_SHOWN).map((alarm) => {
    const lane = alarm.lane ? park.lanes.get(alarm.lane) : undefined;
    const gate = lane ? park.gates.get(lane.gate) : undefined;
    const area = alarm.area ? park.areas.get(alarm.area) : undefined;
    const place = area ? say(area.name) : [gate ? say(gate.name) : '', alarm.lane ?? alarm.device ?? ''].filter(Boolean).join(' ');
    return { name: alarmName(alarm.code), place, since: age(Math.floor((park.at - alarm.at) / 60_000) * 60_000), seen: alarm.acknowledged };
  });
  const more = alarms.length - rows.length;
  renewed(find(byId('now-alarms'), '.lines'), [rows, more], () => {
    const lines = rows.map(({ name, place, since, seen }) => {
      const line = make('li', '', make('b', '', name), make('span', '', place), make('small', '', since));
      mark(line, 'seen', String(seen));
      return line;
    });
    return more > 0 ? [...lines, make('li', 'more', w('moreAlarms', { n: more }))] : lines;
  });
}
