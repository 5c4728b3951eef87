// The wall in a real Chromium, against a running server.
//
//   BASE_URL=http://127.0.0.1:8080 node --test wall.mjs
//
// Without BASE_URL the preview of the dashboards crate is built and served. FLOW=0 says that no
// visitors move at that server; then only what needs none is tested. SOAK_SECONDS (20) is how long
// the page is watched for growth: 600 by hand. Parks of another size or state than the server's
// are made up (park.mjs) and sent in place of its feed. The page is reached through a
// small TCP proxy, so that the feed can be frozen and cut for real, whatever serves it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Wire, launch } from './browser.mjs';
import { feed, line, park } from './park.mjs';

const FLOW = process.env.FLOW !== '0';
const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 20);
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

let server;
let proxy;
let base;
let browser;

before(async () => {
  server = process.env.BASE_URL ? { base: process.env.BASE_URL, stop() {} } : await preview();
  proxy = new Wire(server.base);
  base = await proxy.listen();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  proxy?.close();
  server?.stop();
});

/** Opens the wall and runs `check` on it; what the page complains of fails the test. */
async function onWall({ lang = 'zh', width = 1920, height = 1080, losses = false, state, play, ...options }, check) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const page = await context.newPage();
  if (state) await feed(page, state, play);
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
    const ids = (selector) => page.evaluate((find) => [...document.querySelectorAll(find)].map((node) => node.dataset.id), selector);
    assert.deepEqual((await ids('#map .zone')).sort(), state.areas.map((area) => area.id).sort());
    assert.deepEqual((await ids('#map .post')).sort(), state.gates.map((gate) => gate.id).sort());
    const lanes = await page.locator('.plate .lane').count();
    if (state.gates.length <= 14) assert.equal(lanes, state.lanes.length);
    assert.match(await text(page, '#in-site'), /^\d{1,3}(,\d{3})*$/);
    assert.equal(await page.locator('#veil').isVisible(), false);
    for (const id of ['entries', 'exits', 'this-hour', 'exits-this-hour', 'in-per-min', 'out-per-min', 'devices']) {
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

/** What lies on what on the map, and what of it is outside. */
function clashes() {
  const found = [];
  const boxes = [...document.querySelectorAll('#map .plate')].map((node) => ({ id: node.dataset.id, box: node.getBoundingClientRect() }));
  const ground = document.querySelector('#map .ground').getBoundingClientRect();
  boxes.forEach(({ id, box }, n) => {
    if (box.left < ground.left - 1 || box.right > ground.right + 1 || box.top < ground.top - 1 || box.bottom > ground.bottom + 1) found.push(`${id} is outside`);
    for (const other of boxes.slice(n + 1)) {
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > 2 && high > 2) found.push(`${id} covers ${other.id}`);
    }
    for (const figure of document.querySelectorAll('#map .zone .held')) {
      const held = figure.getBoundingClientRect();
      const wide = Math.min(box.right, held.right) - Math.max(box.left, held.left);
      const high = Math.min(box.bottom, held.bottom) - Math.max(box.top, held.top);
      if (wide > 4 && high > 4) found.push(`${id} covers the figure of ${figure.parentElement.dataset.id}`);
    }
  });
  return found;
}

for (const plan of [true, false]) {
  test(`the map shows every area and gate with the feed's numbers, ${plan ? 'with' : 'without'} a plan`, async () => {
    const state = park({ plan });
    await onWall({ state }, async (page) => {
      for (const area of state.areas) {
        const zone = page.locator(`#map .zone[data-id=${area.id}]`);
        assert.equal(await zone.locator('.name').innerText(), area.name.zh);
        assert.equal(await zone.locator('.held').innerText(), area.occupancy.toLocaleString('en'));
        assert.equal(await zone.getAttribute('data-level'), area.level);
      }
      for (const gate of state.gates) {
        const plate = page.locator(`#map .plate[data-id=${gate.id}]`);
        assert.equal(await plate.locator('.name').innerText(), gate.name.zh);
        assert.equal(await plate.locator('.in').innerText(), String(gate.in_per_min));
        assert.equal(await plate.locator('.out').innerText(), String(gate.out_per_min));
        assert.equal(await plate.locator('.denied').innerText(), gate.denied_per_min ? `拒 ${gate.denied_per_min}` : '');
        const lanes = state.lanes.filter((lane) => lane.gate === gate.id);
        const shown = await plate.locator('.lane').evaluateAll((nodes) => nodes.map((node) => node.dataset.condition));
        assert.deepEqual(shown.sort(), lanes.map((lane) => lane.condition).sort());
        const open = lanes.filter((lane) => lane.condition === 'online').length;
        const each = (gate.in_per_min + gate.out_per_min + gate.denied_per_min) / open;
        assert.ok((await plate.locator('.pressure').innerText()).includes(each.toFixed(each < 10 ? 1 : 0)), gate.id);
      }
      assert.deepEqual(await page.evaluate(clashes), []);
    });
  });
}

