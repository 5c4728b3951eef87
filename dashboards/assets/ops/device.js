// A device's own page: how it stands and why, what can be done about it, its health, open grants,
// commands and last 100 events. Renewed every few seconds while it is seen.

import { ask, Away, Problem } from '../lib/api.js';
import { make, mark, write } from '../lib/dom.js';
import { age, clock, number } from '../lib/format.js';
import { alarmName, say } from '../lib/i18n.js';
import { acknowledge, actButton, lackLine, MODES, openOnce, opName, placeName, release, sendMessage, setMode, simple } from './acts.js';
import { buildCommand, commandKey, showCommand } from './commandlist.js';
import { buildEvent, keyOf, persons, showEvent, sortOf, way } from './events.js';
import { button, card, figures, none, rows } from './rows.js';
import { alarmsOf, deviceOf, gateAt, laneOf, ms, now, OLD_MS, store } from './store.js';
import { measured, standing, troubles, unsent } from './trouble.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Device} Device */
/** @typedef {import('./store.js').Command} Command */
/** @typedef {import('./store.js').Grant} Grant */
/** @typedef {import('./events.js').DeviceEvent} DeviceEvent */
/** @typedef {import('./events.js').Sort} Sort */

const RENEW_MS = 2000;
const SORTS = /** @type {Sort[]} */ (['all', 'refused', 'passages', 'others']);
const SIMPLE = /** @type {const} */ (['diagnose', 'sync', 'clear', 'logout', 'reboot']);

let id = '';
/** @type {Sort} */
let sort = 'all';
/** @type {{id: string, commands: Command[] | null, events: DeviceEvent[] | null, at: number, problem: string}} */
let held = { id: '', commands: null, events: null, at: 0, problem: '' };
/** @type {ReturnType<typeof setTimeout> | undefined} */
let turn;

const back = make('a', 'back');
back.href = '#/';
const [name, under, chip, session] = [make('h1'), make('p', 'under'), make('span', 'chip big'), make('span', 'session')];
const why = make('ul', 'why-list');
const top = make('header', 'device-head', back, make('div', 'name', name, chip), make('p', 'sub', under, session), why);

const acts = card('acts');
const device = () => deviceOf(id);
const withDevice = (/** @type {(device: Device) => void} */ act) => () => {
  const held = device();
  if (held) act(held);
};
const open = actButton('big', 'operate', withDevice((one) => void openOnce(one)));
open.node.id = 'open-once';
const modes = MODES.map((mode) => ({ mode, act: actButton('plain', 'operate', withDevice((one) => void setMode(one, mode))) }));
for (const { mode, act } of modes) act.node.dataset.mode = mode;
const modeName = make('p', 'label');
const modeRow = make('div', 'segments modes', ...modes.map(({ act }) => act.node));
modeRow.setAttribute('role', 'group');
const message = actButton('plain', 'operate', withDevice((one) => void sendMessage(one)));
message.node.id = 'send-message';
const simples = SIMPLE.map((op) => ({ op, act: actButton('plain', 'operate', withDevice((one) => void simple(one, op))) }));
const lack = lackLine('operate');
const away = make('p', 'notice');
acts.root.append(open.node, modeName, modeRow, make('div', 'buttons', message.node, ...simples.map(({ act }) => act.node)), lack.root, away);

const grants = card('grants');
const grantList = make('ul', 'list');
const noGrants = none();
grants.root.append(grantList, noGrants.root);

const health = card('health');
const healthList = make('dl', 'figures');
const error = make('p', 'error');
health.root.append(healthList, error);
const showFigures = figures(healthList);

const commands = card('commands');
const commandList = make('ul', 'list');
const noCommands = none();
commands.root.append(commandList, noCommands.root);

const events = card('events');
const sorts = SORTS.map((one) => ({ one, node: button('plain small', () => { sort = one; show(); }) }));
const eventList = make('ol', 'list');
const noEvents = none();
const sortRow = make('div', 'segments', ...sorts.map(({ node }) => node));
sortRow.setAttribute('role', 'group');
events.root.append(sortRow, eventList, noEvents.root);

const missing = none();
const columns = make('div', 'columns', make('div', 'stack', acts.root, grants.root), make('div', 'stack', health.root, commands.root), make('div', 'stack', events.root));
export const root = make('div', 'device', top, missing.root, columns);

/** @param {string} wanted the device's id */
export function enter(wanted) {
  id = wanted;
  if (held.id !== id) held = { id, commands: null, events: null, at: 0, problem: '' };
  sort = 'all';
  void renew();
}

export function leave() {
  clearTimeout(turn);
  id = '';
}

async function renew() {
  clearTimeout(turn);
  const asked = id;
  if (!asked) return;
  if (!document.hidden) {
    try {
      const [told, happened] = await Promise.all([ask(`/api/v1/devices/${asked}/commands`), ask(`/api/v1/devices/${asked}/events?limit=100`)]);
      if (asked === id) held = { id, commands: told.commands, events: happened.events, at: performance.now(), problem: '' };
    } catch (fault) {
      if (!(fault instanceof Problem || fault instanceof Away)) throw fault;
      if (asked === id) held.problem = fault instanceof Away ? w('away') : fault.message;
    }
    if (asked === id) show();
  }
  if (asked === id) turn = setTimeout(() => void renew(), RENEW_MS);
}

