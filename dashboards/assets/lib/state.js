// The state that a page holds, and what a frame means for it. The types are those of the feed
// (protocols/src/feed.rs); a test of the server compares the field names.

/** @typedef {import('./i18n.js').Text} Text */
/** @typedef {'normal' | 'announce' | 'slow' | 'full'} Level */
/** @typedef {'online' | 'closed' | 'fault' | 'offline' | 'unassigned'} Condition */

/**
 * @typedef {object} Site
 * @property {string} id
 * @property {Text} name
 * @property {string} timezone IANA name
 * @property {Plan} [plan]
 */
/**
 * Places on the plan, [x, y]; what has none is laid out by the page.
 * @typedef {object} Plan
 * @property {Record<string, [number, number]>} areas
 * @property {Record<string, [number, number]>} gates
 * @property {Record<string, [number, number]>} lanes
 */
/**
 * @typedef {object} Area
 * @property {string} id
 * @property {Text} name
 * @property {string} [parent]
 * @property {number} occupancy persons in it
 * @property {number} reserved places held by open grants
 * @property {number | null} capacity
 * @property {Level} level
 * @property {number} entries_today
 * @property {number} sold_today persons of the tickets sold for today
 * @property {string[]} [actions] what is done at the levels that are reached
 * @property {number} [override_until] until when an operator lets people in although it is full
 */
/**
 * @typedef {object} Gate
 * @property {string} id
 * @property {Text} name
 * @property {string} from
 * @property {string} to
 * @property {number} in_today
 * @property {number} out_today
 * @property {number} in_per_min
 * @property {number} out_per_min
 * @property {number} denied_per_min
 */
/**
 * @typedef {object} Lane
 * @property {string} id
 * @property {string} gate
 * @property {string} direction in, out or both
 * @property {string | null} device
 * @property {Condition} condition
 * @property {number} since
 * @property {number | null} last_at
 * @property {number} open_grants
 */
/**
 * @typedef {object} Today
 * @property {string} date the business date
 * @property {number} [starts_at] when the business day began; local midnight where absent
 * @property {number} in_site
 * @property {number | null} capacity
 * @property {Level} level
 * @property {number} entries
 * @property {number} reentries
 * @property {number} exits
 * @property {number} entries_per_min
 * @property {number} exits_per_min
 * @property {number} entries_this_hour
 * @property {number} exits_this_hour
 * @property {number} denied
 * @property {Record<string, number>} by_reason
 * @property {Record<string, number>} by_class
 * @property {number[]} curve entries per quarter hour
 * @property {{p50_us: number, p99_us: number, count: number}} decision
 * @property {number} devices_online
 * @property {number} devices_total
 */
/**
 * @typedef {object} Recent
 * @property {number} n
 * @property {number} at
 * @property {number} committed_at
 * @property {'passage' | 'denied' | 'not_taken'} kind
 * @property {string} lane
 * @property {string} gate
 * @property {'in' | 'out'} direction
 * @property {string} [class]
 * @property {string} [product]
 * @property {number} count
 * @property {string} [reason]
 */
/**
 * @typedef {object} Alarm
 * @property {number} id
 * @property {string} code
 * @property {number} at
 * @property {string} [device]
 * @property {string} [lane]
 * @property {string} [area]
 * @property {boolean} active
 * @property {boolean} acknowledged somebody has seen it
 */
/**
 * An earlier business day, to compare today with.
 * @typedef {object} DayBefore
 * @property {string} date
 * @property {number} entries of the whole day
 * @property {number} entries_by_now until the same time of day
 * @property {number} exits_by_now
 * @property {number} entries_this_hour of the clock hour that is running today, the whole of it
 * @property {number} exits_this_hour
 * @property {number} entries_this_hour_by_now of that hour until the same minute
 * @property {number} exits_this_hour_by_now
 * @property {number} entries_per_min in the same minute
 * @property {number} exits_per_min
 * @property {number} peak_in_site most persons at one time
 * @property {number[]} curve entries per quarter hour
 */
/**
 * What is expected of today.
 * @typedef {object} Forecast
 * @property {number} made_at
 * @property {number} entries of the whole day
 * @property {number} peak_in_site
 * @property {number} peak_at
 * @property {number[]} curve entries per quarter hour: what came, then what will
 * @property {number} days earlier days that it was made from
 * @property {number} [error_percent] how far off earlier forecasts were at this time of day
 */
/**
 * What history says of today.
 * @typedef {object} Past
 * @property {number} at
 * @property {Record<string, number>} by_channel entries by the channel that sold the ticket
 * @property {DayBefore} [last_week] the same weekday
 * @property {Forecast} [forecast]
 */
/**
 * What a delta may hold.
 * @typedef {object} Changes
 * @property {Area[]} [areas]
 * @property {Gate[]} [gates]
 * @property {Lane[]} [lanes]
 * @property {Today} [today]
 * @property {Alarm[]} [alarms]
 * @property {Recent[]} [recent]
 * @property {Past} [past]
 */
/** @typedef {{site: Site} & Required<Changes>} Snapshot */
/** @typedef {{type: 'snapshot', seq: number, at: number} & Snapshot} SnapshotFrame */
/** @typedef {{type: 'delta', seq: number, at: number} & Changes} DeltaFrame */

/** The most lines kept, as in the feed. */
const RECENT_MAX = 50;

/** The park as the page knows it. Rows keep the feed's order. */
export class Park {
  /** @param {Snapshot} from @param {number} at when its frame was made */
  constructor(from, at) {
    this.at = at;
    this.site = from.site;
    /** @type {Map<string, Area>} */
    this.areas = new Map(from.areas.map((row) => [row.id, row]));
    /** @type {Map<string, Gate>} */
    this.gates = new Map(from.gates.map((row) => [row.id, row]));
    /** @type {Map<string, Lane>} */
    this.lanes = new Map(from.lanes.map((row) => [row.id, row]));
    /** @type {Map<number, Alarm>} */
    this.alarms = new Map(from.alarms.map((row) => [row.id, row]));
    this.today = from.today;
    this.recent = from.recent.slice(-RECENT_MAX);
    this.past = from.past;
  }

  /** @param {Changes} delta @param {number} at when its frame was made */
  apply(delta, at) {
    this.at = at;
    for (const row of delta.areas ?? []) this.areas.set(row.id, row);
    for (const row of delta.gates ?? []) this.gates.set(row.id, row);
    for (const row of delta.lanes ?? []) this.lanes.set(row.id, row);
    for (const row of delta.alarms ?? []) {
      if (row.active) this.alarms.set(row.id, row);
      else this.alarms.delete(row.id);
    }
    if (delta.today) this.today = delta.today;
    if (delta.past) this.past = delta.past;
    if (delta.recent) this.recent = this.recent.concat(delta.recent).slice(-RECENT_MAX);
  }
}
