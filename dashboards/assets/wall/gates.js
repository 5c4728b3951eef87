// Each gate: persons in and out during the last minute, refusals, and its lanes one by one. A lane
// lights up when somebody passes it.

import { animate, byId, fill, find, make, mark, repeat, write } from '../lib/dom.js';
import { number } from '../lib/format.js';
import { say, t } from '../lib/i18n.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Gate} Gate */
/** @typedef {import('../lib/state.js').Lane} Lane */
/** @typedef {{root: HTMLElement, cell: HTMLElement}} LaneView */
/** @typedef {{root: HTMLElement, name: HTMLElement, out: HTMLElement, outBar: HTMLElement, inBar: HTMLElement, in: HTMLElement, denied: HTMLElement, marks: HTMLElement, sums: HTMLElement, lanes: LaneView[], counts: {root: HTMLElement}[]}} View */

/** Rows that can be read from afar; the rest stands in one last row. */
const ROWS_MAX = 9;
/** Which gates are picked is thought over this often, so that rows do not jump. */
const PICK_MS = 15_000;
/** Lane marks that fit beside each other. */
const MARKS_MAX = 16;

const body = find(byId('gates'), 'tbody');
const table = find(byId('gates'), 'table');
const none = find(byId('gates'), '.none');
/** @type {View[]} */
const views = [];
/** @type {Map<string, HTMLElement>} */
let markOf = new Map();
/** @type {Set<string>} */
let picked = new Set();
let pickedAt = -Infinity;
/** The end of the flow bars, persons per minute; it grows at once and shrinks slowly. */
let scale = 20;

/** @returns {View} */
function build() {
  const name = make('span');
  const [out, ins, denied] = [make('td', 'num'), make('td', 'num left'), make('td', 'num refused')];
  const [outBar, inBar] = [make('i', 'out'), make('i', 'in')];
  const [marks, sums] = [make('div', 'marks'), make('div', 'sums')];
  const head = make('th', '', name);
  head.scope = 'row';
  const flow = make('td', 'flow', make('div', '', outBar, inBar));
  const root = make('tr', '', head, out, flow, ins, denied, make('td', 'lanes', marks, sums));
  return { root, name, out, outBar, inBar, in: ins, denied, marks, sums, lanes: [], counts: [] };
}

/** @param {Gate[]} gates @param {Map<string, Lane[]>} lanes */
function pick(gates, lanes) {
  const now = performance.now();
  const same = gates.length > 0 && [...picked].every((id) => gates.some((gate) => gate.id === id));
  if (picked.size > 0 && same && now - pickedAt < PICK_MS) return;
  pickedAt = now;
  /** @param {Gate} gate */
  const weight = (gate) =>
    (lanes.get(gate.id) ?? []).filter((lane) => lane.condition === 'fault').length * 1e6
    + gate.in_per_min + gate.out_per_min + gate.denied_per_min;
  const order = [...gates].sort((a, b) => weight(b) - weight(a));
  picked = new Set(order.slice(0, ROWS_MAX - 1).map((gate) => gate.id));
}

/** @param {Park} park */
export function show(park) {
  const gates = [...park.gates.values()];
  /** @type {Map<string, Lane[]>} */
  const lanes = new Map();
  for (const lane of park.lanes.values()) {
    const held = lanes.get(lane.gate);
    if (held) held.push(lane);
    else lanes.set(lane.gate, [lane]);
  }
  none.hidden = gates.length > 0;
  table.hidden = gates.length === 0;
  /** @type {{gate: Gate, name: string, lanes: Lane[], rest: boolean}[]} */
  let rows = gates.map((gate) => ({ gate, name: say(gate.name), lanes: lanes.get(gate.id) ?? [], rest: false }));
  if (gates.length > ROWS_MAX) {
    pick(gates, lanes);
    const rest = rows.filter((row) => !picked.has(row.gate.id));
    rows = rows.filter((row) => picked.has(row.gate.id));
    rows.push(together(rest));
  }
  const most = Math.max(20, ...rows.flatMap(({ gate }) => [gate.in_per_min, gate.out_per_min]));
  scale = Math.max(most, scale * 0.995);
  markOf = new Map();
  repeat(body, views, rows, build, showGate);
}

