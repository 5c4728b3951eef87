// What the operators' page knows: the fleet, open grants, alarms, capacity, the emergency, who is
// logged in. Asks the API every few seconds while the page is seen; the feed says in between what
// moved. Views read it and are told; nothing here touches the page.

import { ask, Away, Problem, withQuery } from '../lib/api.js';
import { Feed } from '../lib/feed.js';
import { setZone } from '../lib/format.js';
import { remember } from '../lib/session.js';

/** @typedef {import('../lib/i18n.js').Text} Text */
/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {'normal' | 'free' | 'locked' | 'maintenance'} Mode */

/**
 * @typedef {object} Device
 * @property {string} id
 * @property {'turnstile' | 'kiosk' | 'handheld' | 'printer'} kind
 * @property {string | null} lane
 * @property {string | null} gate
 * @property {'pending' | 'approved' | 'revoked'} status
 * @property {boolean} online
 * @property {string} serial
 * @property {string} model
 * @property {string} firmware
 * @property {string | null} session_since
 * @property {string | null} last_seen
 * @property {string | null} last_scan
 * @property {{at: string, problem: string} | null} last_error
 * @property {number | null} clock_skew_ms
 * @property {number} open_grants
 * @property {number} acked
 * @property {Record<string, unknown>} telemetry
 * @property {string | null} [telemetry_at]
 * @property {Mode | null} mode
 * @property {number | null} config_desired
 * @property {number | null} config_version
 * @property {Record<string, number>} lists
 */
/**
 * @typedef {object} Grant
 * @property {string} id
 * @property {string | null} ticket
 * @property {string} device
 * @property {string} lane
 * @property {'in' | 'out'} direction
 * @property {number} persons
 * @property {string} granted_at
 * @property {boolean} overdue
 */
/**
 * @typedef {object} Alarm
 * @property {number} id
 * @property {string} code
 * @property {string | null} device
 * @property {string | null} lane
 * @property {string | null} area
 * @property {string} since
 * @property {string | null} cleared
 * @property {{at: string, by: string, note: string} | null} acknowledged
 */
/** @typedef {{id: number, at: string, ticket: string | null, device: string, note: string}} Conflict */
/** @typedef {{instant: number | null, daily: number | null}} Persons */
/**
 * @typedef {object} Capacity
 * @property {string} id
 * @property {Persons} capacity
 * @property {Persons} entry_limit
 * @property {number} inside
 * @property {number} reserved
 * @property {number} entries_today
 * @property {number} sold_today
 * @property {string[]} actions
 * @property {{until: string, since: string, by: string, reason: string} | null} override
 */
/** @typedef {{on: boolean, since: string | null, by: string, reason: string}} Emergency */
/** @typedef {'sent' | 'received' | 'done' | 'failed' | 'rejected' | 'expired' | 'duplicate' | 'unanswered'} CommandState */
/**
 * @typedef {object} Command
 * @property {string} id
 * @property {string} device
 * @property {string} op
 * @property {Record<string, unknown>} args
 * @property {CommandState} state
 * @property {string} by
 * @property {string} reason
 * @property {string} sent_at
 * @property {number} ttl_ms
 * @property {string | null} answered_at
 * @property {string | null} why
 * @property {unknown} result
 */
/** @typedef {{user: string, roles: string[], may: string[], lacks: Record<string, string[]>, expires: string}} Me */
/** @typedef {{id: string, gate: string, direction: string, name: Text}} LaneSet */
/** @typedef {{id: string, name: Text, from: string, to: string}} GateSet */
/** @typedef {{id: string, name: Text, parent?: string}} AreaSet */
/** @typedef {{areas: AreaSet[], gates: GateSet[], lanes: LaneSet[], site: {id: string, name: Text, timezone: string}}} Site */

/** How often each thing is asked for while the page is seen, in ms. */
const PERIODS = { fleet: 3000, grants: 3000, alarms: 5000, capacity: 5000, emergency: 5000 };
/** Older than this, what is shown is called old. */
export const OLD_MS = 10_000;
/** How soon a question that failed is asked again, in ms. */
const AGAIN_MS = 2000;

/** @typedef {keyof typeof PERIODS} Part */
const PARTS = /** @type {Part[]} */ (Object.keys(PERIODS));

export const store = {
  /** @type {Me | null} */ me: null,
  /** @type {Site | null} */ site: null,
  /** @type {Device[]} */ devices: [],
  /** @type {Grant[]} */ grants: [],
  /** @type {Alarm[]} */ alarms: [],
  /** @type {Capacity[]} */ capacity: [],
  /** @type {Emergency | null} */ emergency: null,
  /** When each part was heard last (performance.now). @type {Partial<Record<Part, number>>} */
  heardAt: {},
  /** Parts that the role may not see, with the server's word. @type {Partial<Record<Part, string>>} */
  forbidden: {},
  /** Parts whose questions have failed since the last answer to any. @type {Set<Part>} */
  unanswered: new Set(),
  /** Since when parts are asked for (performance.now). */
  begunAt: 0,
  /** Why the site could not be asked, before the first answer. @type {Error | null} */
  broken: null,
};

/** @type {Set<() => void>} */
const heard = new Set();
/** @param {() => void} tell called after something changed, at most once a frame */
export function onChange(tell) {
  heard.add(tell);
}

let queued = false;
export function changed() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    for (const tell of heard) tell();
  });
}

/** @type {Feed} */
export let feed;

/** How often moving figures are written again, in ms. */
const FIGURES_MS = 500;
let waits = false;
function soon() {
  if (waits) return;
  waits = true;
  setTimeout(() => {
    waits = false;
    changed();
  }, FIGURES_MS);
}