for (const [width, height, lang] of [[1920, 1080, 'zh'], [1920, 1080, 'en'], [3840, 2160, 'zh'], [1920, 1200, 'en']]) {
  test(`12 gates, 10 areas and 60 lanes fit at ${width}×${height} in ${lang}`, async () => {
    const state = park({ areas: 10, gates: 12 });
    assert.ok(state.lanes.length >= 60);
    await onWall({ state, lang, width, height }, async (page) => {
      assert.equal(await page.locator('#map .plate').count(), 12);
      assert.equal(await page.locator('#map .zone').count(), 10);
      assert.equal(await page.locator('.plate .lane').count(), state.lanes.length);
      assert.deepEqual(await page.evaluate(misfits), []);
      assert.deepEqual(await page.evaluate(clashes), []);
    });
  });
}

for (const lang of ['zh', 'en']) {
  test(`on a phone the page scrolls down and never sideways, in ${lang}`, async () => {
    for (const state of [park(), park({ areas: 10, gates: 12, emergency: true }), park({ past: false, plan: false })]) {
      await onWall({ state, lang, width: 390, height: 844 }, async (page) => {
        await until(page, () => document.querySelector('#curve').dataset.chart === 'there');
        const { wide, high } = await page.evaluate(() => {
          scrollTo(200, 300);
          return { wide: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth + scrollX, high: scrollY };
        });
        assert.ok(wide <= 0, `${wide} px too wide`);
        assert.equal(high, 300);
        assert.deepEqual((await page.evaluate(misfits)).filter((line) => !line.includes('sticks out')), []);
        assert.deepEqual(await page.evaluate(clashes), []);
      });
    }
  });
}

test('last week and the forecast stand beside today, in words', async () => {
  const state = park();
  await onWall({ state }, async (page) => {
    const apart = Math.floor(((state.today.entries - state.past.last_week.entries_by_now) * 100) / state.past.last_week.entries_by_now);
    assert.equal(await text(page, '#entries-than'), `▲ ${apart}% 高于上周`);
    assert.match(await text(page, '#in-per-min-than'), /^▲ 12% 高于上周$/);
    assert.equal(await text(page, '#exits-this-hour'), '1,284');
    assert.equal(await text(page, '#this-hour-than'), '▲ 12% 高于上周');
    assert.equal(await text(page, '#exits-this-hour-than'), '▲ 7% 高于上周');
    assert.equal(await text(page, '#out-per-min-than'), '▼ 3% 低于上周');
    assert.match(await text(page, '#peak'), /^预计高峰 \d\d:\d\d · 15,230 人 ± 9%$/);
    await until(page, () => document.querySelector('#curve .plot canvas'));
    const channels = await page.locator('#channels li:not([hidden]) .name').allInnerTexts();
    assert.deepEqual(channels, ['窗口', '在线旅行社', '小程序', '旅行社', '自助机']);
  });
});

test('what was said in the hour before is not held against this hour', async () => {
  const state = park();
  state.past.at -= 3_600_000;
  await onWall({ state }, async (page) => {
    assert.equal(await text(page, '#this-hour-than'), '');
    assert.equal(await text(page, '#exits-this-hour-than'), '');
    assert.match(await text(page, '#entries-than'), /上周/);
  });
});

test('on the first day the wall says that history begins', async () => {
  await onWall({ state: park({ past: false }), lang: 'en' }, async (page) => {
    assert.equal(await text(page, '#entries-than'), '');
    assert.match(await text(page, '#against'), /History begins today/);
    assert.match(await text(page, '#curve .series'), /History begins today/);
    assert.equal(await text(page, '#peak'), '');
    assert.ok(await page.locator('#channels .none').isVisible());
  });
});

test('an emergency takes the wall over, keeps the figures, and ends', async () => {
  const state = park({ emergency: true });
  let send;
  await onWall({ state, play: (told) => { send = told; } }, async (page) => {
    assert.ok(await page.locator('#emergency').isVisible());
    assert.match(await text(page, '#emergency'), /紧急放行/);
    assert.equal(await text(page, '#in-site'), '12,846');
    assert.match(await text(page, '#alarms li strong'), /紧急放行/);
    assert.deepEqual(await page.evaluate(misfits), []);
    assert.deepEqual(await page.evaluate(clashes), []);
    send({ alarms: [{ ...state.alarms[0], active: false }] });
    await until(page, () => document.querySelector('#emergency').hidden);
  });
});

