// A ticket behind what a visitor shows: its state, why it was refused last and what can be done, its
// history. The code goes to the server in a body only; the address holds at most the ticket's id.

import { ask, Away, Problem } from '../lib/api.js';
import { make, mark, write } from '../lib/dom.js';
import { age, clock, number } from '../lib/format.js';
import { className, reasonName, say } from '../lib/i18n.js';
import { lacks } from './acts.js';
import { advice, factText } from './advice.js';
import { buildEvent, keyOf, showEvent } from './events.js';
import { card, figures, none, rows } from './rows.js';
import { areaOf, laneOf, may, ms, now } from './store.js';
import { w } from './words.js';

/** @typedef {{id: string, at: string, device: string, lane: string, result: 'grant' | 'deny' | 'more', reason: string, facts?: Record<string, any> | null}} Presentation */
/** @typedef {{grant: string | null, at: string, lane: string, gate: string, direction: 'in' | 'out', outcome: string, count: number, by: string}} Passage */
/**
 * @typedef {object} Ticket
 * @property {string} id
 * @property {string} product
 * @property {string} class
 * @property {string} status
 * @property {number} persons
 * @property {number} epoch
 * @property {string | null} visit_date
 * @property {string | null} slot
 * @property {string} issued_at
 * @property {{areas: string[], remaining: number | null}[]} entitlements
 * @property {number} entries
 * @property {string | null} first_entry
 * @property {string | null} last_entry
 * @property {{area: string, persons: number}[]} inside
 * @property {boolean} in_progress
 * @property {Presentation[]} presentations
 * @property {Passage[]} passages
 * @property {string[]} also
 * @property {string} found_by
 * @property {boolean} code_superseded
 */

const TYPES = /** @type {const} */ (['auto', 'qr', 'rfid', 'id_card', 'face', 'exchange_code']);
const RENEW_MS = 5000;

const form = make('form', 'lookup');
const code = make('input');
code.id = 'code';
code.name = 'code';
code.autocomplete = 'off';
code.spellcheck = false;
code.maxLength = 512;
const [codeLabel, typeLabel, explain] = [make('label'), make('label'), make('p', 'explain')];
codeLabel.htmlFor = code.id;
const type = make('select');
type.id = 'code-type';
typeLabel.htmlFor = type.id;
const go = make('button');
go.type = 'submit';
go.id = 'look-up';
form.append(make('div', 'field', codeLabel, code), make('div', 'field', typeLabel, type), go);
const top = card('lookup-card');
const lack = make('p', 'notice lack');
top.root.append(explain, form, lack);

const answer = make('section', 'card verdict');
const [headline, chip, line, reasonLine, factLine, adviceTitle, adviceLine, lane] = [
  make('h2'), make('span', 'chip big'), make('p'), make('p', 'reason'), make('p', 'facts'), make('b'), make('p', 'advice'), make('a', 'button plain'),
];
reasonLine.setAttribute('role', 'status');
answer.append(make('div', 'name', headline, chip), line, reasonLine, factLine, make('div', 'what-now', adviceTitle, adviceLine), lane);
const also = make('p', 'also');
const facts = card('ticket-facts');
const factList = make('dl', 'figures');
facts.root.append(factList, also);
const showFacts = figures(factList);
const history = card('history');
const historyList = make('ol', 'list');
const noHistory = none();
history.root.append(historyList, noHistory.root);
const nothing = none();
const columns = make('div', 'columns', make('div', 'stack', answer, facts.root), make('div', 'stack', history.root));
export const root = make('div', 'ticket', top.root, nothing.root, columns);

/** @type {Ticket | null} */
let ticket = null;
/** @type {{title: string, text: string} | null} */
let refused = null;
let busy = false;
let seen = false;
/** @type {Record<string, import('../lib/i18n.js').Text>} */
let products = {};
/** @type {ReturnType<typeof setTimeout> | undefined} */
let turn;
let asked = 0;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = code.value.trim();
  if (!text || !may('see_tickets')) return;
  const kind = type.value;
  // What was scanned leaves the field: the next scan begins anew, and no code stays on a screen.
  code.value = '';
  code.focus();
  void look({ code: text, ...(kind === 'auto' ? {} : { type: kind }) });
});

