// The first page, the login and the managers' page in a real Chromium, against a running server
// with visitors and a past (the demo).
//
//   BASE_URL=http://127.0.0.1:8080 LOGIN_USER=demo LOGIN_PASSWORD=… node --test flow.mjs
//
// The login needs a role that may see the flow of visitors.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Wire, launch } from './browser.mjs';

const { BASE_URL, LOGIN_USER, LOGIN_PASSWORD, SHOTS } = process.env;
const VIEWS = ['now', 'day', 'week'];
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1440, height: 900 };

let wire;
let base;
let browser;
/** The cookie of one login, for the tests that are not about logging in. */
let cookies;

before(async () => {
  assert.ok(BASE_URL && LOGIN_USER && LOGIN_PASSWORD, 'set BASE_URL, LOGIN_USER and LOGIN_PASSWORD');
  wire = new Wire(BASE_URL);
  base = await wire.listen();
  browser = await launch();
  const context = await browser.newContext();
  const answer = await context.request.post(`${base}/api/v1/login`, { data: { user: LOGIN_USER, password: LOGIN_PASSWORD } });
  assert.equal(answer.status(), 200, 'the login of the tests is good');
  cookies = await context.cookies();
  await context.close();
});

after(async () => {
  await browser?.close();
  wire?.close();
});

