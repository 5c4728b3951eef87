// The page's end of the feed: connects, keeps the numbering, asks anew on a gap, notices silence,
// and comes back by itself with growing, jittered pauses. What it knows of the connection it says
// plainly; how that looks is link.js's. A socket cannot see why it was refused: after a failure it
// asks for the snapshot in plain HTTP, and tells when that is closed to it (401).

import { Park } from './state.js';

/** @typedef {import('./state.js').Changes} Changes */
/** @typedef {import('./state.js').SnapshotFrame} SnapshotFrame */
/** @typedef {import('./state.js').DeltaFrame} DeltaFrame */

/** The hub sends at least a heartbeat each 5 s: so much silence means that it is gone. */
export const SILENCE_MS = 8000;
/** A connection that takes longer to open is tried anew: with the longest pause, still within 5 s. */
const OPENING_MS = 4000;
const PAUSE_FIRST_MS = 400;
/** Short enough that a server which is back is found within 5 s. */
const PAUSE_MAX_MS = 3000;
const SNAPSHOT = '/api/v1/feed/snapshot';

/**
 * @typedef {object} Listener
 * @property {(park: Park) => void} whole the state as a whole came
 * @property {(park: Park, changes: Changes) => void} changed some of it changed
 * @property {() => void} back the feed came back after a loss
 * @property {() => void} [refused] the feed is closed to this viewer: somebody has to log in
 */

export class Feed {
  /** Whether frames may be coming: connected and numbered. */
  live = false;
  /** When the newest frame came (performance.now), or null before the first. @type {number | null} */
  heardAt = null;
  /** The server's clock less this one's, in ms, by the newest frame. */
  clockAheadMs = 0;
  /** Attempts since the last frame. */
  attempt = 0;

  /** @type {Park | null} */
  #park = null;
  /** The number of the newest frame held; null while waiting for a snapshot. @type {number | null} */
  #seq = null;
  /** @type {WebSocket | null} */
  #socket = null;
  #openedAt = 0;
  #opened = false;
  #asking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #listener;
  #url;

  /** @param {string | URL} url @param {Listener} listener */
  constructor(url, listener) {
    this.#url = url;
    this.#listener = listener;
    setInterval(() => this.#watch(), 500);
    addEventListener('online', () => this.#socket ?? this.#connect());
    this.#connect();
  }

  /** The state, once there is one. */
  get park() {
    return this.#park;
  }

  /** Connects now instead of after the pause: somebody has heard that the server is back. */
  hurry() {
    if (!this.#socket) this.#connect();
  }

  #connect() {
    clearTimeout(this.#retry);
    this.attempt += 1;
    this.#openedAt = performance.now();
    this.#opened = false;
    this.#seq = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => { this.#opened = true; };
    socket.onmessage = (event) => this.#take(socket, event.data);
    socket.onclose = () => this.#lose(socket);
  }

  /** @param {WebSocket} socket */
  #lose(socket) {
    if (socket !== this.#socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    this.#socket = null;
    this.live = false;
    if (!this.#opened) void this.#askWhy();
    const pause = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** Math.min(this.attempt - 1, 10));
    // Jitter, so that a hundred pages do not return in one instant.
    this.#retry = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2));
  }

  /** One question at a time, given up soon: the next failure asks again. */
  async #askWhy() {
    if (this.#asking || !this.#listener.refused) return;
    this.#asking = true;
    try {
      const answer = await fetch(SNAPSHOT, { cache: 'no-store', signal: AbortSignal.timeout(OPENING_MS) });
      await answer.body?.cancel();
      if (answer.status === 401) this.#listener.refused();
    } catch {
      // The server is away, which is no refusal.
    } finally {
      this.#asking = false;
    }
  }

  /** A network that went away without a word closes nothing: silence does. */
  #watch() {
    const since = Math.max(this.#openedAt, this.heardAt ?? 0);
    const patience = this.#opened ? SILENCE_MS : OPENING_MS;
    if (this.#socket && performance.now() - since > patience) this.#lose(this.#socket);
  }

  /** @param {WebSocket} socket @param {unknown} data */
  #take(socket, data) {
    if (socket !== this.#socket || typeof data !== 'string') return;
    /** @type {SnapshotFrame | DeltaFrame} */
    const frame = JSON.parse(data);
    if (frame.type === 'snapshot') {
      this.#park = new Park(frame, frame.at);
      this.#heard(frame);
      this.#listener.whole(this.#park);
    } else if (frame.type === 'delta' && this.#park && this.#seq !== null) {
      if (frame.seq <= this.#seq) return;
      if (frame.seq !== this.#seq + 1) {
        this.#seq = null;
        socket.send('{"type":"resync"}');
        return;
      }
      this.#park.apply(frame, frame.at);
      this.#heard(frame);
      this.#listener.changed(this.#park, frame);
    }
  }

  /** @param {SnapshotFrame | DeltaFrame} frame */
  #heard(frame) {
    const lost = !this.live && this.heardAt !== null;
    this.#seq = frame.seq;
    this.heardAt = performance.now();
    this.clockAheadMs = frame.at - Date.now();
    this.live = true;
    this.attempt = 0;
    if (lost) this.#listener.back();
  }
}
