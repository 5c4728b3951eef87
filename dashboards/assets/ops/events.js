// What happened at a device, one line each, in words: presentations with their answers, the device's
// own facts, alarms about it. Called by a device's page.

import { make, mark, write } from '../lib/dom.js';
import { age, clock, number } from '../lib/format.js';
import { alarmName, reasonName } from '../lib/i18n.js';
import { ms } from './store.js';
import { w } from './words.js';

/** @typedef {{at: string, received_at: string | null, kind: string, detail: Record<string, any>}} DeviceEvent */
/** @typedef {'all' | 'refused' | 'passages' | 'others'} Sort */
/** @typedef {{root: HTMLElement, time: HTMLElement, what: HTMLElement, more: HTMLElement, ticket: HTMLAnchorElement}} EventView */

/** A fact that came in later than this was kept by the device meanwhile. */
const LATE_MS = 5000;

/** @param {number} n */
export const persons = (n) => (n === 1 ? w('onePerson') : w('nPersons', { n: number(n) }));

/** @param {string} word */
const outcome = (word) => w(/** @type {'o_taken'} */ (['taken', 'partial', 'not_taken', 'reversed', 'forced', 'tailgated'].includes(word) ? `o_${word}` : 'o_other'));
/** @param {string} word */
const by = (word) => w(/** @type {'by_server'} */ (['server', 'list', 'signature', 'own', 'manual', 'staff', 'emergency'].includes(word) ? `by_${word}` : 'by_other'));
/** @param {string} word */
export const way = (word) => w(word === 'out' ? 'dir_out' : 'dir_in');

/** @param {DeviceEvent} event @returns {Sort} */
export function sortOf({ kind, detail }) {
  if (kind === 'denied' || (kind === 'presentation' && detail.result === 'deny')) return 'refused';
  return kind === 'presentation' || kind === 'passage' ? 'passages' : 'others';
}

/**
 * What it is, its colour, and what belongs to it.
 * @param {DeviceEvent} event @returns {[string, string, (string | false | undefined)[]]}
 */
function told({ kind, detail: d }) {
  switch (kind) {
    case 'presentation': {
      if (d.result === 'deny') return [w('e_deny'), 'full', [reasonName(d.reason), d.direction && way(d.direction)]];
      if (d.result === 'more') return [w('e_more'), 'announce', [reasonName(d.reason), d.direction && way(d.direction)]];
      return [d.direction === 'out' ? w('e_out') : w('e_grant'), 'normal', [persons(d.persons), d.direction && way(d.direction), d.reason !== 'ok' && reasonName(d.reason)]];
    }
    case 'passage': {
      const good = d.outcome === 'taken' || d.outcome === 'partial';
      const odd = ['forced', 'tailgated'].includes(d.outcome);
      return [good ? w('e_passage') : outcome(d.outcome), odd ? 'full' : good ? 'normal' : 'announce', [
        good && d.count !== undefined && persons(d.count), d.outcome === 'partial' && outcome(d.outcome), way(d.direction), d.by !== 'server' && by(d.by),
        d.operator, d.reason,
      ]];
    }
    case 'denied': return [w('e_denied'), 'full', [reasonName(d.reason), by(d.by)]];
    case 'alarm': return d.active ? [w('e_alarm'), 'slow', [alarmName(d.code)]] : [w('e_alarmOver'), '', [alarmName(d.code)]];
    case 'mode': return [w('e_mode'), '', [modeName(d.mode)]];
    case 'job': return [w('e_job'), d.state === 'failed' || d.state === 'unknown' ? 'slow' : '', [d.state, d.reason]];
    case 'boot': return [w('e_boot'), '', [d.reason]];
    case 'gap': return [w('e_gap'), 'slow', [`${d.from}–${d.to}`]];
    case 'order': return [w('e_order'), '', [d.state]];
    case 'redeem': return [w('e_redeem'), '', [d.state]];
    default: return [w('e_other'), '', [kind]];
  }
}

/** @param {string} mode */
export const modeName = (mode) => (['normal', 'free', 'locked', 'maintenance'].includes(mode) ? w(/** @type {'mode_normal'} */ (`mode_${mode}`)) : mode);

/** @returns {EventView} */
export function buildEvent() {
  const [time, what, more, ticket] = [make('time'), make('b', 'chip'), make('span'), make('a', 'ticket')];
  return { root: make('li', 'event', time, what, more, ticket), time, what, more, ticket };
}

/** @param {EventView} view @param {DeviceEvent} event */
export function showEvent(view, event) {
  const [what, level, more] = told(event);
  const at = ms(event.at) ?? 0;
  const late = (ms(event.received_at) ?? at) - at;
  write(view.time, clock(at));
  mark(view.what, 'level', level);
  write(view.what, what);
  const words = [...more, late > LATE_MS && w('late', { age: age(late) })].filter(Boolean);
  write(view.more, words.join(' · '));
  view.ticket.hidden = !event.detail.ticket;
  if (event.detail.ticket) {
    view.ticket.href = `#/ticket/${event.detail.ticket}`;
    write(view.ticket, w('seeTicket'));
  }
}

/** Its key in a list. @param {DeviceEvent} event */
export const keyOf = (event) => `${event.at}${event.kind}${event.detail.scan ?? ''}${event.detail.grant ?? ''}${event.detail.code ?? ''}${event.detail.active ?? ''}${event.detail.job ?? ''}${event.detail.order ?? ''}${event.detail.state ?? ''}`;
