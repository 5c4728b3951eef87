// What holds for the whole site: the room in the areas with the override, and the emergency opening
// in two steps (arm, then hold or type), with its record and its end.

import { fill, make, mark, write } from '../lib/dom.js';
import { age, clock, hourMinute, number, percent } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { actButton, endOverride, lackLine, override, setEmergency } from './acts.js';
import { buildCommand, commandKey, showCommand } from './commandlist.js';
import { Renewal } from './renewal.js';
import { button, card, none, rows } from './rows.js';
import { areaOf, commands, deviceOf, laneOf, may, ms, now, store } from './store.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Capacity} Capacity */
/** @typedef {import('./store.js').Command} Command */

const HOLD_MS = 2000;
const ARMED_MS = 30_000;
const RENEW_MS = 2000;

const areas = card('areas');
const areaList = make('ul', 'list');
const noAreas = none();
const areaLack = lackLine('override_capacity');
areas.root.append(areaList, noAreas.root, areaLack.root);

const emergency = card('emergency');
const state = make('p', 'state');
const explain = make('p', 'explain');
const arm = actButton('danger big', 'release', () => armNow());
arm.node.id = 'arm';
const lack = lackLine('release');
const reasonLabel = make('label');
const reason = make('input');
reason.id = 'emergency-reason';
reason.maxLength = 500;
reason.autocomplete = 'off';
reasonLabel.htmlFor = reason.id;
const often = make('p', 'often');
const left = make('p', 'left');
left.setAttribute('role', 'timer');
const holdFill = make('i');
const holdWord = make('span');
const hold = make('button', 'danger big hold', holdFill, holdWord);
hold.type = 'button';
hold.id = 'hold';
const wordLabel = make('label');
const word = make('input');
word.id = 'emergency-word';
word.autocomplete = 'off';
wordLabel.htmlFor = word.id;
const wrong = make('p', 'wrong');
wrong.setAttribute('role', 'alert');
const drop = button('plain', () => disarm());
const typed = make('form', 'typed', make('div', 'field', wordLabel, word));
typed.noValidate = true;
const second = make('div', 'second', left, make('div', 'field', reasonLabel, reason), often, wrong, hold, typed, drop);
const record = make('section', 'told');
const [recordTitle, recordCount] = [make('h3'), make('p')];
const recordList = make('ul', 'list');
record.append(recordTitle, recordCount, recordList);
emergency.root.append(state, explain, arm.node, lack.root, second, record);
export const root = make('div', 'columns', make('div', 'stack', emergency.root), make('div', 'stack', areas.root));

/** Until when the second step can be taken (performance.now); null while nothing is armed. @type {number | null} */
let armedUntil = null;
/** What the second step was armed for: to begin (true) or to end it. Whoever else acts meanwhile disarms it. */
let armedFor = false;
/** @type {number | null} */
let heldSince = null;
/** @type {Command[]} */
let told = [];
export const enter = () => renewal.enter();
export function leave() {
  renewal.leave();
  disarm();
}

const renewal = new Renewal({
  async ask() {
    if (document.hidden || !may('see_devices')) return;
    const all = await commands({ op: 'emergency', limit: 500 });
    // One id for all lanes at once; a lane that came later has its own, of the same kind.
    const since = ms(store.emergency?.since) ?? Infinity;
    told = all.filter((command) => (ms(command.sent_at) ?? 0) >= since - 1000 && command.args.on === store.emergency?.on);
  },
  // What was told last stands, with its age.
  failed() {},
  show: () => show(),
  everyMs: () => RENEW_MS,
});

const isOn = () => store.emergency?.on === true;

function armNow() {
  armedUntil = performance.now() + ARMED_MS;
  armedFor = !isOn();
  reason.value = '';
  word.value = '';
  write(wrong, '');
  show();
  reason.focus();
}

function disarm() {
  armedUntil = null;
  heldSince = null;
  fill(holdFill, 0);
}

/** Somebody else has done what this was armed for: it must not be turned round. */
function overtaken() {
  if (armedUntil === null || isOn() !== armedFor) return false;
  disarm();
  return true;
}

async function carryOut() {
  const why = reason.value.trim();
  if (armedUntil === null) return;
  if (overtaken()) {
    show();
    return;
  }
  if (!why) {
    write(wrong, w('reasonMissing'));
    reason.focus();
    return;
  }
  disarm();
  show();
  await setEmergency(armedFor, why);
  await renewal.now();
}

function grow() {
  if (heldSince === null) return;
  const share = (performance.now() - heldSince) / HOLD_MS;
  fill(holdFill, share);
  if (share < 1) {
    requestAnimationFrame(grow);
  } else {
    heldSince = null;
    fill(holdFill, 0);
    void carryOut();
  }
}

function press() {
  if (heldSince !== null) return;
  if (!reason.value.trim()) {
    write(wrong, w('reasonMissing'));
    reason.focus();
    return;
  }
  heldSince = performance.now();
  grow();
}
function letGo() {
  heldSince = null;
  fill(holdFill, 0);
}
hold.addEventListener('pointerdown', (event) => { event.preventDefault(); hold.focus(); press(); });
for (const end of /** @type {const} */ (['pointerup', 'pointerleave', 'pointercancel', 'keyup', 'blur'])) hold.addEventListener(end, letGo);
hold.addEventListener('keydown', (event) => {
  if (event.key !== ' ' && event.key !== 'Enter') return;
  event.preventDefault();
  if (!event.repeat) press();
});
hold.addEventListener('contextmenu', (event) => event.preventDefault());
typed.addEventListener('submit', (event) => {
  event.preventDefault();
  if (word.value.trim().toLowerCase() === w(armedFor ? 'wordOn' : 'wordOff').toLowerCase()) void carryOut();
});
reason.addEventListener('input', () => write(wrong, ''));

