// What the history API answers, as types for the check. Nothing runs here.

/** @typedef {import('../lib/i18n.js').Text} Text */
/** @typedef {{persons: number, at: string}} Peak */
/**
 * One line of by_gate, by_product, by_class, by_channel or by_reason.
 * @typedef {object} Row
 * @property {string} key
 * @property {Text} [name]
 * @property {number} [in]
 * @property {number} [out]
 * @property {number} [denied]
 */
/**
 * @typedef {object} AreaRow
 * @property {string} key
 * @property {Text} name
 * @property {number} entries
 * @property {number | null} peak
 * @property {string | null} peak_at
 * @property {number | null} capacity
 * @property {number} minutes_above_80
 */
/**
 * @typedef {object} DayForecast
 * @property {string} made_at
 * @property {number} entries
 * @property {number} peak_in_site
 * @property {string} peak_at
 * @property {number[]} curve
 * @property {number} days
 * @property {number | null} [error_percent]
 */
/**
 * GET /api/v1/flow/day
 * @typedef {object} Day
 * @property {string} day
 * @property {string} at
 * @property {boolean} open
 * @property {number | null} in_site
 * @property {number} entries
 * @property {number} exits
 * @property {number} reentries
 * @property {number} denied
 * @property {number} not_taken
 * @property {Peak | null} peak
 * @property {number | null} capacity
 * @property {number} minutes_above_80
 * @property {Row[]} by_gate
 * @property {AreaRow[]} by_area
 * @property {Row[]} by_class
 * @property {Row[]} by_product
 * @property {Row[]} by_channel
 * @property {Row[]} by_reason
 * @property {{persons: number, median_min: number, p90_min: number, bins: {from_min: number, to_min: number | null, persons: number}[]} | null} dwell
 * @property {{availability: number | null, worst: {device: string, availability: number, online_min: number, known_min: number}[]}} devices
 * @property {{day: string, entries: number, entries_by_now: number, exits: number, peak: Peak | null} | null} last_week
 * @property {DayForecast | null} forecast
 */
/**
 * GET /api/v1/flow
 * @typedef {object} Flow
 * @property {string[]} at
 * @property {string} timezone
 * @property {{key: string, name?: Text, in?: number[], out?: number[], denied?: number[], peak?: number[]}[]} series
 */
/**
 * @typedef {object} WeekDay
 * @property {string} day
 * @property {number} entries
 * @property {number} exits
 * @property {Peak | null} peak
 * @property {number} denied
 * @property {number} reentries
 * @property {number | null} capacity
 * @property {number} minutes_above_80
 * @property {number | null} availability
 */
/** @typedef {{days: WeekDay[]}} Week GET /api/v1/flow/week */
/** @typedef {{weeks: number, days: number, cells: {weekday: number, hour: number, entries: number, peak: number}[]}} Heat GET /api/v1/flow/heatmap */
/**
 * GET /api/v1/flow/forecast
 * @typedef {object} Outlook
 * @property {string} day
 * @property {string | null} made_at null, as the next three, without days to go by
 * @property {number | null} entries
 * @property {number | null} peak_in_site
 * @property {string | null} peak_at
 * @property {number[]} curve
 * @property {number[]} in_site
 * @property {number} days
 * @property {number} sold_today
 * @property {Text} method
 * @property {number | null} [error_percent]
 * @property {{day: string, made_at: string, expected_entries: number, entries: number, expected_peak: number, peak: number, error_percent: number}[]} errors
 */

export {};
