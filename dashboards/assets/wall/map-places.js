// Where things lie on the schematic map, in rem from its upper left corner. Plan positions are
// kept as far as a schematic can: drawn to the map's shape, then moved apart until each can be
// read. What has no position is laid out by the tree of areas. Pure: no page, no clock.

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box */
/**
 * An area on the map: a field (the ground that others lie on) or a pool (a round place).
 * @typedef {object} Zone
 * @property {string} id
 * @property {Zone | null} parent
 * @property {Zone[]} children
 * @property {boolean} field
 * @property {number} x
 * @property {number} y
 * @property {number} r of a pool; of a field, the room of its label
 * @property {Box} box the room that it may take
 */
/**
 * A gate on the map. It stands on the rim of `home`.
 * @typedef {object} Post
 * @property {string} id
 * @property {Zone | null} home the innermost area that it leads to or from
 * @property {boolean} inward whether passing in at the gate leads into `home`
 * @property {boolean} outer whether the outside lies beyond it
 * @property {number} x
 * @property {number} y
 * @property {number} angle from the middle of `home`
 */

/** A plan is stretched to fit, but never by more than this in one direction: more on a phone. */
const STRETCH_MAX = Object.freeze({ wide: 1.8, tall: 2.8 });
const LABEL_R = 4.2;
const POOL_R = Object.freeze({ min: 3.5, max: 5.4 });
/** Of more areas than these none is large. */
const FEW = 6;
const ROUNDS = 120;

/**
 * @param {Park} park
 * @param {Box} room where areas and gates may stand
 * @returns {{zones: Zone[], posts: Post[]}} zones with parents first
 */
export function place(park, room) {
  const zones = tree(park);
  const by = new Map(zones.map((zone) => [zone.id, zone]));
  const posts = [...park.gates.values()].map((gate) => post(gate, by));
  if (zones.length === 0) {
    posts.forEach((one, n) => {
      one.x = room.left + ((n + 0.5) / posts.length) * (room.right - room.left);
      one.y = (room.top + room.bottom) / 2;
    });
    return { zones, posts };
  }
  layOut(zones, room);
  size(zones, park, room);
  const onPlan = fit(known(park), room);
  for (const one of [...zones, ...posts]) {
    const at = onPlan.get(keyOf(one));
    if (at) Object.assign(one, at);
  }
  const planned = posts.filter((one) => onPlan.has(keyOf(one)));
  if (onPlan.size > 0) for (const zone of zones) if (zone.field && zone.parent) zone.box = around(zone, planned, room);
  moveApart(zones, room);
  for (const zone of zones) standAround(zone, posts.filter((one) => one.home === zone && !planned.includes(one)));
  for (const one of posts) aim(one);
  return { zones, posts };
}

/** @param {Zone | Post} one */
const keyOf = (one) => ('children' in one ? `area ${one.id}` : `gate ${one.id}`);

/** @param {Park} park @returns {Zone[]} */
function tree(park) {
  const areas = [...park.areas.values()];
  const known = new Set(areas.map((area) => area.id));
  /** @type {Zone[]} */
  const zones = [];
  /** @param {Zone | null} parent @param {number} depth */
  const add = (parent, depth) => {
    for (const area of areas) {
      const under = area.parent && known.has(area.parent) ? area.parent : null;
      if (under !== (parent?.id ?? null) || depth > 4) continue;
      const box = { left: 0, top: 0, right: 0, bottom: 0 };
      /** @type {Zone} */
      const zone = { id: area.id, parent, children: [], field: false, x: 0, y: 0, r: LABEL_R, box };
      zones.push(zone);
      parent?.children.push(zone);
      add(zone, depth + 1);
    }
  };
  add(null, 0);
  const roots = zones.filter((zone) => !zone.parent).length;
  for (const zone of zones) zone.field = zone.children.length > 0 || (!zone.parent && roots === 1);
  return zones;
}

/** @param {Zone | null} zone */
const depthOf = (zone) => {
  let depth = 0;
  for (let up = zone; up; up = up.parent) depth += 1;
  return depth;
};