/** @param {Device} one */
function showHead(one) {
  const lane = laneOf(one.lane);
  const gate = gateAt(one);
  write(name, placeName(one));
  const way = lane ? w(/** @type {'dir_in'} */ (`dir_${lane.direction}`)) : '';
  write(under, [gate && say(gate.name), way, w(`kind_${one.kind}`), one.id].filter(Boolean).join(' · '));
  const how = standing(one);
  mark(chip, 'level', how === 'open' ? 'normal' : how === 'offline' || how === 'emergency' || how === 'revoked' ? 'full' : 'announce');
  mark(chip, 'state', how);
  write(chip, w(`st_${how}`));
  const [since, seen] = [ms(one.session_since), ms(one.last_seen)];
  write(session, one.online && since !== null ? w('onlineFor', { age: age(now() - since) }) : seen !== null ? w('offlineSince', { age: age(now() - seen) }) : '');
  showWhy(one);
}

/** @typedef {{root: HTMLElement, text: HTMLElement, act: ReturnType<typeof actButton>}} WhyView */
/** @type {Map<string, WhyView>} */
const whys = new Map();

/** @param {Device} one */
function showWhy(one) {
  const found = troubles(one).map((trouble) => {
    const alarm = alarmsOf(one).find((row) => !row.acknowledged
      && (trouble.text === alarmName(row.code) || (row.code === 'device_offline' && !one.online && trouble.level === 'full')));
    return { ...trouble, alarm };
  });
  rows(why, whys, found, (row) => `${row.level}${row.alarm?.id ?? row.text}`, (row) => {
    const text = make('span');
    const act = actButton('plain small', 'release', () => { if (row.alarm) void acknowledge(row.alarm); });
    return { root: make('li', '', text, act.node), text, act };
  }, (view, row) => {
    mark(view.root, 'level', row.level);
    write(view.text, row.text);
    view.act.node.hidden = !row.alarm;
    view.act.show(w('acknowledge'));
  });
  why.hidden = found.length === 0;
}

/** @param {Device} one */
function showActs(one) {
  write(acts.title, w('acts'));
  const gone = one.online ? '' : w('offlineActs');
  const lane = one.kind === 'turnstile';
  open.node.hidden = modeRow.hidden = modeName.hidden = !lane;
  open.show(w('openOnce'), gone);
  write(modeName, w('mode'));
  modeRow.setAttribute('aria-label', w('mode'));
  for (const { mode, act } of modes) {
    act.show(w(`mode_${mode}`), gone);
    act.node.setAttribute('aria-pressed', String(one.mode === mode));
  }
  message.node.hidden = one.kind === 'printer';
  message.show(w('message'), gone);
  for (const { op, act } of simples) {
    act.node.hidden = (op === 'clear' && !lane) || (op === 'logout' && one.kind !== 'handheld');
    act.show(opName(op), gone);
  }
  lack.show();
  away.hidden = gone === '';
  write(away, gone);
}

/** @typedef {{root: HTMLElement, text: HTMLElement, late: HTMLElement, ticket: HTMLAnchorElement, act: ReturnType<typeof actButton>, grant: Grant}} GrantView */

/** @param {Grant} grant @returns {GrantView} */
export function buildGrant(grant) {
  const [text, late, ticket] = [make('span'), make('span', 'chip'), make('a')];
  /** @type {GrantView} */
  const view = { root: make('li', 'grant'), text, late, ticket, act: actButton('plain small', 'release', () => void release(view.grant)), grant };
  view.root.append(text, late, ticket, view.act.node);
  return view;
}

/** @param {GrantView} view @param {Grant} grant */
export function showGrant(view, grant) {
  view.grant = grant;
  mark(view.root, 'overdue', String(grant.overdue));
  write(view.text, w('grantLine', {
    lane: grant.lane, direction: way(grant.direction), persons: persons(grant.persons), age: age(now() - (ms(grant.granted_at) ?? now())),
  }));
  view.late.hidden = !grant.overdue;
  mark(view.late, 'level', 'slow');
  write(view.late, w('overdue'));
  view.ticket.hidden = !grant.ticket;
  view.ticket.href = `#/ticket/${grant.ticket ?? ''}`;
  write(view.ticket, w('seeTicket'));
  view.act.show(w('release'));
}

/** @type {Map<string, GrantView>} */
const grantViews = new Map();
/** @type {Map<string, import('./commandlist.js').CommandView>} */
const commandViews = new Map();
/** @type {Map<string, import('./events.js').EventView>} */
const eventViews = new Map();