/** Opens a page and runs `check` on it; what the browser complains of fails the test. */
async function on(path, { lang = 'zh', known = true, size = PHONE, expected = /^$/, ...options }, check) {
  const context = await browser.newContext({ viewport: size, locale: lang === 'zh' ? 'zh-CN' : 'en-US', ...options });
  if (known) await context.addCookies(cookies);
  const page = await context.newPage();
  const complaints = [];
  const foreign = [];
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !expected.test(message.text())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(base).host) foreign.push(request.url());
  });
  try {
    await page.goto(base + path);
    await check(page, context);
    assert.deepEqual(complaints, []);
    assert.deepEqual(foreign, [], 'nothing from another host');
  } finally {
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/flow-${Date.now()}.png` });
    await context.close();
  }
}

/** What a 401 or a lost server makes the browser say by itself. */
const REFUSED = /status of 4(01|29)/;
const LOST = /WebSocket connection|net::ERR_|status of 50/;

const until = (page, check, arg, timeout = 10_000) => page.waitForFunction(check, arg, { timeout });
const live = (page, timeout = 10_000) => page.waitForSelector('html[data-feed=live]', { timeout });
const text = (page, selector) => page.locator(selector).first().innerText();
const path = (page) => page.evaluate(() => location.pathname + location.search);
const drawn = (page, view) =>
  until(page, (id) => [...document.querySelectorAll(`#${id} .chart`)].every((node) => node.dataset.drawn || !node.checkVisibility()), view);

async function logIn(page, user, password) {
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.press('#password', 'Enter');
}

test('a wrong password is called wrong, and tells where the first login is', async () => {
  await on('/login', { known: false, lang: 'en', expected: REFUSED }, async (page) => {
    await page.click('#go');
    assert.match(await text(page, '#wrong'), /Type the user/);
    await logIn(page, `nobody-${Date.now() % 1e6}`, 'not the password');
    await until(page, () => document.querySelector('#wrong').textContent.includes('Wrong user'));
    assert.equal(await page.getAttribute('#password', 'aria-invalid'), 'true');
    assert.ok(await page.evaluate(() => document.querySelector('#first').open));
    assert.match(await text(page, '#first'), /first-login\.json/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
  });
});

test('a right password leads to the page that was wanted, and a log-out ends it', async () => {
  await on('/flow?view=week', { known: false, expected: REFUSED }, async (page, context) => {
    await page.waitForURL('**/login?next=*');
    assert.equal(new URL(page.url()).searchParams.get('next'), '/flow?view=week');
    await logIn(page, LOGIN_USER, LOGIN_PASSWORD);
    await page.waitForURL('**/flow?view=week');
    await live(page);
    const [cookie] = await context.cookies();
    assert.equal(cookie.httpOnly, true);
    const kept = await page.evaluate(() => Object.values({ ...localStorage }).join());
    assert.ok(!kept.includes(cookie.value), 'no token where scripts can read it');
    await page.click('.menu');
    await page.click('#login-state');
    await page.waitForURL('**/login');
    assert.deepEqual(await context.cookies(), []);
    await page.goto(`${base}/flow`);
    await page.waitForURL('**/login?next=*');
  });
});

test('the login leads nowhere else than to this server', async () => {
  for (const next of ['https://example.com/', '//example.com', '/\\example.com', 'javascript:alert(1)', '/login', '/api/v1/users']) {
    await on(`/login?next=${encodeURIComponent(next)}`, { known: false }, async (page) => {
      await logIn(page, LOGIN_USER, LOGIN_PASSWORD);
      await page.waitForURL(`${base}/`);
    });
  }
});

test('too many attempts count down, and a server that is gone is called gone', async () => {
  await on('/login', { known: false, lang: 'en', expected: /status of 429|net::ERR_/ }, async (page) => {
    const body = JSON.stringify({ status: 429, type: 'urn:shanmen:problem:too-many-attempts', detail: 'too many failed attempts' });
    await page.route('**/api/v1/login', (route) => route.fulfill({ status: 429, headers: { 'retry-after': '2' }, contentType: 'application/problem+json', body }));
    await logIn(page, 'somebody', 'not the password');
    await until(page, () => /Try again in [12] s/.test(document.querySelector('#wrong').textContent));
    assert.ok(await page.isDisabled('#go'));
    await until(page, () => !document.querySelector('#go').disabled);
    assert.equal(await page.isVisible('#wrong'), false);
    await page.unroute('**/api/v1/login');
    await page.route('**/api/v1/login', (route) => route.abort());
    await logIn(page, 'somebody', 'not the password');
    await until(page, () => /does not answer/.test(document.querySelector('#wrong').textContent));
    assert.ok(await page.isEnabled('#go'), 'it can be tried again');
  });
});

test('the first page says how the park is and where to go', async () => {
  await on('/', { known: false, lang: 'en', size: DESK }, async (page) => {
    await until(page, () => !document.querySelector('#live').hidden);
    const park = await (await fetch(`${BASE_URL}/api/v1/feed/snapshot`)).json();
    assert.equal(await text(page, '#site'), park.site.name.en);
    assert.match(await text(page, '#in-site'), /^\d{1,3}(,\d{3})*$/);
    assert.equal(await page.isVisible('#no-devices'), park.today.devices_total === 0);
    for (const door of ['/wall', '/flow', '/ops']) assert.ok(await page.isVisible(`#doors a[href="${door}"]`));
    assert.equal(await text(page, '#login-state'), 'Log in');
  });
});

test('where one has to log in to watch, the first page says so and stands without the figures', async () => {
  await on('/login', { known: false, lang: 'en', expected: REFUSED }, async (page) => {
    await page.route('**/api/v1/feed/snapshot', (route) => route.fulfill({ status: 401, json: { status: 401, detail: 'log in' } }));
    await page.goto(base);
    await until(page, () => /Log in to see/.test(document.querySelector('#gone').textContent));
    assert.equal(await page.isVisible('#live'), false);
    assert.ok(await page.isVisible('#doors'));
  });
});

for (const [name, size] of [['a phone', PHONE], ['a desk', DESK]]) {
  for (const lang of ['zh', 'en']) {
    test(`the three views stand on ${name} in ${lang}, whole and without a sideways scroll`, async () => {
      for (const view of VIEWS) {
        await on(`/flow?view=${view}&lang=${lang}`, { lang, size }, async (page) => {
          await live(page);
          assert.equal(await page.isVisible('#notice'), false, await text(page, '#notice'));
          assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('[role=tabpanel]')].filter((node) => node.checkVisibility()).map((node) => node.id)), [view]);
          await drawn(page, view);
          const hero = { now: '#in-site', day: '#day-entries', week: '#week-entries' }[view];
          assert.match(await text(page, hero), /^\d{1,3}(,\d{3})*$/);
          assert.equal(await page.locator(`#${view} .bone`).count(), 0, 'nothing waits');
          assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${view} scrolls sideways`);
          const outside = await page.evaluate((id) => [...document.querySelectorAll(`#${id} *, #head *, .choice *`)]
            .filter((node) => node.checkVisibility() && !node.closest('.wide') && node.getBoundingClientRect().right > innerWidth + 1)
            .map((node) => node.outerHTML.slice(0, 80)), view);
          assert.deepEqual(outside, []);
          const untold = await page.evaluate(() => [...document.querySelectorAll('[data-w]')].filter((node) => !node.textContent.trim()).map((node) => node.dataset.w));
          assert.deepEqual(untold, [], 'every label has its words');
        });
      }
    });
  }
}

test('the first screen of a phone holds the answer: in the park, capacity, last week, in and out', async () => {
  await on('/flow', {}, async (page) => {
    await live(page);
    for (const id of ['in-site', 'now-share', 'now-versus', 'now-in', 'now-out']) {
      const { bottom, height } = await page.evaluate((name) => document.getElementById(name).getBoundingClientRect().toJSON(), id);
      assert.ok(height > 0 && bottom <= PHONE.height, `${id} ends at ${bottom}`);
    }
    const park = await (await fetch(`${BASE_URL}/api/v1/feed/snapshot`)).json();
    assert.equal(await page.locator('.gates li:visible').count(), park.gates.length);
  });
});