/** @param {string} [id] a ticket's */
export function enter(id) {
  seen = true;
  if (id && ticket?.id !== id) void look({ code: id });
  if (!id) {
    if (!matchMedia('(pointer: coarse)').matches) setTimeout(() => code.focus());
  }
  if (!Object.keys(products).length) void names();
  again();
}

export function leave() {
  seen = false;
  clearTimeout(turn);
}

async function names() {
  try {
    /** @type {{id: string, name?: import('../lib/i18n.js').Text}[]} */
    const told = (await ask('/api/v1/products', { stay: true })).products ?? [];
    products = Object.fromEntries(told.filter((product) => product.name).map((product) => [product.id, /** @type {import('../lib/i18n.js').Text} */ (product.name)]));
    show();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Away)) throw error;
  }
}

/** @param {{code: string, type?: string}} shown */
async function look(shown) {
  asked += 1;
  const turnOf = asked;
  busy = true;
  refused = null;
  // What stood there is another visitor's.
  ticket = null;
  show();
  try {
    const found = await ask('/api/v1/tickets/lookup', { body: shown });
    if (turnOf !== asked) return;
    ticket = found;
    // The id, which opens no gate; never the code.
    if (seen && location.hash !== `#/ticket/${found.id}`) window.history.replaceState(null, '', `#/ticket/${found.id}`);
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Away)) throw error;
    if (turnOf !== asked) return;
    ticket = null;
    const forged = error instanceof Problem && error.status === 422;
    refused = error instanceof Away ? { title: w('away'), text: '' }
      : error.status === 404 ? { title: w('notFound'), text: w('notFoundMore') }
        : forged ? { title: w('forgedTitle'), text: w('forgedMore') } : { title: error.message, text: '' };
  }
  busy = false;
  show();
  again();
}

/** While it is looked at, its history goes on. */
function again() {
  clearTimeout(turn);
  turn = setTimeout(async () => {
    if (ticket && seen && !document.hidden) {
      const of = ticket;
      try {
        // A plain look, which is not a new look-up on the audit trail.
        const now = await ask(`/api/v1/tickets/${of.id}`);
        if (ticket === of) ticket = { ...of, ...now };
        show();
      } catch (error) {
        if (!(error instanceof Problem || error instanceof Away)) throw error;
      }
    }
    if (seen) again();
  }, RENEW_MS);
}

/** @param {string} status */
const statusWord = (status) => w(/** @type {'ts_issued'} */ (
  ['issued', 'unpaid', 'frozen', 'refunded', 'voided', 'superseded', 'exchange_first'].includes(status) ? `ts_${status}` : 'ts_issued'));

/** @param {string} id */
const areaName = (id) => { const area = areaOf(id); return area ? say(area.name) : id; };

/** @param {Ticket} held */
function showVerdict(held) {
  const product = products[held.product];
  write(headline, product ? say(product) : held.product);
  const used = held.status === 'issued' && held.entitlements.length > 0 && held.entitlements.every((one) => one.remaining === 0);
  write(chip, used ? w('ts_usedUp') : statusWord(held.status));
  mark(chip, 'level', used ? 'slow' : held.status === 'issued' ? 'normal' : 'full');
  const last = held.presentations[0];
  mark(answer, 'result', last?.result ?? 'none');
  const at = last ? ms(last.at) ?? 0 : 0;
  const place = last && laneOf(last.lane);
  const placeName = place ? `${place.id} ${say(place.name)}` : last?.lane ?? '';
  write(line, last ? w('lastTime', { time: clock(at), age: age(now() - at), lane: placeName }) : w('neverShown'));
  const old = held.code_superseded ? w('oldCode') : '';
  write(reasonLine, old || (last ? (last.result === 'grant' ? w('wasLetIn') : reasonName(last.reason)) : ''));
  write(factLine, [last ? factText(last.facts) : '', held.in_progress ? w('inProgress') : ''].filter(Boolean).join(' · '));
  const what = old ? advice('superseded') : !last ? w('neverShownMore') : last.result === 'grant' ? '' : advice(last.reason);
  write(adviceTitle, what ? w('whatNow') : '');
  write(adviceLine, what);
  lane.hidden = !last;
  if (last) {
    lane.href = `#/devices/${last.device}`;
    write(lane, w('toLane', { lane: placeName }));
  }
}