let conditions = '';
/** Whether a lane came, went, closed or opened since the last look. @param {Park} park */
function conditionsMoved(park) {
  const before = conditions;
  conditions = [...park.lanes.values()].map((lane) => `${lane.id}${lane.condition}${lane.device}`).join();
  return before !== conditions;
}

/** The server's time, in ms since 1970. */
export const now = () => Date.now() + (feed?.clockAheadMs ?? 0);

/** @param {string} duty @returns {boolean} whether the one who is logged in may do it */
export const may = (duty) => store.me === null || store.me.may.includes(duty);

/** The parts that this login may see, as far as is known. */
const seen = () => PARTS.filter((part) => !store.forbidden[part]);

/** Whether the server is silent: a part that fails while others are answered does not say so. */
export const away = () => store.unanswered.size > 0 && store.unanswered.size >= Math.min(2, seen().length);

/**
 * How old what is shown is: as old as the oldest part that this login may see.
 * @returns {{heard: boolean, whole: boolean, oldestMs: number, old: Part[]}} whether any part was
 *   heard, whether every one was, the age of the oldest, and which parts are old
 */
export function freshness() {
  const parts = seen();
  const agesMs = parts.map((part) => performance.now() - (store.heardAt[part] ?? store.begunAt));
  return {
    heard: parts.some((part) => store.heardAt[part] !== undefined),
    whole: parts.every((part) => store.heardAt[part] !== undefined),
    oldestMs: Math.max(0, ...agesMs),
    old: parts.filter((_, n) => agesMs[n] > OLD_MS),
  };
}

/** @type {Record<Part, () => Promise<void>>} */
const ASKS = {
  fleet: async () => {
    store.devices = (await ask('/api/v1/devices')).devices;
  },
  grants: async () => {
    store.grants = (await ask('/api/v1/grants?open=true')).grants;
  },
  alarms: async () => {
    store.alarms = (await ask('/api/v1/alarms')).alarms;
  },
  capacity: async () => {
    store.capacity = (await ask('/api/v1/capacity')).areas;
  },
  emergency: async () => {
    store.emergency = await ask('/api/v1/emergency');
  },
};

/** Asks for one part now. @param {Part} part */
export async function renew(part) {
  try {
    await ASKS[part]();
    store.heardAt[part] = performance.now();
    // The feed tries again by itself, but with growing pauses: it need not wait any longer.
    const wasAway = away();
    store.unanswered.clear();
    if (wasAway) dispatchEvent(new Event('online'));
  } catch (error) {
    if (error instanceof Problem && error.status === 403) store.forbidden[part] = error.message;
    else if (error instanceof Away || error instanceof Problem) store.unanswered.add(part);
    else throw error;
  }
  changed();
}

/** @param {Part} part */
async function keep(part) {
  if (!document.hidden && !store.forbidden[part]) await renew(part);
  setTimeout(() => void keep(part), store.unanswered.has(part) ? AGAIN_MS : PERIODS[part]);
}

async function begin() {
  try {
    store.site = await ask('/api/v1/site');
    store.me = await ask('/api/v1/me');
    store.broken = null;
  } catch (error) {
    store.broken = error instanceof Error ? error : new Error(String(error));
    changed();
    setTimeout(() => void begin(), 2000);
    return;
  }
  if (store.site) setZone(store.site.site.timezone);
  if (store.me) remember(/** @type {import('../lib/session.js').Held} */ (store.me));
  changed();
  store.begunAt = performance.now();
  for (const part of PARTS) void keep(part);
}

/** Begins to ask and to listen. */
export function start() {
  feed = new Feed(new URL('/feed', location.href.replace(/^http/, 'ws')), {
    whole: changed,
    changed: (park, changes) => {
      // The feed says that an alarm came or went; who has seen it and why, the API says.
      if (changes.alarms) void renew('alarms').then(() => renew('emergency'));
      if (changes.lanes && conditionsMoved(park)) void renew('fleet');
      if (changes.alarms || changes.areas || changes.gates || changes.lanes) soon();
    },
    back: () => {
      for (const part of PARTS) void renew(part);
    },
  });
  document.addEventListener('visibilitychange', () => {
    if (document.hidden || !store.me) return;
    for (const part of PARTS) void renew(part);
  });
  void begin();
}

/** @param {string | null | undefined} moment RFC 3339 @returns {number | null} ms since 1970 */
export const ms = (moment) => (moment ? Date.parse(moment) : null);

/** @param {string | null} id */
export const laneOf = (id) => store.site?.lanes.find((lane) => lane.id === id);
/** @param {string | null | undefined} id */
export const gateOf = (id) => store.site?.gates.find((gate) => gate.id === id);
/** @param {string | null | undefined} id */
export const areaOf = (id) => store.site?.areas.find((area) => area.id === id);
/** The alarms about a device: its own, and those of the lane that it serves. @param {Device} device */
export const alarmsOf = (device) => store.alarms.filter((alarm) => alarm.device === device.id
  || (!alarm.device && alarm.lane !== null && alarm.lane === device.lane && device.kind === 'turnstile'));
/** The gate where a device stands. @param {Device} device */
export const gateAt = (device) => gateOf(device.gate ?? laneOf(device.lane)?.gate);
/** @param {string} id */
export const deviceOf = (id) => store.devices.find((device) => device.id === id);
/** @param {string} lane @returns {Device | undefined} its turnstile */
export const deviceAt = (lane) => store.devices.find((device) => device.lane === lane && device.kind === 'turnstile')
  ?? store.devices.find((device) => device.lane === lane);

/** Commands of the fleet. @param {Record<string, string | number>} query @returns {Promise<Command[]>} */
export const commands = async (query) => (await ask(withQuery('/api/v1/commands', query))).commands;
