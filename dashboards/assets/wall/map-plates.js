// Where the gates' plates go: beside their gate, on free ground, none over another and none over
// an area's figure. A small search that is made when the map is laid out, not while it runs.

/** @typedef {import('./map-places.js').Point} Point */
/** @typedef {{left: number, top: number, width: number, height: number}} Rect */
/** @typedef {{at: Point, out: number, width: number, height: number}} Wanted gate, the way out of its area, and the plate's size */

/** How far from its gate a plate may stand, and how finely places are tried, in rem. */
const SPAN = Object.freeze({ across: 20, down: 20, step: 0.9 });
const CHOICES_MAX = 900;
/** Tries of the search, and how much worse a place it takes at first and at last. */
const STEPS = 70_000;
const HEAT = Object.freeze({ first: 120, last: 0.5 });
/** Then each takes the best that is left. */
const ROUNDS = 3;
const MARKER_R = 0.8;
/** What covering a square rem costs, against one rem of distance. */
const COST = Object.freeze({ plate: 40, label: 40, marker: 45, far: 1.2, aside: 2.6 });

/** @param {Rect} a @param {Rect} b @param {number} [room] wanted between them */
function overlap(a, b, room = 0) {
  const wide = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left) + room;
  const high = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top) + room;
  return wide > 0 && high > 0 ? wide * high : 0;
}

/**
 * @param {Wanted[]} wanted
 * @param {Rect[]} labels of the areas
 * @param {{width: number, height: number}} map
 * @returns {Rect[]} one for each wanted
 */
export function placePlates(wanted, labels, map) {
  const markers = wanted.map(({ at }) => ({ left: at.x - MARKER_R, top: at.y - MARKER_R, width: 2 * MARKER_R, height: 2 * MARKER_R }));
  const choices = wanted.map((one) => places(one, map).map((rect) => {
    const end = leadTo(one.at, rect);
    const [dx, dy] = [rect.left + rect.width / 2 - one.at.x, rect.top + rect.height / 2 - one.at.y];
    const straight = (dx * Math.cos(one.out) + dy * Math.sin(one.out)) / (Math.hypot(dx, dy) || 1);
    let cost = Math.hypot(end.x - one.at.x, end.y - one.at.y) * COST.far + (1 - straight) * COST.aside;
    for (const label of labels) cost += overlap(rect, label, 0.3) * COST.label;
    for (const marker of markers) cost += overlap(rect, marker, 0.1) * COST.marker;
    return { rect, cost };
  }).sort((a, b) => a.cost - b.cost).slice(0, CHOICES_MAX));
  return anneal(choices).map((choice, n) => choices[n][choice].rect);
}

/**
 * Which place each plate takes. Each starts at its best; then single plates try other places, and
 * keep a worse one the less often the longer it lasts: so that they get past one another. The
 * chance is always the same one: a map looks the same after each reload.
 * @param {{rect: Rect, cost: number}[][]} choices by gate, the best first
 */
function anneal(choices) {
  const placed = choices.map(() => 0);
  if (placed.length < 2) return placed;
  const costOf = (/** @type {number} */ n, /** @type {number} */ choice) => {
    const { rect, cost } = choices[n][choice];
    let all = cost;
    for (let m = 0; m < placed.length; m += 1) {
      if (m !== n) all += overlap(rect, choices[m][placed[m]].rect, 0.5) * COST.plate;
    }
    return all;
  };
  let state = 20_261_122;
  const chance = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  for (let step = 0; step < STEPS; step += 1) {
    const warmth = HEAT.first * (HEAT.last / HEAT.first) ** (step / STEPS);
    const n = Math.floor(chance() * placed.length);
    // Mostly one of the better places.
    const choice = Math.floor(chance() ** 2 * choices[n].length);
    const worse = costOf(n, choice) - costOf(n, placed[n]);
    if (worse <= 0 || chance() < Math.exp(-worse / warmth)) placed[n] = choice;
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let n = 0; n < placed.length; n += 1) {
      let lowest = costOf(n, placed[n]);
      for (let choice = 0; choice < choices[n].length; choice += 1) {
        if (choices[n][choice].cost >= lowest) break;
        const cost = costOf(n, choice);
        if (cost < lowest) [lowest, placed[n]] = [cost, choice];
      }
    }
  }
  return placed;
}

/** @param {Wanted} one @param {{width: number, height: number}} map @returns {Rect[]} */
function places({ at, width, height }, map) {
  /** @type {Rect[]} */
  const found = [];
  for (let x = -SPAN.across; x <= SPAN.across; x += SPAN.step) {
    for (let y = -SPAN.down; y <= SPAN.down; y += SPAN.step) {
      const left = Math.min(map.width - width, Math.max(0, at.x + x - width / 2));
      const top = Math.min(map.height - height, Math.max(0, at.y + y - height / 2));
      found.push({ left, top, width, height });
    }
  }
  return found;
}

/** The end of the line from a gate to its plate. @param {Point} at @param {Rect} plate @returns {Point} */
export function leadTo(at, plate) {
  return {
    x: Math.min(plate.left + plate.width, Math.max(plate.left, at.x)),
    y: Math.min(plate.top + plate.height, Math.max(plate.top, at.y)),
  };
}