/** @param {import('../lib/state.js').Gate} gate @param {Map<string, Zone>} by @returns {Post} */
function post(gate, by) {
  const [from, to] = [by.get(gate.from) ?? null, by.get(gate.to) ?? null];
  const inward = depthOf(to) >= depthOf(from);
  return { id: gate.id, home: inward ? to : from, inward, outer: !from || !to, x: 0, y: 0, angle: 0 };
}

/**
 * Without a plan: areas around the middle of the one that they lie in.
 * @param {Zone[]} zones @param {Box} room
 */
function layOut(zones, room) {
  const roots = zones.filter((zone) => !zone.parent);
  const even = Math.ceil(Math.sqrt(roots.length * ((room.right - room.left) / (room.bottom - room.top))));
  const columns = Math.min(even, roots.length);
  const rows = Math.ceil(roots.length / columns);
  roots.forEach((zone, n) => {
    const [wide, high] = [(room.right - room.left) / columns, (room.bottom - room.top) / rows];
    const [left, top] = [room.left + (n % columns) * wide, room.top + Math.floor(n / columns) * high];
    zone.box = { left, top, right: left + wide, bottom: top + high };
  });
  for (const zone of zones) {
    const { left, top, right, bottom } = zone.box;
    zone.x = (left + right) / 2;
    zone.y = (top + bottom) / 2;
    const [wide, high] = [right - left, bottom - top];
    zone.children.forEach((child, n) => {
      const turn = Math.PI + (n / zone.children.length) * 2 * Math.PI;
      const [x, y] = [zone.x + Math.cos(turn) * wide * 0.33, zone.y + Math.sin(turn) * high * 0.31];
      const [a, b] = child.children.length > 0 ? [wide * 0.22, high * 0.22] : [0, 0];
      child.box = { left: x - a, top: y - b, right: x + a, bottom: y + b };
    });
  }
}

/**
 * Gates without a place: those to the outside around the edge, the first one in the south; those
 * within the park on the side of the area around.
 * @param {Zone} zone @param {Post[]} posts
 */
function standAround(zone, posts) {
  const { left, top, right, bottom } = zone.box;
  const facing = zone.parent ? Math.atan2(zone.parent.y - zone.y, zone.parent.x - zone.x) : Math.PI / 2;
  posts.forEach((one, n) => {
    if (zone.field && one.outer) {
      const turn = Math.PI / 2 + (n / posts.length) * 2 * Math.PI;
      one.x = (left + right) / 2 + Math.cos(turn) * ((right - left) / 2);
      one.y = (top + bottom) / 2 + Math.sin(turn) * ((bottom - top) / 2);
    } else {
      const turn = facing + (n - (posts.length - 1) / 2) * 0.8;
      const far = zone.field ? Math.max(6, (right - left) / 2) : zone.r;
      one.x = zone.x + Math.cos(turn) * far;
      one.y = zone.y + Math.sin(turn) * far;
    }
  });
}

/** Pools by their capacity, none too small for its figure. @param {Zone[]} zones @param {Park} park @param {Box} room */
function size(zones, park, room) {
  const pools = zones.filter((zone) => !zone.field);
  const ground = (room.right - room.left) * (room.bottom - room.top);
  const even = Math.sqrt((ground * 0.26) / (Math.PI * Math.max(1, zones.length)));
  const most = Math.max(1, ...pools.map((zone) => park.areas.get(zone.id)?.capacity ?? 0));
  for (const zone of pools) {
    // On a low map, or among many, the pools must leave room for the figure of the field and plates.
    const roof = Math.max(POOL_R.min, Math.min(zones.length > FEW ? 4 : POOL_R.max, (room.bottom - room.top) * 0.18));
    const share = ((park.areas.get(zone.id)?.capacity ?? most) / most) ** 0.25;
    zone.r = Math.min(roof, Math.max(POOL_R.min, even * (0.7 + 0.45 * share)));
  }
}

