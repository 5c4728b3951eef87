// The wall in a real Chromium, against a running server.
//
//   BASE_URL=http://127.0.0.1:8080 node --test wall.mjs
//
// Without BASE_URL the preview of the dashboards crate is built and served. FLOW=0 says that no
// visitors move at that server; then only what needs none is tested. The page is reached through a
// small TCP proxy in this file, so that the feed can be frozen and cut for real, whatever serves it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const FLOW = process.env.FLOW !== '0';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SHOTS = process.env.SHOTS; // a folder, to look at what the tests saw

/** Starts the preview and gives its address and an end. */
async function preview() {
  const args = ['run', '-q', '-p', 'shanmen-dashboards', '--example', 'preview', '--', '127.0.0.1:0'];
  const child = spawn('cargo', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((_, reject) => child.once('exit', (code) => reject(new Error(`preview ended: ${code}`))));
  ended.catch(() => {});
  const address = new Promise((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const found = /http:\/\/\S+/.exec(text);
      if (found) resolve(found[0]);
    });
  });
  return { base: await Promise.race([address, ended]), stop: () => child.kill('SIGINT') };
}

/** A TCP proxy that can be frozen (nothing passes, nothing closes) and cut (nothing connects). */
class Wire {
  #sockets = new Set();
  #target;
  #server;
  frozen = false;
  down = false;

  constructor(base) {
    const { hostname, port } = new URL(base);
    this.#target = { host: hostname, port: Number(port || 80) };
    this.#server = net.createServer((near) => this.#join(near));
  }

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  #join(near) {
    if (this.down) {
      near.destroy();
      return;
    }
    const far = net.connect(this.#target);
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (data) => this.frozen || to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  cut() {
    this.down = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    // What was frozen has lost bytes: those connections cannot go on.
    for (const socket of this.#sockets) socket.destroy();
    this.frozen = false;
    this.down = false;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}

let server;
let proxy;
let base;
let browser;

before(async () => {
  server = process.env.BASE_URL ? { base: process.env.BASE_URL, stop() {} } : await preview();
  proxy = new Wire(server.base);
  base = await proxy.listen();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
});

after(async () => {
  await browser?.close();
  proxy?.close();
  server?.stop();
});

/** Opens the wall and runs `check` on it; what the page complains of fails the test. */
async function onWall({ lang = 'zh', width = 1920, height = 1080, losses = false, ...options }, check) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const page = await context.newPage();
  const complaints = [];
  const foreign = [];
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => {
    const lost = losses && /WebSocket connection|net::ERR_/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !lost) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(base).host) foreign.push(request.url());
  });
  try {
    await page.goto(lang ? `${base}/wall?lang=${lang}` : `${base}/wall`);
    await page.waitForSelector('html[data-feed=live]', { timeout: 15_000 });
    await check(page, context);
    assert.deepEqual(complaints, []);
    assert.deepEqual(foreign, [], 'nothing from another host');
  } finally {
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/${lang}-${width}-${Date.now()}.png` });
    await context.close();
  }
}

const feedState = (page) => page.evaluate(() => document.documentElement.dataset.feed);
const text = (page, selector) => page.locator(selector).first().innerText();
const newest = (page) =>
  page.evaluate(() => Number(document.querySelector('#ticker li:not([hidden])')?.dataset.n ?? 0));
const until = (page, check, arg, timeout = 20_000) => page.waitForFunction(check, arg, { timeout });

/** The state as the server tells it beside the page. */
async function snapshot() {
  const answer = await fetch(`${server.base}/api/v1/feed/snapshot`);
  assert.equal(answer.status, 200);
  return answer.json();
}

/** Boxes that stick out of the screen, or whose text is cut off. */
function misfits() {
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    if (!(node instanceof HTMLElement) || !node.checkVisibility() || node.closest('#ticker li')) continue;
    const box = node.getBoundingClientRect();
    if (box.width === 0) continue;
    if (box.right > innerWidth + 1 || box.bottom > innerHeight + 1 || box.left < -1) {
      found.push(`${node.tagName}#${node.id}.${node.className} sticks out`);
    }
    const style = getComputedStyle(node);
    const shortened = style.textOverflow === 'ellipsis' || style.webkitLineClamp !== 'none';
    if (node.tagName === 'SECTION' && node.scrollHeight > node.clientHeight + 2) {
      found.push(`#${node.id} is cut at its foot by ${node.scrollHeight - node.clientHeight} px`);
    }
    if (style.overflowX === 'hidden' && !shortened && node.scrollWidth > node.clientWidth + 2) {
      found.push(`${node.tagName}#${node.id}.${node.className} is cut: ${node.innerText.slice(0, 40)}`);
    }
  }
  return found;
}

test('the first picture is whole, and is what the server says', async () => {
  await onWall({}, async (page) => {
    const state = await snapshot();
    assert.equal(await text(page, '#site'), state.site.name.zh);
    assert.equal(await page.locator('#gates tbody tr:not([hidden])').count(), Math.min(9, state.gates.length));
    assert.ok((await page.locator('#areas li:not([hidden])').count()) > 0);
    const lanes = await page.evaluate(() => [...document.querySelectorAll('.lane')].length);
    if (state.gates.length <= 9) assert.equal(lanes, state.lanes.length);
    assert.match(await text(page, '#in-site'), /^\d{1,3}(,\d{3})*$/);
    assert.equal(await page.locator('#veil').isVisible(), false);
    for (const id of ['entries', 'exits', 'this-hour', 'in-per-min', 'out-per-min', 'devices']) {
      assert.match(await text(page, `#${id}`), /^[\d,/]+$/, id);
    }
  });
});