test('the figures of Now move by themselves, and the first of them come before the chart library', async () => {
  await on('/flow', {}, async (page) => {
    await live(page);
    const loaded = await page.evaluate(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('echarts')));
    assert.equal(loaded, false, 'Now needs no chart library');
    const was = await text(page, '#now-park');
    await until(page, (before) => document.querySelector('#now-park').innerText !== before, was, 20_000);
  });
});

test('what the day shows is what the API says', async () => {
  await on('/flow?view=week', { lang: 'en' }, async (page, context) => {
    await live(page);
    const came = page.waitForResponse((answer) => new URL(answer.url()).pathname === '/api/v1/flow/day');
    await page.click('#tab-day');
    const day = await (await came).json();
    await drawn(page, 'day');
    const number = (n) => n.toLocaleString('en');
    assert.equal(await text(page, '#day-entries'), number(day.entries));
    const lines = await text(page, '#day-figures');
    for (const n of [day.exits, day.reentries, day.denied, day.not_taken]) assert.ok(lines.includes(number(n)), `${n} in ${lines}`);
    assert.equal(await page.locator('#day-gates li').count(), day.by_gate.length);
    if (day.dwell) assert.ok(await page.isVisible('#day-dwell'));
    const week = await (await context.request.get(`${base}/api/v1/flow/week`)).json();
    await page.click('#tab-week');
    await page.waitForSelector('#week-table tbody tr');
    assert.equal(await page.locator('#week-table tbody tr').count(), week.days.length);
  });
});

test('charts whose library did not come are drawn when it comes, by themselves', async () => {
  await on('/flow', { expected: LOST }, async (page) => {
    await live(page);
    const asked = [];
    page.on('request', (request) => { if (request.url().includes('echarts')) asked.push(new URL(request.url()).search); });
    await page.route('**/vendor/echarts.js', (route) => route.abort('connectionrefused'));
    await page.click('#tab-day');
    await page.waitForSelector('#day .chart[data-drawn]', { timeout: 20_000 });
    await drawn(page, 'day');
    assert.deepEqual(asked, ['', '?again=1'], 'its first address stays failed');
  });
});

test('the address says what is looked at, and back goes back', async () => {
  await on('/flow', {}, async (page) => {
    await live(page);
    await page.click('#tab-week');
    await page.waitForSelector('#week-table tbody a');
    assert.equal(await path(page), '/flow?view=week');
    const link = page.locator('#week-table tbody a').nth(3);
    const day = new URL(await link.evaluate((node) => node.href)).searchParams.get('day');
    await link.click();
    assert.equal(await path(page), `/flow?view=day&day=${day}`);
    await until(page, (wanted) => document.querySelector('#date').value === wanted, day);
    assert.equal(await page.getAttribute('#tab-day', 'aria-selected'), 'true');
    await page.goBack();
    assert.equal(await page.getAttribute('#tab-week', 'aria-selected'), 'true');
    await page.reload();
    await live(page);
    assert.equal(await page.getAttribute('#tab-week', 'aria-selected'), 'true');
  });
});

test('a day before the program ran says so', async () => {
  await on('/flow?day=2019-03-05', { lang: 'en' }, async (page) => {
    await page.waitForSelector('.card.empty');
    assert.match(await text(page, '#day .card.empty'), /Nothing on record for/);
    assert.equal(await page.locator('#day .card:visible').count(), 1);
  });
});

test('both languages and both themes, remembered', async () => {
  await on('/flow?lang=en', { size: DESK, colorScheme: 'light' }, async (page) => {
    await live(page);
    assert.equal(await text(page, '#tab-now'), 'Now');
    await page.click('#lang');
    assert.equal(await text(page, '#tab-now'), '现在');
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.click('#theme');
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.goto(`${base}/flow?view=day`);
    await live(page);
    assert.equal(await ground(), dark);
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  });
});

