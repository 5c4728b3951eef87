// The schematic map in the middle of the wall: areas with how full they are, gates with what goes
// through them. It is laid out anew only when the park or the screen changes; what a frame brings
// is written into what stands there.

import { byId, find, mark, write } from '../lib/dom.js';
import { number } from '../lib/format.js';
import { spoken } from '../lib/i18n.js';
import { Stream } from './map-flow.js';
import { Gates } from './map-gates.js';
import { Ground } from './map-ground.js';
import { place } from './map-places.js';
import { placePlates } from './map-plates.js';
import { edgeOf, stand } from './map-shape.js';
import { w } from './words.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('./map-places.js').Zone} Zone */
/** @typedef {import('./map-shape.js').Edge} Edge */

/** More plates than these cannot be read from afar: the quietest gates stand without one. */
const PLATES_MAX = 20;
/** A map as narrow as a phone: it grows in height. */
const NARROW_REM = 44;
/** Areas and plates from which a narrow map is a tall one. */
const MANY = 13;

const section = byId('map');
const box = find(section, '.ground');
const ground = new Ground(box);
const gates = new Gates(box);
const stream = new Stream(box);
/** What the layout was made of. @type {unknown[]} */
let madeOf = [];
/** @type {Park | null} */
let shown = null;

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

new ResizeObserver(() => {
  if (shown) show(shown);
}).observe(box);

/** @param {Park} park */
export function show(park) {
  shown = park;
  const em = rem();
  const [width, height] = [box.clientWidth / em, box.clientHeight / em];
  const now = [...shapeOf(park), spoken(), em, width.toFixed(1), height.toFixed(1)];
  if (now.some((value, n) => value !== madeOf[n])) {
    madeOf = now;
    if (width > 4 && height > 4) layOut(park, width, height);
  }
  ground.show(park);
  gates.show(park);
  stream.show(park);
}

/** @param {import('../lib/state.js').Recent[]} lines those that are new */
export function flash(lines) {
  gates.flash(lines);
}

/** What `shapeOf` last looked at, and what it saw. */
const seen = { park: /** @type {Park | null} */ (null), rows: 0, shape: '' };

/**
 * What the park's layout follows from. A new snapshot after a short loss mostly brings the same
 * park: then the map stays as it is.
 * @param {Park} park
 */
function shapeOf(park) {
  const rows = park.areas.size + park.gates.size + park.lanes.size;
  if (park !== seen.park || rows !== seen.rows) {
    const areas = [...park.areas.values()].map(({ id, parent, name, capacity }) => [id, parent, name, capacity]);
    const gates = [...park.gates.values()].map(({ id, from, to, name }) => [id, from, to, name]);
    const lanes = [...park.lanes.values()].map(({ id, gate }) => [id, gate]);
    Object.assign(seen, { park, rows, shape: JSON.stringify([park.site.plan, areas, gates, lanes]) });
  }
  return [seen.shape];
}

/** @param {Park} park @param {number} width @param {number} height in rem */
function layOut(park, width, height) {
  find(section, '.none').hidden = park.areas.size + park.gates.size > 0;
  const plated = pick(park);
  const narrow = width < NARROW_REM;
  const things = plated.length + park.areas.size;
  const many = things > MANY;
  // On a narrow page the map's height follows from their number, else the plates from the room.
  const each = (width * height) / Math.max(1, things);
  const kind = narrow ? (things > 6 ? 'dense' : 'middle') : each >= 200 ? 'roomy' : each >= 155 ? 'middle' : 'dense';
  mark(section, 'kind', kind);
  mark(section, 'many', String(many));
  // The plates stand mostly outside of the edge.
  const [aside, above] = narrow ? [3, 5] : kind === 'dense' ? [8.6, 3.6] : [6.6, 3.6];
  const room = { left: aside, top: above, right: width - aside, bottom: height - above };
  const { zones, posts } = place(park, room);
  /** @type {Map<Zone, Edge>} */
  const edges = new Map();
  for (const zone of [...zones].reverse()) {
    const mine = posts.filter((one) => one.home === zone);
    if (zone.field) edges.set(zone, edgeOf(zone, mine, edges));
    const edge = edges.get(zone);
    stand(zone, mine, edge ? (angle) => edge.at(angle) : () => zone.r);
  }
  ground.draw(park, zones, edges, { width, height });
  const wanted = plated.map((id) => {
    const post = posts.find((one) => one.id === id);
    const size = gates.sizeOf(park, id, kind);
    const at = post ?? { x: width / 2, y: height / 2, angle: 0 };
    return { at: { x: at.x, y: at.y }, out: at.angle, ...size };
  });
  const rects = placePlates(wanted, ground.labels(zones), { width, height });
  gates.draw(posts, plated.map((id, n) => ({ id, rect: rects[n], out: wanted[n].out })));
  ground.lead(posts, plated.map((id, n) => ({ id, rect: rects[n] })));
  stream.layOut(posts, { width, height });
  const more = park.gates.size - plated.length;
  write(byId('map-more'), more > 0 ? w('moreOnMap', { n: number(more) }) : '');
}

/** The gates that get a plate. @param {Park} park @returns {string[]} */
function pick(park) {
  const all = [...park.gates.values()];
  if (all.length <= PLATES_MAX) return all.map((gate) => gate.id);
  const busy = [...all].sort((a, b) => b.in_today + b.out_today - a.in_today - a.out_today);
  const chosen = new Set(busy.slice(0, PLATES_MAX).map((gate) => gate.id));
  return all.filter((gate) => chosen.has(gate.id)).map((gate) => gate.id);
}