for (const [width, height] of [[1920, 1080], [3840, 2160], [2560, 1440], [1920, 1200]]) {
  for (const lang of ['zh', 'en']) {
    test(`nothing scrolls, sticks out or is cut at ${width}×${height} in ${lang}`, async () => {
      await onWall({ lang, width, height }, async (page) => {
        const fits = await page.evaluate(() => {
          const { scrollWidth, scrollHeight } = document.documentElement;
          return scrollWidth <= innerWidth && scrollHeight <= innerHeight;
        });
        assert.ok(fits, 'the page scrolls');
        assert.deepEqual(await page.evaluate(misfits), []);
      });
    });
  }
}

test('figures and lines move by themselves', { skip: !FLOW && 'no visitors at this server' }, async () => {
  await onWall({}, async (page) => {
    const [line, entries] = [await newest(page), await text(page, '#entries')];
    await until(page, (n) => Number(document.querySelector('#ticker li')?.dataset.n) > n + 3, line);
    await until(page, (was) => document.querySelector('#entries').innerText !== was, entries);
    const order = await page.evaluate(() =>
      [...document.querySelectorAll('#ticker li:not([hidden])')].map((node) => Number(node.dataset.n)));
    assert.deepEqual(order, [...order].sort((a, b) => b - a), 'newest first');
    assert.equal(new Set(order).size, order.length, 'no line twice');
  });
});

test('a passage is on the glass within 200 ms of its commit', { skip: !FLOW && 'no visitors at this server' }, async () => {
  await onWall({}, async (page) => {
    const lags = [];
    for (let count = 0; count < 20; count += 1) {
      const n = await newest(page);
      await until(page, (was) => Number(document.querySelector('#ticker li')?.dataset.n) > was, n);
      // The measure is taken in the animation frame after the line was written.
      await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
      lags.push(Number(await page.evaluate(() => document.documentElement.dataset.feedLagMs)));
    }
    lags.sort((a, b) => a - b);
    const [median, worst] = [lags[10], lags[19]];
    console.log(`commit to glass: median ${median} ms, worst of 20 ${worst} ms`);
    // The median: a machine that is busy with other tests may hold up a frame or two.
    assert.ok(lags[0] >= 0 && median < 200, `lags ${lags}`);
  });
});

test('both languages, remembered', async () => {
  await onWall({ lang: 'en' }, async (page) => {
    assert.equal(await text(page, '#gates h2 span'), 'Gates');
    const { site } = await snapshot();
    assert.equal(await text(page, '#site'), site.name.en);
    await page.click('#lang');
    assert.equal(await text(page, '#gates h2 span'), '各门');
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
    await page.goto(`${base}/wall`);
    await page.waitForSelector('html[data-feed=live]');
    assert.equal(await text(page, '#gates h2 span'), '各门', 'the choice is kept');
    const untold = await page.evaluate(() =>
      [...document.querySelectorAll('[data-t]')].filter((node) => !node.textContent.trim()).length);
    assert.equal(untold, 0, 'every label has its words');
  });
});

test('a silent feed looks dead, counts its age, and comes back by itself', async () => {
  await onWall({ losses: true }, async (page) => {
    proxy.frozen = true;
    try {
      await until(page, () => document.documentElement.dataset.feed === 'dead');
      assert.ok(await page.locator('#veil').isVisible());
      await until(page, () => getComputedStyle(document.querySelector('main')).filter.includes('grayscale(1)'));
      const age = await text(page, '#veil-age');
      await until(page, (was) => document.querySelector('#veil-age').innerText !== was, age);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/dead.png` });
    } finally {
      proxy.mend();
    }
    await until(page, () => document.documentElement.dataset.feed === 'live');
    assert.equal(await page.locator('#veil').isVisible(), false);
    if (FLOW) {
      const n = await newest(page);
      await until(page, (was) => Number(document.querySelector('#ticker li')?.dataset.n) > was, n);
    }
  });
});

test('a server that is gone is not called live for a moment longer, and is found again', async () => {
  await onWall({ losses: true }, async (page) => {
    proxy.cut();
    try {
      await until(page, () => document.documentElement.dataset.feed !== 'live', undefined, 2000);
      await until(page, () => document.documentElement.dataset.feed === 'dead', undefined, 10_000);
    } finally {
      proxy.mend();
    }
    await until(page, () => document.documentElement.dataset.feed === 'live');
    assert.equal(await feedState(page), 'live');
  });
});

test('nothing grows while the day goes on', { skip: !FLOW && 'no visitors at this server' }, async () => {
  await onWall({}, async (page, context) => {
    const devtools = await context.newCDPSession(page);
    const count = async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      return devtools.send('Memory.getDOMCounters');
    };
    const grow = async (lines) => {
      const n = await newest(page);
      await until(page, (last) => Number(document.querySelector('#ticker li')?.dataset.n) >= last, n + lines, 60_000);
    };
    await grow(20);
    const early = await count();
    await grow(60);
    const late = await count();
    assert.ok(late.nodes <= early.nodes + 60, `nodes ${early.nodes} → ${late.nodes}`);
    assert.ok(late.jsEventListeners <= early.jsEventListeners + 2, 'listeners');
  });
});

test('who wants no motion gets none', async () => {
  await onWall({ reducedMotion: 'reduce' }, async (page) => {
    const moving = await page.evaluate(() => document.getAnimations().length);
    assert.equal(moving, 0);
  });
});
