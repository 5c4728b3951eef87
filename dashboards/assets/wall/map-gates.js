// The gates on the map: a mark on the rim, and a plate with its name, persons in and out in the
// last minute, refusals, how hard its open lanes are pressed, and each lane's state. A lane lights
// up when somebody passes it.

import { animate, find, make, mark, repeat, write } from '../lib/dom.js';
import { number } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { w } from './words.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Gate} Gate */
/** @typedef {import('../lib/state.js').Lane} Lane */
/** @typedef {import('./map-places.js').Post} Post */
/** @typedef {import('./map-plates.js').Rect} Rect */
/** @typedef {{root: HTMLElement}} Cell */
/** @typedef {{root: HTMLElement, name: HTMLElement, denied: HTMLElement, in: HTMLElement, out: HTMLElement, lanes: HTMLElement, pressure: HTMLElement, mark: HTMLElement | undefined, cells: Cell[], sums: HTMLElement}} View */
/** @typedef {'roomy' | 'middle' | 'dense'} Kind */

/** Lane marks that fit beside each other on a plate. */
const MARKS_MAX = 12;
/** A lane in a rush lights up so often, or it would only glow. */
const FLASH_EVERY_MS = 1500;
/**
 * Persons let through or refused per minute and open lane. A lane that reads a ticket, opens and closes takes some three
 * to four seconds for a visitor who is ready: above 12 a minute somebody waits now and then,
 * above 18 there is a queue.
 */
const BUSY = 12;
const QUEUE = 18;

/** @type {Record<Kind, {name: number, height: number, least: number, most: number, cell: number, beside: number}>} */
const SIZES = {
  roomy: { name: 1.4375, height: 7, least: 14, most: 21, cell: 1.25, beside: 8.7 },
  middle: { name: 1.25, height: 5.9, least: 12.4, most: 17, cell: 1.1, beside: 8.7 },
  dense: { name: 1.125, height: 4.9, least: 10.4, most: 17, cell: 0.92, beside: 8.2 },
};

export class Gates {
  #list;
  /** @type {Map<string, View>} */
  #views = new Map();
  /** @type {Map<string, HTMLElement>} */
  #laneOf = new Map();
  /** @type {Map<string, Lane[]>} */
  #lanes = new Map();
  /** When each lane last lit up. @type {Map<string, number>} */
  #lit = new Map();

  /** @param {HTMLElement} box */
  constructor(box) {
    this.#list = find(box, '.plates');
  }

  /** The size of a gate's plate in rem. @param {Park} park @param {string} id @param {Kind} kind */
  sizeOf(park, id, kind) {
    const size = SIZES[kind];
    const gate = park.gates.get(id);
    const name = gate ? [...say(gate.name)].reduce((sum, sign) => sum + (sign > '⺀' ? 1 : 0.57), 0) : 0;
    const lanes = [...park.lanes.values()].filter((lane) => lane.gate === id).length;
    // Room for the longest that may stand beside the lanes: no plate grows with the day.
    const marks = Math.min(lanes, MARKS_MAX) * size.cell + size.beside;
    const width = Math.min(size.most, Math.max(size.least, Math.min(size.least * 1.2, name * size.name + 4.6), marks));
    return { width, height: size.height };
  }

  /** @param {Post[]} posts @param {{id: string, rect: Rect, out: number}[]} plates */
  draw(posts, plates) {
    this.#views.clear();
    const marks = posts.map((post) => {
      const node = make('li', 'post');
      node.dataset.id = post.id;
      node.style.left = `${post.x.toFixed(2)}rem`;
      node.style.top = `${post.y.toFixed(2)}rem`;
      node.style.rotate = `${(post.angle + Math.PI / 2).toFixed(3)}rad`;
      return node;
    });
    const roots = plates.map(({ id, rect }) => {
      const view = build(marks.find((node) => node.dataset.id === id));
      view.root.dataset.id = id;
      view.root.style.left = `${rect.left.toFixed(2)}rem`;
      view.root.style.top = `${rect.top.toFixed(2)}rem`;
      view.root.style.width = `${rect.width.toFixed(2)}rem`;
      view.root.style.height = `${rect.height.toFixed(2)}rem`;
      this.#views.set(id, view);
      return view.root;
    });
    this.#list.replaceChildren(...marks, ...roots);
  }