/** Texts whose contrast is below WCAG AA, with their ratio. */
function faint() {
  const channel = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, below) => Object.fromEntries(['r', 'g', 'b'].map((k) => [k, top[k] * top.a + below[k] * (1 - top.a)]));
  const light = ({ r, g, b }) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
    }
    return layers.reverse().reduce((below, top) => ({ ...over(top, below), a: 1 }), { r: 255, g: 255, b: 255, a: 1 });
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let at = walker.nextNode(); at; at = walker.nextNode()) {
    const node = at.parentElement;
    if (!at.data.trim() || !node.checkVisibility() || node.closest(':disabled, .hush, .skip, noscript, option')) continue;
    const style = getComputedStyle(node);
    const below = ground(node);
    const [a, b] = [light(over(parse(style.color), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${at.data.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return found;
}

for (const colorScheme of ['light', 'dark']) {
  test(`every text is read easily (WCAG AA) on ${colorScheme} ground`, async () => {
    for (const where of ['/', '/flow', '/flow?view=day', '/flow?view=week']) {
      await on(where, { colorScheme }, async (page) => {
        await (where === '/' ? until(page, () => !document.querySelector('#live').hidden) : live(page));
        assert.deepEqual(await page.evaluate(faint), [], where);
      });
    }
    await on('/login', { colorScheme, known: false }, async (page) => {
      await page.click('#go');
      assert.deepEqual(await page.evaluate(faint), [], '/login');
    });
  });
}

test('everything is reached by the keyboard, with a focus that is seen', async () => {
  await on('/flow?view=week', { size: DESK, lang: 'en' }, async (page) => {
    await live(page);
    await page.waitForSelector('#week-table a');
    const reached = [];
    for (let step = 0; step < 16; step += 1) {
      await page.keyboard.press('Tab');
      const [id, outline] = await page.evaluate(() => {
        const node = document.activeElement;
        return [node.id || node.textContent.trim() || node.tagName, Number.parseFloat(getComputedStyle(node).outlineWidth)];
      });
      reached.push(id);
      assert.ok(outline >= 1, `${id} shows no focus`);
    }
    for (const id of ['Skip to content', 'lang', 'theme', 'login-state', 'tab-week', 'earlier', 'date', 'export-open']) {
      assert.ok(reached.includes(id), `${id} is not among ${reached}`);
    }
    assert.ok(!reached.includes('tab-now'), 'tabs are one stop');
    await page.focus('#tab-week');
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.getAttribute('#tab-day', 'aria-selected'), 'true');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'tab-day');
    await page.focus('#export-open');
    await page.keyboard.press('Enter');
    assert.ok(await page.isVisible('#export'));
    await page.keyboard.press('Escape');
    assert.equal(await page.isVisible('#export'), false);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'export-open');
  });
});

test('every export link answers a file', async () => {
  await on('/flow?view=week', {}, async (page, context) => {
    await live(page);
    await page.click('#export-open');
    const links = await page.locator('#files a').evaluateAll((nodes) => nodes.map((node) => node.href));
    assert.equal(links.length, 6);
    for (const link of links) {
      const answer = await context.request.get(link);
      assert.equal(answer.status(), 200, link);
      assert.match(answer.headers()['content-disposition'] ?? '', /attachment/);
      const bytes = await answer.body();
      const head = link.includes('format=csv') ? [0xef, 0xbb, 0xbf] : [0x50, 0x4b];
      assert.deepEqual([...bytes.subarray(0, head.length)], head, link);
    }
    await page.fill('#export-from', '2026-11-20');
    await page.fill('#export-to', '2026-11-10');
    assert.ok(await page.isVisible('#export-wrong'));
    assert.equal(await page.locator('#files a[href]').count(), 0);
  });
});

test('a session that is over leads to the login and back to the same view', async () => {
  await on('/flow?view=week', { expected: REFUSED }, async (page, context) => {
    await live(page);
    await page.click('#earlier');
    const here = await path(page);
    assert.match(here, /^\/flow\?view=week&day=/);
    await context.clearCookies();
    await page.click('#tab-day');
    await page.waitForURL('**/login?next=*');
    await logIn(page, LOGIN_USER, LOGIN_PASSWORD);
    await page.waitForURL(`${base}${here.replace('week', 'day')}`);
    await live(page);
    assert.equal(await page.getAttribute('#tab-day', 'aria-selected'), 'true');
  });
});

for (const view of VIEWS) {
  test(`a server that is away makes ${view} look old, and it is itself again within 5 s of the return`, async () => {
    await on(`/flow?view=${view}`, { lang: 'en', expected: LOST }, async (page) => {
      await live(page);
      const hero = { now: '#in-site', day: '#day-entries', week: '#week-entries' }[view];
      const was = await text(page, hero);
      wire.cut();
      let back;
      try {
        await page.waitForSelector('html[data-feed=stale]', { timeout: 15_000 });
        assert.match(await text(page, '#notice'), /does not answer.*ago/s);
        assert.match(await text(page, hero), /^[\d,]+$/, `the last picture stays, it was ${was}`);
        await until(page, () => getComputedStyle(document.querySelector('[role=tabpanel]:not([hidden])')).filter.includes('grayscale'));
        // Long enough for the pauses between attempts to have grown.
        await until(page, () => /1\d s ago/.test(document.querySelector('#notice').innerText), undefined, 30_000);
      } finally {
        back = Date.now();
        wire.mend();
      }
      await live(page, 5000);
      console.log(`${view}: live ${Date.now() - back} ms after the server's return`);
      assert.equal(await page.isVisible('#notice'), false);
    });
  });
}

test('who wants no motion gets none', async () => {
  await on('/flow', { reducedMotion: 'reduce' }, async (page) => {
    await live(page);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  });
});
