// Acts under way: each with its state as it changes (sent, received, done, failed), the device's own
// word where it failed, and its line on record. They stay until they are over and have been seen for
// a while. Called by acts.js.

import { ask, Away, Problem } from '../lib/api.js';
import { byId, make, mark, write } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { button, rows } from './rows.js';
import { ms, now, renew, store } from './store.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Command} Command */
/** @typedef {{root: HTMLElement, title: HTMLElement, state: HTMLElement, record: HTMLElement, why: HTMLElement}} View */

/**
 * @typedef {object} Act
 * @property {string} key
 * @property {string} title
 * @property {string} why
 * @property {number} at
 * @property {Command[]} commands those that were sent; none for what is done at once
 * @property {string[]} refused what could not be sent, with the server's word
 * @property {boolean} lost the server did not answer: whether it was sent is not known
 * @property {boolean} waits for the server's first answer
 * @property {number | null} overAt
 */

const LOOK_MS = 600;
const STAYS_MS = 20_000;
const STAYS_BAD_MS = 120_000;
const UNDER_WAY = new Set(['sent', 'received']);

/** @type {Act[]} */
let acts = [];
/** @type {Map<string, View>} */
const views = new Map();
let count = 0;
let looking = false;

/** @param {string} title @param {string} why @returns {Act} an act that is about to be asked for */
export function begin(title, why) {
  count += 1;
  /** @type {Act} */
  const act = { key: String(count), title, why, at: now(), commands: [], refused: [], lost: false, waits: true, overAt: null };
  acts = [act, ...acts].slice(0, 8);
  show();
  return act;
}

/** @param {Act} act @param {unknown} error */
export function refuse(act, error) {
  if (!(error instanceof Problem || error instanceof Away)) throw error;
  // The question may have arrived although its answer did not.
  if (error instanceof Away) act.lost = true;
  act.refused.push(error instanceof Away ? w('lostAct') : error.message);
}

/** All has been asked for: follows the commands to their ends. @param {Act} act */
export function follow(act) {
  act.waits = false;
  settle(act);
  show();
  if (!looking) void look();
}

/** @param {Act} act */
function settle(act) {
  const going = act.waits || act.commands.some((command) => UNDER_WAY.has(command.state));
  if (!going && act.overAt === null) {
    act.overAt = performance.now();
    void renew('fleet');
  }
}

async function look() {
  looking = true;
  while (acts.some((act) => act.commands.some((command) => UNDER_WAY.has(command.state)))) {
    await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    const devices = new Set(acts.flatMap((act) => act.commands.filter((one) => UNDER_WAY.has(one.state)).map((one) => one.device)));
    for (const device of devices) await lookAt(device);
    show();
  }
  looking = false;
}

/** @param {string} device */
async function lookAt(device) {
  try {
    /** @type {Command[]} */
    const told = (await ask(`/api/v1/devices/${device}/commands`)).commands;
    for (const act of acts) {
      act.commands = act.commands.map((held) => told.find((row) => row.id === held.id && row.device === held.device) ?? held);
      settle(act);
    }
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Away)) throw error;
  }
}

/** @param {Act} act @returns {'going' | 'good' | 'bad'} */
function outcome(act) {
  if (act.waits || act.commands.some((command) => UNDER_WAY.has(command.state))) return 'going';
  return act.refused.length || act.commands.some((command) => command.state !== 'done') ? 'bad' : 'good';
}

/** @param {Act} act */
function stateWord(act) {
  if (act.waits && !act.commands.length) return '…';
  if (!act.commands.length && act.lost) return w('cs_unknown');
  if (!act.commands.length) return act.refused.length ? w('cs_refused') : w('acted');
  if (act.commands.length + act.refused.length > 1) {
    const done = act.commands.filter((command) => command.state === 'done').length;
    return w('ofMany', { done, all: act.commands.length + act.refused.length });
  }
  return w(`cs_${act.commands[0].state}`);
}

/** @param {Act} act */
function whyNot(act) {
  const failed = act.commands.filter((command) => !UNDER_WAY.has(command.state) && command.state !== 'done');
  const words = failed.map((command) => `${command.device}: ${w(`cs_${command.state}`)}${command.why ? ` – ${command.why}` : ''}`);
  return [...act.refused, ...words].join(' · ');
}

/** @returns {View} */
function build(/** @type {Act} */ act) {
  const [title, state, record, why] = [make('b'), make('span', 'chip'), make('small'), make('p', 'why')];
  const close = button('quiet', () => {
    acts = acts.filter((one) => one !== act);
    show();
  }, '×');
  close.dataset.wLabel = 'close';
  close.setAttribute('aria-label', w('close'));
  const root = make('div', 'act', make('p', 'line', title, state, close), record, why);
  return { root, title, state, record, why };
}

export function show() {
  acts = acts.filter((act) => act.overAt === null
    || performance.now() - act.overAt < (outcome(act) === 'bad' ? STAYS_BAD_MS : STAYS_MS));
  const root = byId('running');
  root.hidden = acts.length === 0;
  rows(root, views, acts, (act) => act.key, build, (view, act) => {
    const how = outcome(act);
    mark(view.root, 'outcome', how);
    mark(view.state, 'state', act.commands.length === 1 ? act.commands[0].state : how);
    mark(view.state, 'level', how === 'good' ? 'normal' : how === 'bad' ? 'full' : '');
    write(view.title, act.title);
    write(view.state, stateWord(act));
    const at = ms(act.commands[0]?.sent_at) ?? act.at;
    write(view.record, w('onRecord', { who: store.me?.user ?? '', time: clock(at), why: act.why }));
    view.record.hidden = !act.commands.length && (act.refused.length > 0 || act.waits);
    write(view.why, whyNot(act));
    view.why.hidden = !view.why.textContent;
  });
}
setInterval(show, 1000);