  /** @param {Park} park */
  show(park) {
    this.#lanes.clear();
    for (const lane of park.lanes.values()) {
      const held = this.#lanes.get(lane.gate);
      if (held) held.push(lane);
      else this.#lanes.set(lane.gate, [lane]);
    }
    this.#laneOf.clear();
    if (this.#lit.size > park.lanes.size * 2) this.#lit.clear();
    for (const [id, view] of this.#views) {
      const gate = park.gates.get(id);
      if (gate) this.#showGate(view, gate, alongRim(this.#lanes.get(id) ?? [], park.site.plan));
    }
  }

  /** @param {View} view @param {Gate} gate @param {Lane[]} lanes */
  #showGate(view, gate, lanes) {
    write(view.name, say(gate.name));
    write(view.in, number(gate.in_per_min));
    write(view.out, number(gate.out_per_min));
    mark(view.in, 'none', String(gate.in_per_min === 0));
    mark(view.out, 'none', String(gate.out_per_min === 0));
    write(view.denied, gate.denied_per_min ? w('refusedHere', { n: number(gate.denied_per_min) }) : '');
    // A refusal now and then is the day's business; one visitor in five is trouble.
    const many = gate.denied_per_min >= 3 && gate.denied_per_min * 4 >= gate.in_per_min;
    mark(view.denied, 'many', String(many));
    const { level, text } = pressure(gate, lanes);
    mark(view.root, 'pressure', level);
    if (view.mark) mark(view.mark, 'pressure', level);
    write(view.pressure, text);
    const marked = lanes.length > MARKS_MAX ? [] : lanes;
    repeat(view.lanes, view.cells, marked, () => ({ root: make('i', 'lane') }), ({ root }, lane) => {
      mark(root, 'condition', lane.condition);
      mark(root, 'direction', lane.direction);
      mark(root, 'lane', lane.id);
      this.#laneOf.set(lane.id, root);
    });
    write(view.sums, lanes.length > MARKS_MAX ? sums(lanes) : '');
  }

  /** @param {import('../lib/state.js').Recent[]} lines those that are new */
  flash(lines) {
    for (const line of lines) {
      const cell = this.#laneOf.get(line.lane);
      const now = performance.now();
      if (!cell || line.kind === 'not_taken' || now - (this.#lit.get(line.lane) ?? -Infinity) < FLASH_EVERY_MS) continue;
      this.#lit.set(line.lane, now);
      const colour = line.kind === 'denied' ? 'var(--announce)' : 'var(--text)';
      animate(cell, [{ backgroundColor: colour, transform: 'scaleY(1.3)' }, {}], 900);
    }
  }
}

/** @param {HTMLElement | undefined} post @returns {View} */
function build(post) {
  const [name, denied] = [make('strong', 'name'), make('span', 'denied')];
  const [ins, out] = [make('output', 'in'), make('output', 'out')];
  const [lanes, sum, press] = [make('span', 'lanes'), make('span', 'sums'), make('span', 'pressure')];
  const root = make('li', 'plate',
    make('span', 'head', name, denied), make('span', 'rates', ins, out), make('span', 'foot', lanes, sum, press));
  return { root, name, denied, in: ins, out, lanes, pressure: press, mark: post, cells: [], sums: sum };
}

/** Lanes as they stand beside each other on the plan, else as the feed has them. @param {Lane[]} lanes @param {import('../lib/state.js').Plan} [plan] */
function alongRim(lanes, plan) {
  if (!plan || !lanes.every((lane) => plan.lanes[lane.id])) return lanes;
  const xs = lanes.map((lane) => plan.lanes[lane.id][0]);
  const ys = lanes.map((lane) => plan.lanes[lane.id][1]);
  const axis = Math.max(...xs) - Math.min(...xs) >= Math.max(...ys) - Math.min(...ys) ? 0 : 1;
  return [...lanes].sort((a, b) => plan.lanes[a.id][axis] - plan.lanes[b.id][axis]);
}

/** How hard a gate's open lanes are pressed. @param {Gate} gate @param {Lane[]} lanes */
function pressure(gate, lanes) {
  const open = lanes.filter((lane) => lane.condition === 'online').length;
  if (open === 0) return { level: lanes.length ? 'none' : 'calm', text: lanes.length ? w('pressureNone') : '' };
  const each = (gate.in_per_min + gate.out_per_min + gate.denied_per_min) / open;
  /** @type {"queue" | "busy" | "calm"} */
  const level = each >= QUEUE ? 'queue' : each >= BUSY ? 'busy' : 'calm';
  return { level, text: w(`pressure_${level}`, { n: number(each, each < 10 ? 1 : 0) }) };
}

/** @param {Lane[]} lanes */
function sums(lanes) {
  /** @type {Lane['condition'][]} */
  const told = ['online', 'closed', 'fault', 'offline'];
  const count = (/** @type {string} */ what) => lanes.filter((lane) => lane.condition === what).length;
  return told.filter((what) => count(what)).map((what) => `${w(`lane_${what}`)} ${number(count(what))}`).join(' ');
}