/** @param {Ticket} held */
function showTicket(held) {
  showVerdict(held);
  write(facts.note, held.id);
  write(facts.title, w('onTicket'));
  const inside = held.inside.map((one) => `${areaName(one.area)} ${number(one.persons)}`).join(' · ');
  showFacts([
    { name: w('classOf'), value: className(held.class) },
    { name: w('persons'), value: number(held.persons) },
    ...held.entitlements.map((one) => ({
      name: `${w('remaining')} · ${one.areas.map(areaName).join(' ')}`,
      value: one.remaining === null ? w('unlimited') : number(one.remaining),
      level: one.remaining === 0 ? 'slow' : '',
    })),
    { name: w('entriesSoFar'), value: w('times', { n: number(held.entries) }) },
    { name: w('insideNow'), value: inside || w('nobodyInside') },
    ...(held.visit_date ? [{ name: w('visitDate'), value: held.visit_date }] : []),
    ...(held.slot ? [{ name: w('slot'), value: held.slot }] : []),
    { name: w('issuedAt'), value: held.issued_at.slice(0, 16).replace('T', ' ') },
    { name: w('issueNo'), value: number(held.epoch + 1) },
  ]);
  also.hidden = held.also.length === 0;
  also.replaceChildren(w('also', { n: held.also.length }), ...held.also.map((id) => {
    const link = make('a', '', id.slice(-8));
    link.href = `#/ticket/${id}`;
    return link;
  }));
}

/** @type {Map<string, import('./events.js').EventView>} */
const lines = new Map();

/** @param {Ticket} held @returns {import('./events.js').DeviceEvent[]} presentations and passages in one row, newest first */
function historyOf(held) {
  const place = (/** @type {string} */ id) => { const found = laneOf(id); return found ? `${found.id} ${say(found.name)}` : id; };
  const shown = held.presentations.map((one) => ({
    at: one.at, received_at: null, kind: 'presentation',
    detail: { scan: one.id, result: one.result, reason: one.reason, persons: held.persons, place: place(one.lane) },
  }));
  const passed = held.passages.map((one) => ({
    at: one.at, received_at: null, kind: 'passage',
    detail: { grant: one.grant, outcome: one.outcome, count: one.count, direction: one.direction, by: one.by, place: place(one.lane) },
  }));
  return [...shown, ...passed].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}

export function show() {
  write(top.title, w('lookUp'));
  write(explain, w('lookUpWhat'));
  write(codeLabel, w('codeOrNumber'));
  write(typeLabel, w('shownAs'));
  const kept = type.value || 'auto';
  if (type.children.length === 0) type.append(...TYPES.map((one) => { const option = make('option'); option.value = one; return option; }));
  TYPES.forEach((one, index) => { write(type.children[index], w(`as_${one}`)); });
  type.value = kept;
  write(go, busy ? '…' : w('lookUpGo'));
  const no = lacks('see_tickets');
  lack.hidden = no === '';
  write(lack, no);
  go.disabled = no !== '';
  columns.hidden = !ticket;
  nothing.show(!ticket, refused?.title ?? (busy ? w('loading') : w('ticketEmpty')), refused?.text ?? (busy ? '' : w('ticketEmptyMore')));
  mark(nothing.root, 'refused', String(refused !== null));
  if (!ticket) return;
  showTicket(ticket);
  write(history.title, w('historyOf'));
  const happened = historyOf(ticket);
  rows(historyList, lines, happened, keyOf, buildEvent, (view, event) => {
    showEvent(view, event);
    write(view.more, [event.detail.place, view.more.textContent].filter(Boolean).join(' · '));
  });
  noHistory.show(happened.length === 0, w('noHistory'));
}
