// All devices with all their figures, the worst first. Called by the overview, which says which ones.

import { make, mark, write } from '../lib/dom.js';
import { age, number } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { rows } from './rows.js';
import { gateAt, ms, now } from './store.js';
import { lastScan, measured, standing, troubles, unsent } from './trouble.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Device} Device */

export const root = make('div', 'wide');

/** @type {[Parameters<typeof w>[0], string][]} */
const COLUMNS = [
  ['c_device', ''], ['c_place', ''], ['c_state', ''], ['c_error', ''], ['c_session', 'num'], ['c_scan', 'num'], ['c_seen', 'num'], ['c_grants', 'num'],
  ['c_queue', 'num'], ['c_power', 'num'], ['c_firmware', ''], ['c_failed', 'failed'],
];
const headings = COLUMNS.map(([, className]) => make('th', className));
for (const heading of headings) heading.scope = 'col';
const body = make('tbody');
root.append(make('table', 'fleet', make('thead', '', make('tr', '', ...headings)), body));
/** @type {Map<string, {root: HTMLElement, link: HTMLAnchorElement, cells: HTMLElement[]}>} */
const lines = new Map();

function buildLine() {
  const link = make('a');
  const cells = COLUMNS.slice(1).map(([, className]) => make('td', className));
  const first = make('th', '', link);
  first.scope = 'row';
  return { root: make('tr', '', first, ...cells), link, cells };
}

/** Battery and paper, as far as the device tells. @param {Device} device */
function power(device) {
  const [battery, paper] = [measured(device, 'battery_percent'), measured(device, 'paper_percent')];
  const told = [battery !== null && w('battery', { n: number(battery) }), paper !== null && w('paper', { n: number(paper) })];
  return told.filter(Boolean).join(' · ') || w('dash');
}

/** What the server last could not take from a device, and how long ago. @param {Device} device */
function failed({ last_error: error }) {
  return error ? w('failedAgo', { problem: error.problem, age: age(now() - (ms(error.at) ?? now())) }) : w('dash');
}

/** @param {{root: HTMLElement, link: HTMLAnchorElement, cells: HTMLElement[]}} view @param {Device} device */
function showLine(view, device) {
  const found = troubles(device);
  mark(view.root, 'level', found[0]?.level ?? '');
  mark(view.root, 'state', standing(device));
  mark(view.root, 'device', device.id);
  view.link.href = `#/devices/${device.id}`;
  write(view.link, device.id);
  const gate = gateAt(device);
  const since = (/** @type {number | null} */ at) => (at === null ? w('dash') : age(now() - at));
  const queue = unsent(device);
  [
    [gate && say(gate.name), device.lane].filter(Boolean).join(' · ') || w(`kind_${device.kind}`),
    w(`st_${standing(device)}`), found.map((one) => one.text).join(' · ') || w('dash'),
    device.online ? since(ms(device.session_since)) : w('dash'), since(lastScan(device)), since(ms(device.last_seen)),
    number(device.open_grants), queue === null ? w('dash') : number(queue), power(device), device.firmware || w('dash'),
    failed(device),
  ].forEach((text, index) => { write(view.cells[index], text); });
}

/** @param {Device[]} found */
export function show(found) {
  COLUMNS.forEach(([word], index) => { write(headings[index], w(word)); });
  rows(body, lines, found, (device) => device.id, buildLine, showLine);
}
