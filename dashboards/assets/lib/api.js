// Requests to the API with the page's cookie: JSON in and out, refusals as errors that say why.
// A 401 leads to the login page and back. Called by every page but the wall.

import { toLogin } from './session.js';

/** How long an answer may take. */
const TIMEOUT_MS = 15_000;

/** A refusal of the server (RFC 9457). `message` is its `detail`. */
export class Problem extends Error {
  /** @param {number} status @param {string} kind `urn:shanmen:problem:<kind>` @param {string} detail @param {number} retryS */
  constructor(status, kind, detail, retryS) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.kind = kind;
    /** In how many seconds it may be tried again; 0 where the server does not say. */
    this.retryS = retryS;
  }
}

/** The server did not answer: it is away, or the network is, or it took too long. */
export class Away extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super('the server does not answer', { cause });
    this.name = 'Away';
  }
}

/**
 * @typedef {object} Ask
 * @property {string} [method] GET by default, POST with a body
 * @property {unknown} [body] sent as JSON
 * @property {AbortSignal} [signal] ends the request (the error is then the signal's)
 * @property {Record<string, string>} [headers]
 * @property {boolean} [nameless] without the cookie: what anyone may see
 * @property {boolean} [stay] do not go to the login page on a 401; the login page asks so
 */

/**
 * Asks the API. Gives the JSON of the answer, or null for an empty one.
 * @param {string} path
 * @param {Ask} [how]
 * @returns {Promise<any>}
 * @throws {Problem | Away}
 */
export async function ask(path, { method, body, signal, headers, nameless = false, stay = false } = {}) {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  try {
    answer = await fetch(path, {
      method: method ?? (sent === undefined ? 'GET' : 'POST'),
      headers: { accept: 'application/json', ...(sent === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: sent,
      cache: 'no-store',
      credentials: nameless ? 'omit' : 'same-origin',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new Away(error);
  }
  const problem = await refusal(answer);
  if (problem.status === 401 && !stay) toLogin();
  // A proxy before a server that is gone answers in its stead.
  if ([502, 504].includes(problem.status) && !problem.kind) throw new Away(problem);
  throw problem;
}

/** @param {Response} answer */
async function refusal(answer) {
  const retryS = Number(answer.headers.get('retry-after')) || 0;
  try {
    const { type, detail, title } = await answer.json();
    const kind = String(type ?? '').replace('urn:shanmen:problem:', '');
    return new Problem(answer.status, kind, String(detail ?? title ?? answer.status), retryS);
  } catch {
    return new Problem(answer.status, '', `${answer.status} ${answer.statusText}`.trim(), retryS);
  }
}

/**
 * A path with what is asked for; what is undefined or null is left out.
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} query
 */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Whether the cookie is still good, by a cheap question.
 * @returns {Promise<'good' | 'over' | 'away'>}
 */
export async function session() {
  try {
    await ask('/api/v1/flow/day', { stay: true });
    return 'good';
  } catch (error) {
    if (!(error instanceof Problem)) return 'away';
    // Another refusal than 401 is made to somebody who is known.
    return error.status === 401 ? 'over' : 'good';
  }
}