/** @param {{gate: Gate, lanes: Lane[]}[]} rest */
function together(rest) {
  /** @param {'in_per_min' | 'out_per_min' | 'denied_per_min' | 'in_today' | 'out_today'} key */
  const sum = (key) => rest.reduce((all, { gate }) => all + gate[key], 0);
  const name = t('moreGates', { n: rest.length });
  /** @type {Gate} */
  const gate = {
    id: '', name: { zh: name, en: name }, from: '', to: '',
    in_today: sum('in_today'), out_today: sum('out_today'), in_per_min: sum('in_per_min'),
    out_per_min: sum('out_per_min'), denied_per_min: sum('denied_per_min'),
  };
  return { gate, name, lanes: rest.flatMap((row) => row.lanes), rest: true };
}

/** @param {View} view @param {{gate: Gate, name: string, lanes: Lane[], rest: boolean}} row */
function showGate(view, { gate, name, lanes, rest }) {
  mark(view.root, 'id', gate.id);
  mark(view.root, 'rest', String(rest));
  write(view.name, name);
  write(view.in, number(gate.in_per_min));
  write(view.out, number(gate.out_per_min));
  write(view.denied, gate.denied_per_min ? number(gate.denied_per_min) : '–');
  // A refusal now and then is the day's business; one visitor in five is trouble.
  const many = gate.denied_per_min >= 3 && gate.denied_per_min * 4 >= gate.in_per_min;
  mark(view.denied, 'many', String(many));
  fill(view.inBar, gate.in_per_min / scale);
  fill(view.outBar, gate.out_per_min / scale);
  const marked = rest || lanes.length > MARKS_MAX ? [] : lanes;
  view.marks.hidden = marked.length === 0;
  repeat(view.marks, view.lanes, marked, buildLane, (cell, lane) => {
    mark(cell.cell, 'condition', lane.condition);
    mark(cell.cell, 'direction', lane.direction);
    mark(cell.cell, 'lane', lane.id);
    markOf.set(lane.id, cell.cell);
  });
  /** @param {Lane['condition']} what */
  const count = (what) => lanes.filter((lane) => lane.condition === what).length;
  const sums = [
    { what: 'online', text: t('lanesOpen', { n: count('online') }), n: 1 },
    { what: 'closed', text: t('lanesClosed', { n: count('closed') }), n: count('closed') },
    { what: 'fault', text: t('lanesFault', { n: count('fault') }), n: count('fault') },
    { what: 'offline', text: t('lanesOffline', { n: count('offline') }), n: count('offline') },
    { what: 'unassigned', text: t('lanesUnassigned', { n: count('unassigned') }), n: count('unassigned') },
  ];
  const told = sums.filter((sum) => sum.n > 0 && !(rest && sum.what === 'unassigned'));
  repeat(view.sums, view.counts, told, () => ({ root: make('span') }), (cell, sum) => {
    mark(cell.root, 'what', sum.what);
    write(cell.root, sum.text);
  });
}

/** @returns {LaneView} */
function buildLane() {
  const cell = make('span', 'lane');
  return { root: cell, cell };
}

/** @param {import('../lib/state.js').Recent[]} lines those that are new */
export function flash(lines) {
  for (const line of lines) {
    const cell = markOf.get(line.lane);
    if (!cell || line.kind === 'not_taken') continue;
    const colour = line.kind === 'denied' ? 'var(--announce)' : 'var(--text)';
    animate(cell, [{ backgroundColor: colour, transform: 'scaleY(1.25)' }, {}], 900);
  }
}
