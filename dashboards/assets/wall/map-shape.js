// The edge of a field: a closed line around the middle of an area that comes close to its gates
// and keeps what lies in it inside. Pure geometry, in rem.

/** @typedef {import('./map-places.js').Zone} Zone */
/** @typedef {import('./map-places.js').Post} Post */

const STEPS = 96;
const TURN = 2 * Math.PI;
/** Between the edge and what lies in the field. */
const MARGIN = 1.3;
/** How far around, in radians, a gate draws the edge to itself. */
const REACH = 0.3;
/** Between two gates on one rim. */
const GATE_GAP = 2.6;

/** The edge's distance from the middle, by direction. */
export class Edge {
  #zone;
  /** @type {number[]} */
  #radii;

  /** @param {Zone} zone @param {number[]} radii evenly around, from the east, clockwise */
  constructor(zone, radii) {
    this.#zone = zone;
    this.#radii = radii;
  }

  /** @param {number} angle */
  at(angle) {
    const place = ((((angle / TURN) % 1) + 1) % 1) * STEPS;
    const step = Math.floor(place);
    const [a, b] = [this.#radii[step % STEPS], this.#radii[(step + 1) % STEPS]];
    return a + (b - a) * (place - step);
  }

  /** The edge as an SVG path, drawn in by `scale` for a contour line. @param {number} [scale] */
  path(scale = 1) {
    const points = this.#radii.map((r, n) => {
      const angle = (n / STEPS) * TURN;
      return [this.#zone.x + Math.cos(angle) * r * scale, this.#zone.y + Math.sin(angle) * r * scale];
    });
    const at = (/** @type {number} */ n) => points[(n + STEPS) % STEPS];
    const text = (/** @type {number[]} */ [x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`;
    // Catmull-Rom as Bézier curves: through each point, smooth at it.
    const curves = points.map((_, n) => {
      const [p, a, b, q] = [at(n - 1), at(n), at(n + 1), at(n + 2)];
      const [one, two] = [[a[0] + (b[0] - p[0]) / 6, a[1] + (b[1] - p[1]) / 6], [b[0] - (q[0] - a[0]) / 6, b[1] - (q[1] - a[1]) / 6]];
      return `C${text(one)} ${text(two)} ${text(b)}`;
    });
    return `M${text(points[0])}${curves.join('')}Z`;
  }
}

/** @param {number} a @param {number} b the shorter way around */
const between = (a, b) => Math.abs(((((a - b) % TURN) + TURN * 1.5) % TURN) - Math.PI);

/**
 * @param {Zone} zone a field
 * @param {Post[]} posts those on its rim
 * @param {Map<Zone, Edge>} inner the edges of fields that lie in it
 */
export function edgeOf(zone, posts, inner) {
  const rims = posts.map((one) => ({ angle: one.angle, r: Math.hypot(one.x - zone.x, one.y - zone.y) }));
  const holds = [{ x: zone.x, y: zone.y, r: zone.r + 0.6 }];
  for (const child of zone.children) {
    const edge = inner.get(child);
    if (!edge) holds.push({ x: child.x, y: child.y, r: child.r + MARGIN });
    else for (let n = 0; n < 24; n += 1) {
      const [angle, r] = [(n / 24) * TURN, edge.at((n / 24) * TURN)];
      holds.push({ x: child.x + Math.cos(angle) * r, y: child.y + Math.sin(angle) * r, r: MARGIN });
    }
  }
  const radii = Array.from({ length: STEPS }, (_, n) => {
    const angle = (n / STEPS) * TURN;
    // A gate's place weighs most where it stands, the room's edge where no gate is near.
    let [weight, sum] = [0.12, 0.12 * toBox(zone, angle)];
    for (const rim of rims) {
      const pull = Math.exp(-((between(angle, rim.angle) / REACH) ** 2)) * 3;
      weight += pull;
      sum += pull * rim.r;
    }
    return Math.max(sum / weight, ...holds.map((held) => toHold(zone, angle, held)));
  });
  let smooth = radii;
  for (let round = 0; round < 8; round += 1) {
    const from = smooth;
    smooth = from.map((r, n) => Math.max(radii[n] * 0.97, (from[(n + STEPS - 1) % STEPS] + 2 * r + from[(n + 1) % STEPS]) / 4));
  }
  return new Edge(zone, smooth);
}

/** To the rounded edge of the room, with the unevenness of a hillside. @param {Zone} zone @param {number} angle */
function toBox({ x, y, box }, angle) {
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
  const across = Math.max(4, dx > 0 ? (box.right - x) / dx : dx < 0 ? (box.left - x) / dx : Infinity);
  const down = Math.max(4, dy > 0 ? (box.bottom - y) / dy : dy < 0 ? (box.top - y) / dy : Infinity);
  const round = (across ** -3 + down ** -3) ** (-1 / 3);
  return Math.max(4, round * (0.93 + 0.035 * Math.sin(3 * angle + 1) + 0.025 * Math.sin(5 * angle + 2.2)));
}

/** How far out a circle reaches in a direction; 0 where it does not. @param {Zone} zone @param {number} angle @param {{x: number, y: number, r: number}} held */
function toHold(zone, angle, held) {
  const [dx, dy] = [held.x - zone.x, held.y - zone.y];
  const along = dx * Math.cos(angle) + dy * Math.sin(angle);
  const aside = Math.abs(dy * Math.cos(angle) - dx * Math.sin(angle));
  return aside >= held.r ? 0 : Math.max(0, along + Math.sqrt(held.r ** 2 - aside ** 2));
}

/**
 * Puts the gates on the rim of their area, side by side where they would stand on one another.
 * @param {Zone} zone @param {Post[]} posts @param {(angle: number) => number} rim
 */
export function stand(zone, posts, rim) {
  const order = [...posts].sort((a, b) => a.angle - b.angle);
  for (let round = 0; order.length > 1 && round < 40; round += 1) {
    for (let n = 0; n < order.length; n += 1) {
      const [a, b] = [order[n], order[(n + 1) % order.length]];
      const gap = b.angle + (n === order.length - 1 ? TURN : 0) - a.angle;
      const want = Math.min(GATE_GAP / rim((a.angle + b.angle) / 2), TURN / order.length);
      if (gap >= want) continue;
      a.angle -= (want - gap) / 2;
      b.angle += (want - gap) / 2;
    }
  }
  for (const one of posts) {
    one.x = zone.x + Math.cos(one.angle) * rim(one.angle);
    one.y = zone.y + Math.sin(one.angle) * rim(one.angle);
  }
}
