// Where the gates' plates go: beside their gate, on free ground, none over another and none over
// an area's figure. A small search that is made when the map is laid out, not while it runs.

/** @typedef {import('./map-places.js').Point} Point */
/** @typedef {{left: number, top: number, width: number, height: number}} Rect */
/** @typedef {{at: Point, out: number, width: number, height: number}} Wanted gate, the way out of its area, and the plate's size */

/** How far from its gate a plate may stand, and how finely places are tried, in rem. */
const SPAN = Object.freeze({ across: 16, down: 11, step: 0.9 });
const ROUNDS = 6;
const ORDERS = 16;
const CHOICES_MAX = 150;
const MARKER_R = 0.8;
/** What covering a square rem costs, against one rem of distance. */
const COST = Object.freeze({ plate: 40, label: 34, marker: 14, far: 1.2, aside: 2.6 });

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
  // The gates with the fewest good places choose first, then each thinks again. Who chooses first
  // decides much, so that other orders are tried too.
  const order = wanted.map((_, n) => n).sort((a, b) => choices[b][0].cost - choices[a][0].cost);
  /** @type {{rects: Rect[], cost: number}} */
  let best = { rects: [], cost: Infinity };
  for (let turn = 0; turn < ORDERS; turn += 1) {
    const tried = settle(choices, order);
    if (tried.cost < best.cost) best = tried;
    if (wanted.length < 2) break;
    order.sort((a, b) => ((a * 7919 + turn * 104_729) % 101) - ((b * 7919 + turn * 104_729) % 101));
  }
  return best.rects;
}

/** @param {{rect: Rect, cost: number}[][]} choices @param {number[]} order */
function settle(choices, order) {
  const placed = choices.map(() => -1);
  const costOf = (/** @type {number} */ n, /** @type {number} */ choice) => {
    let { rect, cost } = choices[n][choice];
    placed.forEach((other, m) => {
      if (other >= 0 && m !== n) cost += overlap(rect, choices[m][other].rect, 0.5) * COST.plate;
    });
    return cost;
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    let changed = false;
    for (const n of order) {
      let [lowest, chosen] = [Infinity, 0];
      choices[n].forEach((_, choice) => {
        const cost = costOf(n, choice);
        if (cost < lowest) [lowest, chosen] = [cost, choice];
      });
      changed ||= placed[n] !== chosen;
      placed[n] = chosen;
    }
    if (!changed) break;
  }
  const cost = placed.reduce((sum, choice, n) => sum + costOf(n, choice), 0);
  return { rects: placed.map((choice, n) => choices[n][choice].rect), cost };
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
