// Commands with who, why and what came of each. Called by a device's page, the emergency and the
// record.

import { make, mark, write } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { opName } from './acts.js';
import { modeName, persons, way } from './events.js';
import { ms } from './store.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Command} Command */
/** @typedef {{root: HTMLElement, time: HTMLElement, what: HTMLElement, state: HTMLElement, who: HTMLElement, why: HTMLElement}} CommandView */

const GOING = new Set(['sent', 'received']);

/** What was told, in words. @param {Command} command */
export function commandText({ op, args }) {
  const more = [
    typeof args.mode === 'string' && modeName(args.mode),
    op === 'open' && typeof args.persons === 'number' && persons(args.persons),
    op === 'open' && typeof args.direction === 'string' && way(args.direction),
    typeof args.text === 'string' && `“${args.text}”`,
    op === 'emergency' && w(args.on ? 'wordOn' : 'wordOff'),
  ].filter(Boolean);
  return [opName(op), ...more].join(' · ');
}

/** @returns {CommandView} */
export function buildCommand() {
  const [time, what, state, who, why] = [make('time'), make('b'), make('span', 'chip'), make('small'), make('p', 'why')];
  return { root: make('li', 'command', make('p', 'line', time, what, state), who, why), time, what, state, who, why };
}

/** @param {CommandView} view @param {Command} command @param {string} [place] before the op, in lists of many devices */
export function showCommand(view, command, place = '') {
  const { state } = command;
  write(view.time, clock(ms(command.sent_at) ?? 0));
  write(view.what, [place, commandText(command)].filter(Boolean).join(' · '));
  write(view.state, w(`cs_${state}`));
  mark(view.state, 'level', state === 'done' ? 'normal' : GOING.has(state) ? 'announce' : 'full');
  mark(view.root, 'state', state);
  write(view.who, `${command.by} · ${command.reason}`);
  const result = command.result && typeof command.result === 'object' ? Object.entries(command.result).filter(([, value]) => typeof value !== 'object') : [];
  write(view.why, command.why ?? result.map(([key, value]) => `${key} ${value}`).join(' · '));
  view.why.hidden = !view.why.textContent;
}

/** @param {Command} command */
export const commandKey = (command) => command.id + command.device;