test('people move on the map, and stand for who wants no motion', async () => {
  const picture = (page) => page.evaluate(() => document.querySelector('#map canvas').toDataURL());
  await onWall({ state: park() }, async (page) => {
    const before = await picture(page);
    await until(page, (was) => document.querySelector('#map canvas').toDataURL() !== was, before);
  });
  await onWall({ state: park(), reducedMotion: 'reduce' }, async (page) => {
    const before = await picture(page);
    await page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 800); }));
    assert.equal(await picture(page), before);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  });
});

test('a feed that is closed to this viewer leads to the login', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.routeWebSocket(/\/feed$/, (socket) => socket.close());
  await page.route('**/api/v1/feed/snapshot', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{}' }));
  await page.route('**/login*', (route) => route.fulfill({ contentType: 'text/html', body: '<title>login</title>' }));
  try {
    await page.goto(`${base}/wall`);
    await page.waitForURL('**/login?next=%2Fwall', { timeout: 5000 });
  } finally {
    await context.close();
  }
});

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
    assert.equal(await text(page, '#map h2 span'), 'The park');
    const { site } = await snapshot();
    assert.equal(await text(page, '#site'), site.name.en);
    await page.click('#lang');
    assert.equal(await text(page, '#map h2 span'), '园区态势');
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
    await page.goto(`${base}/wall`);
    await page.waitForSelector('html[data-feed=live]');
    assert.equal(await text(page, '#map h2 span'), '园区态势', 'the choice is kept');
    const untold = await page.evaluate(() =>
      [...document.querySelectorAll('[data-t], [data-w]')].filter((node) => !node.textContent.trim()).length);
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
    const back = performance.now();
    await until(page, () => document.documentElement.dataset.feed === 'live');
    const took = performance.now() - back;
    console.log(`live again ${Math.round(took)} ms after the server was back`);
    assert.ok(took < 5000, `took ${took} ms`);
    assert.equal(await feedState(page), 'live');
  });
});

test(`nothing grows in ${SOAK_SECONDS} s`, { skip: !FLOW && 'no visitors at this server' }, async () => {
  await onWall({}, async (page, context) => {
    const devtools = await context.newCDPSession(page);
    const measure = async () => {
      // Twice: what the first round lets go may hold more.
      await devtools.send('HeapProfiler.collectGarbage');
      await devtools.send('HeapProfiler.collectGarbage');
      const { nodes, jsEventListeners } = await devtools.send('Memory.getDOMCounters');
      const { usedSize } = await devtools.send('Runtime.getHeapUsage');
      return { nodes, listeners: jsEventListeners, heap: usedSize };
    };
    const wait = (seconds) => page.evaluate((ms) => new Promise((resolve) => { setTimeout(resolve, ms); }), seconds * 1000);
    await until(page, () => document.querySelector('#curve').dataset.chart === 'there');
    // Every view is made once, every formatter kept: that takes some lines.
    await wait(Math.max(8, SOAK_SECONDS / 20));
    const [n, early] = [await newest(page), await measure()];
    await wait(SOAK_SECONDS);
    const [m, late] = [await newest(page), await measure()];
    console.log(`${m - n} lines in ${SOAK_SECONDS} s: heap ${early.heap} → ${late.heap} bytes, nodes ${early.nodes} → ${late.nodes}, listeners ${early.listeners} → ${late.listeners}`);
    assert.ok(m > n, 'the day went on');
    assert.ok(late.nodes <= early.nodes + 60, `nodes ${early.nodes} → ${late.nodes}`);
    assert.ok(late.listeners <= early.listeners + 2, `listeners ${early.listeners} → ${late.listeners}`);
    assert.ok(late.heap <= early.heap + 1_500_000, `heap ${early.heap} → ${late.heap}`);
  });
});

test('a thousand lines and figures later the page has as many nodes', async () => {
  const state = park();
  let send;
  await onWall({ state, play: (told) => { send = told; } }, async (page, context) => {
    const devtools = await context.newCDPSession(page);
    const nodes = async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      return (await devtools.send('Memory.getDOMCounters')).nodes;
    };
    const lines = async (from, to) => {
      for (let n = from; n < to; n += 1) send({ recent: [line(n, Date.now(), 'south')], today: { ...state.today, entries: n } });
      await until(page, (last) => Number(document.querySelector('#ticker li').dataset.n) === last, to - 1);
    };
    await lines(100, 200);
    const early = await nodes();
    await lines(200, 1200);
    const late = await nodes();
    assert.ok(late <= early + 30, `nodes ${early} → ${late}`);
  });
});

test('who wants no motion gets none', async () => {
  await onWall({ reducedMotion: 'reduce' }, async (page) => {
    const moving = await page.evaluate(() => document.getAnimations().length);
    assert.equal(moving, 0);
  });
});