let oftenOf = '';
function showOften() {
  const texts = isOn() ? [w('r_falseAlarm'), w('r_over'), w('r_drill')] : [w('r_smoke'), w('r_drill')];
  if (oftenOf === texts.join()) return;
  oftenOf = texts.join();
  often.replaceChildren(...texts.map((text) => button('plain tap', () => { reason.value = text; write(wrong, ''); hold.focus(); }, text)));
}

/** @type {Map<string, import('./commandlist.js').CommandView>} */
const toldViews = new Map();

function showEmergency() {
  const on = isOn();
  const held = store.emergency;
  write(emergency.title, w('emergencyTitle'));
  mark(emergency.root, 'on', String(on));
  const since = ms(held?.since);
  const words = { who: held?.by ?? '', time: since === null ? '' : clock(since), age: since === null ? '' : age(now() - since), why: held?.reason ?? '' };
  write(state, !held ? (store.forbidden.emergency ? w('forbidden') : w('loading'))
    : on ? `${w('emergencyNow')} · ${w('emergencyBy', words)}` : [w('emergencyOff'), since !== null && w('emergencyEnded', words)].filter(Boolean).join(' · '));
  write(explain, on ? w('emergencyEndWhat') : w('emergencyWhat', { n: number(store.site?.lanes.length ?? 0) }));
  overtaken();
  if (armedUntil !== null && armedUntil < performance.now() && heldSince === null) disarm();
  second.hidden = armedUntil === null;
  arm.node.hidden = armedUntil !== null || !held;
  arm.show(w(on ? 'armEnd' : 'arm'));
  lack.show();
  write(left, armedUntil === null ? '' : w('armed', { s: Math.max(0, Math.ceil((armedUntil - performance.now()) / 1000)) }));
  write(reasonLabel, w('reason'));
  write(holdWord, w(on ? 'holdOff' : 'holdOn'));
  write(wordLabel, w('orType', { word: w(on ? 'wordOff' : 'wordOn') }));
  write(drop, w('cancel'));
  showOften();
  record.hidden = told.length === 0 || since === null;
  write(recordTitle, w('emergencyRecord'));
  const done = told.filter((command) => command.state === 'done').length;
  write(recordCount, w(on ? 'emergencyAnswered' : 'emergencyClosed', { done: number(done), all: number(told.length) }));
  rows(recordList, toldViews, told, commandKey, buildCommand, (view, row) => {
    const lane = laneOf(deviceOf(row.device)?.lane ?? null);
    showCommand(view, row, lane ? `${lane.id} ${say(lane.name)}` : row.device);
  });
}

/** @typedef {{root: HTMLElement, name: HTMLElement, figures: HTMLElement, bar: HTMLElement, fill: HTMLElement, held: HTMLElement, act: ReturnType<typeof actButton>, end: ReturnType<typeof actButton>}} AreaView */

/** @param {Capacity} area @returns {AreaView} */
function buildArea(area) {
  const [name, figures, inner, held] = [make('b'), make('span'), make('i'), make('small')];
  const bar = make('span', 'bar', inner);
  const act = actButton('plain small', 'override_capacity', () => void override(area.id));
  const end = actButton('plain small', 'override_capacity', () => void endOverride(area.id));
  const root = make('li', 'area', make('p', 'line', name, figures), bar, held, make('span', 'buttons', act.node, end.node));
  return { root, name, figures, bar, fill: inner, held, act, end };
}

/** @param {AreaView} view @param {Capacity} area */
function showArea(view, area) {
  const found = areaOf(area.id);
  mark(view.root, 'area', area.id);
  write(view.name, found ? say(found.name) : area.id);
  const { instant, daily } = area.capacity;
  write(view.figures, [
    w('inside', { n: number(area.inside) }),
    instant !== null ? w('ofCapacity', { percent: percent(area.inside, instant), capacity: number(instant) }) : w('noLimit'),
    daily !== null && w('ofDaily', { n: number(area.entries_today), daily: number(daily) }),
  ].filter(Boolean).join(' · '));
  view.bar.hidden = instant === null;
  const share = instant ? area.inside / instant : 0;
  fill(view.fill, share);
  mark(view.root, 'level', share >= 1 ? 'full' : share >= 0.9 ? 'slow' : share >= 0.8 ? 'announce' : 'normal');
  const held = area.override;
  view.held.hidden = !held;
  write(view.held, held ? w('overrideOn', { time: hourMinute(ms(held.until) ?? 0), who: held.by, why: held.reason }) : '');
  view.act.show(w('override'));
  view.end.node.hidden = !held;
  view.end.show(w('overrideEnd'));
}

/** @type {Map<string, AreaView>} */
const areaViews = new Map();

export function show() {
  showEmergency();
  write(areas.title, w('areas'));
  rows(areaList, areaViews, store.capacity, (area) => area.id, buildArea, showArea);
  noAreas.show(store.capacity.length === 0, store.forbidden.capacity ? w('forbidden') : store.heardAt.capacity === undefined ? w('loading') : w('noAreas'));
  areaLack.show();
}