/** @param {Device} one */
function healthFigures(one) {
  /** @param {number | null} value @param {string} unit */
  const figure = (value, unit) => (value === null ? w('dash') : `${number(value)}${unit}`);
  const queue = unsent(one);
  const [battery, paper, lost] = [measured(one, 'battery_percent'), measured(one, 'paper_percent'), measured(one, 'queue_lost')];
  const [uptime, temperature, signal] = [measured(one, 'uptime_s'), measured(one, 'temperature_c'), measured(one, 'rssi_dbm')];
  const [inward, outward, late] = [measured(one, 'in'), measured(one, 'out'), measured(one, 'stale_decisions')];
  const lists = Object.entries(one.lists).map(([list, version]) => `${list} ${version}`).join(' · ');
  const portable = one.kind === 'handheld';
  const prints = one.kind === 'kiosk' || one.kind === 'printer';
  const differs = one.config_desired !== null && one.config_desired !== one.config_version;
  return [
    { name: w('unsentName'), value: figure(queue, ''), note: queue === null ? w('notTold') : '', level: queue && queue > 20 ? 'slow' : '' },
    { name: w('lostName'), value: figure(lost, ''), level: lost ? 'slow' : '' },
    (portable || battery !== null) && { name: w('batteryName'), value: figure(battery, '%'), note: battery === null ? w('notTold') : '', level: battery !== null && battery < 20 ? 'announce' : '' },
    (prints || paper !== null) && { name: w('paperName'), value: figure(paper, '%'), note: paper === null ? w('notTold') : '', level: paper !== null && paper < 15 ? 'announce' : '' },
    { name: w('clockName'), value: one.clock_skew_ms === null ? w('dash') : `${number(one.clock_skew_ms)} ms`, level: Math.abs(one.clock_skew_ms ?? 0) > 2000 ? 'announce' : '' },
    { name: w('uptime'), value: uptime === null ? w('dash') : age(uptime * 1000) },
    temperature !== null && { name: w('temperature'), value: `${number(temperature)} °C` },
    signal !== null && { name: w('signal'), value: `${number(signal)} dBm` },
    late !== null && { name: w('staleDecisions'), value: number(late) },
    inward !== null && { name: w('passedIn'), value: number(inward) },
    outward !== null && { name: w('passedOut'), value: number(outward) },
    { name: w('firmwareVersion'), value: one.firmware || w('dash') },
    { name: w('configName'), value: one.config_version === null ? w('configNone') : number(one.config_version), note: differs ? w('configWanted', { n: one.config_desired ?? 0 }) : '', level: differs ? 'announce' : '' },
    lists !== '' && { name: w('listsName'), value: lists, long: true },
    { name: w('model'), value: one.model || w('dash'), long: true },
    { name: w('serial'), value: one.serial || w('dash'), long: true },
  ].filter((row) => row !== false);
}

/** @param {Device} one */
function showRest(one) {
  write(grants.title, w('grants'));
  const open = store.grants.filter((grant) => grant.device === one.id);
  rows(grantList, grantViews, open, (grant) => grant.id, buildGrant, showGrant);
  noGrants.show(open.length === 0, store.forbidden.grants ? w('forbidden') : w('noGrants'));
  write(grants.note, open.length ? number(open.length) : '');
  write(health.title, w('health'));
  const told = ms(one.telemetry_at ?? null);
  write(health.note, told === null ? '' : w('healthAt', { age: age(now() - told) }));
  showFigures(healthFigures(one));
  const failed = ms(one.last_error?.at);
  error.hidden = failed === null;
  write(error, failed === null ? '' : `${w('lastError')} · ${clock(failed)} · ${one.last_error?.problem ?? ''}`);
  showBooks();
}

/** What comes from the books: commands and events. */
function showBooks() {
  write(commands.title, w('commands'));
  write(events.title, w('events'));
  const old = held.at ? performance.now() - held.at : 0;
  const note = held.problem || (old > OLD_MS ? w('asOf', { age: age(old) }) : '');
  write(events.note, note);
  write(commands.note, note);
  rows(commandList, commandViews, held.commands ?? [], commandKey, buildCommand, (view, row) => showCommand(view, row));
  noCommands.show(!held.commands?.length, held.commands ? w('noCommands') : held.problem || w('loading'));
  for (const { one, node } of sorts) {
    write(node, w(`ev_${one}`));
    node.setAttribute('aria-pressed', String(one === sort));
  }
  const seen = new Set();
  const shown = (held.events ?? []).filter((event) => {
    const key = keyOf(event);
    const first = !seen.has(key);
    seen.add(key);
    return first && (sort === 'all' || sortOf(event) === sort);
  });
  rows(eventList, eventViews, shown, keyOf, buildEvent, showEvent);
  noEvents.show(shown.length === 0, held.events ? w('noEvents') : held.problem || w('loading'), held.events?.length ? '' : w('noEventsMore'));
}

export function show() {
  write(back, `← ${w('back')}`);
  const one = device();
  const known = store.heardAt.fleet !== undefined;
  missing.show(!one, known ? w('noSuchDevice', { id }) : w('loading'), known ? w('noSuchDeviceMore') : '');
  columns.hidden = !one;
  for (const node of [chip, why, session, under]) node.hidden = !one;
  write(name, one ? placeName(one) : id);
  if (!one) return;
  showHead(one);
  showActs(one);
  showRest(one);
}
