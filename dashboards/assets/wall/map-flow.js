// People who move, on one canvas over the map: a dot for each person that a gate counted in the
// last minute, going as fast as there are many. In goes jade and round towards the area, out goes
// pale and drawn out to the world. Nothing moves when nobody does, when the page is hidden, when
// the feed is not live, or for those who want no motion: then the dots stand.

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('./map-places.js').Post} Post */
/** @typedef {{gate: string, way: 'in' | 'out', x: number, y: number, dx: number, dy: number, length: number, rate: number, due: number, at: Float32Array, count: number}} Lane one way through one gate */

const FRAME_MS = 33;
/** Dots on one way; it bounds the work, not the figures. */
const DOTS_MAX = 48;
const PERSONS_PER_S_MAX = 16;
const SPEED = Object.freeze({ least: 2.2, most: 8, atPerMin: 160 });
/** A canvas larger than this is drawn coarser: the dots are soft anyway. */
const PIXELS_WIDE_MAX = 1500;

const still = matchMedia('(prefers-reduced-motion: reduce)');

export class Stream {
  #canvas;
  #pen;
  /** @type {Lane[]} */
  #lanes = [];
  #scale = 1;
  #em = 1;
  #running = false;
  #last = 0;

  /** @param {HTMLElement} box */
  constructor(box) {
    const canvas = box.querySelector('canvas');
    const pen = canvas?.getContext('2d');
    if (!canvas || !pen) throw new Error('the map has no canvas');
    this.#canvas = canvas;
    this.#pen = pen;
  }

  /** @param {Post[]} posts @param {{width: number, height: number}} map in rem */
  layOut(posts, map) {
    const wide = this.#canvas.clientWidth;
    this.#scale = Math.min(devicePixelRatio, PIXELS_WIDE_MAX / Math.max(1, wide));
    this.#em = (wide / map.width) * this.#scale;
    this.#canvas.width = Math.round(wide * this.#scale);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * this.#scale);
    this.#lanes = posts.flatMap((post) => [laneOf(post, 'in'), laneOf(post, 'out')]);
  }

  /** @param {Park} park */
  show(park) {
    for (const lane of this.#lanes) {
      const gate = park.gates.get(lane.gate);
      const perMin = gate ? (lane.way === 'in' ? gate.in_per_min : gate.out_per_min) : 0;
      lane.rate = Math.min(PERSONS_PER_S_MAX, perMin / 60);
    }
    if (still.matches) this.#stand();
    else if (!this.#running && this.#lanes.some((lane) => lane.rate > 0)) {
      this.#running = true;
      this.#last = performance.now();
      requestAnimationFrame((now) => this.#frame(now));
    }
  }

  /** @param {number} now */
  #frame(now) {
    // What is not live does not move; the next frame of the feed starts it again.
    if (document.documentElement.dataset.feed !== 'live' || still.matches) {
      this.#running = false;
      return;
    }
    const since = now - this.#last;
    if (since >= FRAME_MS - 4) {
      this.#last = now;
      // After a pause (a hidden page gets no frames) the dots go on from where they were.
      const seconds = Math.min(0.2, since / 1000);
      let alive = false;
      this.#clear();
      for (const lane of this.#lanes) {
        move(lane, seconds);
        this.#draw(lane);
        alive ||= lane.count > 0 || lane.rate > 0;
      }
      if (!alive) {
        this.#running = false;
        return;
      }
    }
    requestAnimationFrame((next) => this.#frame(next));
  }

  /** Dots that stand, as dense as they would run. */
  #stand() {
    this.#clear();
    for (const lane of this.#lanes) {
      const gap = speedOf(lane) / Math.max(0.01, lane.rate);
      lane.count = lane.rate > 0 ? Math.min(DOTS_MAX, Math.max(1, Math.floor(lane.length / gap))) : 0;
      for (let n = 0; n < lane.count; n += 1) lane.at[n] = ((n + 0.5) / lane.count) * lane.length;
      this.#draw(lane);
    }
  }

  #clear() {
    this.#pen.setTransform(1, 0, 0, 1, 0, 0);
    this.#pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#pen.setTransform(this.#em, 0, 0, this.#em, 0, 0);
  }

  /** @param {Lane} lane */
  #draw(lane) {
    const pen = this.#pen;
    pen.fillStyle = '#8ff0d2';
    pen.strokeStyle = '#d5dfdc';
    pen.lineWidth = 0.26;
    pen.lineCap = 'round';
    for (let n = 0; n < lane.count; n += 1) {
      const at = lane.at[n];
      const [x, y] = [lane.x + lane.dx * at, lane.y + lane.dy * at];
      // They come out of the haze and go into it.
      pen.globalAlpha = Math.max(0, Math.min(1, at * 1.5, (lane.length - at) * 0.7));
      pen.beginPath();
      if (lane.way === 'in') {
        pen.arc(x, y, 0.27, 0, 7);
        pen.fill();
      } else {
        pen.moveTo(x - lane.dx * 0.4, y - lane.dy * 0.4);
        pen.lineTo(x + lane.dx * 0.4, y + lane.dy * 0.4);
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  }
}

/** @param {Lane} lane rem per second */
const speedOf = ({ rate }) =>
  SPEED.least + (SPEED.most - SPEED.least) * Math.min(1, (rate * 60) / SPEED.atPerMin);

/** @param {Lane} lane @param {number} seconds */
function move(lane, seconds) {
  const way = speedOf(lane) * seconds;
  let kept = 0;
  for (let n = 0; n < lane.count; n += 1) {
    const at = lane.at[n] + way;
    if (at < lane.length) lane.at[kept++] = at;
  }
  lane.count = kept;
  lane.due += lane.rate * seconds;
  for (; lane.due >= 1; lane.due -= 1) {
    if (lane.count < DOTS_MAX) lane.at[lane.count++] = 0;
  }
}

/** @param {Post} post @param {'in' | 'out'} way @returns {Lane} */
function laneOf(post, way) {
  const { home } = post;
  const [ox, oy] = [Math.cos(post.angle), Math.sin(post.angle)];
  const toMiddle = home ? Math.hypot(post.x - home.x, post.y - home.y) : 4;
  const within = home && !home.field ? Math.max(1.2, toMiddle - 1.6) : Math.min(8.5, Math.max(2.5, toMiddle - 4.5));
  const beyond = 2.4;
  const homeward = post.inward === (way === 'in');
  // The two ways keep to their side, as on a road.
  const aside = (homeward ? 0.5 : -0.5) * 1;
  const start = homeward ? beyond : -within;
  const sign = homeward ? -1 : 1;
  return {
    gate: post.id, way,
    x: post.x + ox * start - oy * aside, y: post.y + oy * start + ox * aside,
    dx: ox * sign, dy: oy * sign, length: within + beyond,
    rate: 0, due: Math.random(), at: new Float32Array(DOTS_MAX), count: 0,
  };
}