/** What the plan says; a gate without a place stands amid its lanes. @param {Park} park */
function known(park) {
  /** @type {Map<string, Point>} */
  const found = new Map();
  const plan = park.site.plan;
  if (!plan) return found;
  for (const id of park.areas.keys()) {
    const at = plan.areas[id];
    if (at) found.set(`area ${id}`, { x: at[0], y: at[1] });
  }
  for (const id of park.gates.keys()) {
    const lanes = [...park.lanes.values()].filter((lane) => lane.gate === id && plan.lanes[lane.id]);
    const mean = (/** @type {0 | 1} */ axis) => lanes.reduce((sum, lane) => sum + plan.lanes[lane.id][axis], 0) / lanes.length;
    const at = plan.gates[id];
    if (at) found.set(`gate ${id}`, { x: at[0], y: at[1] });
    else if (lanes.length) found.set(`gate ${id}`, { x: mean(0), y: mean(1) });
  }
  return found;
}

/** @param {Map<string, Point>} plan @param {Box} room @returns {Map<string, Point>} */
function fit(plan, room) {
  const [xs, ys] = [[...plan.values()].map((at) => at.x), [...plan.values()].map((at) => at.y)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  // One place is no plan.
  if (plan.size < 2 || !(right - left + bottom - top > 0)) return new Map();
  const ratio = (/** @type {number} */ space, /** @type {number} */ span) => (span > 0 ? space / span : Infinity);
  let across = ratio(room.right - room.left, right - left);
  let down = ratio(room.bottom - room.top, bottom - top);
  const stretch = room.right - room.left < room.bottom - room.top ? STRETCH_MAX.tall : STRETCH_MAX.wide;
  across = Math.min(across, down * stretch);
  down = Math.min(down, across * stretch);
  const [cx, cy] = [(room.left + room.right) / 2, (room.top + room.bottom) / 2];
  /** @type {Map<string, Point>} */
  const placed = new Map();
  for (const [key, { x, y }] of plan) {
    placed.set(key, {
      x: cx + (x - (left + right) / 2) * (Number.isFinite(across) ? across : 0),
      y: cy + (y - (top + bottom) / 2) * (Number.isFinite(down) ? down : 0),
    });
  }
  return placed;
}

/** @param {Zone} zone @param {Post[]} posts @param {Box} room @returns {Box} */
function around(zone, posts, room) {
  const held = [zone, ...zone.children, ...posts.filter((one) => one.home === zone)];
  const [xs, ys] = [held.map((at) => at.x), held.map((at) => at.y)];
  return {
    left: Math.max(room.left, Math.min(...xs) - 5), right: Math.min(room.right, Math.max(...xs) + 5),
    top: Math.max(room.top, Math.min(...ys) - 5), bottom: Math.min(room.bottom, Math.max(...ys) + 5),
  };
}

/** Pools and the labels of fields, until none covers another. @param {Zone[]} zones @param {Box} room */
function moveApart(zones, room) {
  for (let round = 0; round < ROUNDS; round += 1) {
    let moved = false;
    zones.forEach((a, i) => {
      for (const b of zones.slice(i + 1)) {
        // Labels are wider than high: what lies above or below may come closer.
        const [dx, dy] = [(b.x - a.x) * 0.86, (b.y - a.y) * 1.04];
        const far = Math.hypot(dx, dy) || 0.01;
        const want = a.r + b.r + 1.5;
        if (far >= want) continue;
        moved = true;
        const push = ((want - far) / far) * 0.5;
        const [px, py] = [(dx || 0.01 * (i + 1)) * push, (dy || 0.01) * push];
        a.x -= px; a.y -= py; b.x += px; b.y += py;
      }
    });
    for (const zone of zones) {
      const margin = zone.r + 1.6;
      const x = Math.min(room.right - margin, Math.max(room.left + margin, zone.x));
      const y = Math.min(room.bottom - margin, Math.max(room.top + margin, zone.y));
      moved ||= x !== zone.x || y !== zone.y;
      zone.x = x;
      zone.y = y;
    }
    if (!moved) return;
  }
}

/** Which way a gate lies from its area; one whose place says nothing faces the area around. @param {Post} one */
function aim(one) {
  const { home } = one;
  if (!home) return;
  const [dx, dy] = [one.x - home.x, one.y - home.y];
  if (Math.hypot(dx, dy) > 0.3) one.angle = Math.atan2(dy, dx);
  else one.angle = home.parent ? Math.atan2(home.parent.y - home.y, home.parent.x - home.x) : Math.PI / 2;
}
