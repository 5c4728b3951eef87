// The operators' page in a real Chromium, against a running server with devices (the demo):
//
//   BASE_URL=http://127.0.0.1:8080 LOGIN_USER=demo LOGIN_PASSWORD=… node --test ops.mjs
//
// The login is an operator's. Where it may not sell, SELL_USER and SELL_PASSWORD (or a device's own
// history) bring the ticket that is looked up. Every act here is a real one: lanes open and lock, the
// emergency begins and ends.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';

const { BASE_URL: BASE, LOGIN_USER: USER, LOGIN_PASSWORD: PASSWORD, SHOTS } = process.env;
const SKIP = !(BASE && USER && PASSWORD) && 'BASE_URL, LOGIN_USER and LOGIN_PASSWORD say which server';
const WAIT = 15_000;

let browser;
let token;
let lane;

/** Asks the API beside the page. */
async function api(path, { body, as = token } = {}) {
  const answer = await fetch(BASE + path, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${as}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

async function logIn(user, password) {
  const { status, body } = await api('/api/v1/login', { body: { user, password }, as: '' });
  assert.equal(status, 200, 'the login is good');
  return body.token;
}

before(async () => {
  if (SKIP) return;
  token = await logIn(USER, PASSWORD);
  const { devices } = (await api('/api/v1/devices')).body;
  lane = devices.find((device) => device.kind === 'turnstile' && device.online && device.mode === 'normal');
  assert.ok(lane, 'there is an open lane at this server');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (!token) return;
  // Whatever failed in between: nothing is left open or locked.
  if ((await api('/api/v1/emergency')).body?.on) await api('/api/v1/emergency', { body: { on: false, reason: 'end of the page tests' } });
  const now = (await api(`/api/v1/devices/${lane.id}`)).body;
  if (now.mode !== 'normal') await api(`/api/v1/devices/${lane.id}/commands`, { body: { op: 'mode', args: { mode: 'normal' }, reason: 'end of the page tests' } });
});

/** Opens the page, logged in by its cookie, and runs `check`; what the page complains of fails the test. */
async function onPage({ lang = 'en', hash = '#/', width = 1366, height = 768, refusals = false, as = [USER, PASSWORD], ...options }, check) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const login = await context.request.post(`${BASE}/api/v1/login`, { data: { user: as[0], password: as[1] } });
  assert.ok(login.ok());
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => {
    const expected = refusals && /status of 4\d\d/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  try {
    await page.goto(`${BASE}/ops?lang=${lang}${hash}`);
    await page.waitForSelector('.status[data-state=live]');
    await check(page, context);
    assert.deepEqual(complaints, []);
  } finally {
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/ops-${lang}-${width}-${Date.now()}.png` });
    await context.close();
  }
}

const text = (page, selector) => page.locator(selector).first().innerText();
const tile = (id) => `.tile[data-device="${id}"] a`;

/** Answers the question that stands open. */
async function answer(page, { reason, fill = {} }) {
  const dialog = page.locator('dialog[open]');
  await dialog.waitFor();
  for (const [index, value] of Object.entries(fill)) await dialog.locator('.field input, .field select').nth(Number(index)).fill(value);
  await dialog.locator('input[name=reason]').fill(reason);
  await dialog.locator('button[type=submit]').click();
  await dialog.waitFor({ state: 'detached' });
}

/** Waits until the newest act is over, and gives how it ended. */
async function outcome(page, wanted = 'good') {
  await page.waitForSelector(`.act:first-child[data-outcome=${wanted}]`);
  return text(page, '.act:first-child');
}

test('a lane is found by search and filters, in the grid and in the table', { skip: SKIP }, async () => {
  await onPage({}, async (page) => {
    const { devices } = (await api('/api/v1/devices')).body;
    await page.waitForSelector(tile(lane.id));
    const lanes = devices.filter((device) => device.lane);
    assert.equal(await page.locator('.tile[data-device]').count(), devices.length, 'every device has its tile');
    assert.ok(lanes.length > 0);
    await page.keyboard.press('/');
    await page.keyboard.type(lane.id);
    await page.waitForFunction((id) => [...document.querySelectorAll('.tile[data-device]')].every((node) => node.dataset.device.includes(id)), lane.id);
    await page.fill('#search', 'no device is called so');
    await page.waitForSelector('.lanes .none:visible');
    assert.match(await text(page, '.lanes .none'), /No device matches/);
    await page.click('text=Clear filters');
    await page.selectOption('#by-kind', 'turnstile');
    await page.click('text=Table');
    const rows = page.locator('.fleet tbody tr');
    assert.equal(await rows.count(), devices.filter((device) => device.kind === 'turnstile').length);
    await page.click(`.fleet tr[data-device="${lane.id}"] a`);
    await page.waitForSelector('#open-once');
    assert.match(page.url(), new RegExp(`#/devices/${lane.id}$`));
    await page.keyboard.press('Escape');
    await page.waitForSelector('.fleet:visible');
  });
});

test('the table tells the last error of a device with its age, where there is room', { skip: SKIP }, async () => {
  await onPage({}, async (page) => {
    const problem = 'up/scan: `at` is missing: send the time of the presentation';
    await page.route('**/api/v1/devices', async (route) => {
      const told = await (await route.fetch()).json();
      const one = told.devices.find((device) => device.id === lane.id);
      one.last_error = { at: new Date(Date.now() - 90 * 60_000).toISOString(), problem };
      await route.fulfill({ json: told });
    });
    await page.click('text=Table');
    const cell = page.locator(`.fleet tr[data-device="${lane.id}"] td.failed`);
    await page.waitForFunction((id) => document.querySelector(`.fleet tr[data-device="${id}"] td.failed`)?.textContent.includes('ago'), lane.id);
    assert.equal(await cell.innerText(), `${problem} (1 h ago)`);
    assert.equal(await text(page, '.fleet thead th.failed'), 'Last error');
    await page.setViewportSize({ width: 800, height: 900 });
    assert.equal(await cell.isVisible(), false);
    await page.unrouteAll({ behavior: 'wait' });
  });
});

test('open once: asked for with a reason, followed to its end, on record', { skip: SKIP }, async () => {
  await onPage({ hash: `#/devices/${lane.id}` }, async (page) => {
    await page.click('#open-once');
    const dialog = page.locator('dialog[open]');
    await dialog.locator('button[type=submit]').click();
    assert.match(await dialog.locator('.wrong').innerText(), /reason/, 'a reason is asked for');
    await answer(page, { reason: 'page test: a pram' });
    const told = await outcome(page);
    assert.match(told, /Done/);
    assert.match(told, /page test: a pram/);
    const kept = page.locator('.commands .command[data-state=done]', { hasText: 'page test: a pram' }).first();
    await kept.waitFor();
    assert.match(await kept.innerText(), /Open once.*Done.*page test: a pram/s);
    await page.waitForSelector('.events .event');
    const rows = (await api(`/api/v1/devices/${lane.id}/commands`)).body.commands;
    assert.equal(rows[0].reason, 'page test: a pram');
    assert.equal(rows[0].by, USER);
  });
});

test('a lane is locked and unlocked, and the overview shows it', { skip: SKIP }, async () => {
  await onPage({ hash: `#/devices/${lane.id}` }, async (page) => {
    await page.click('[data-mode=locked]');
    await answer(page, { reason: 'page test: locked' });
    await outcome(page);
    await page.waitForSelector('.device-head .chip[data-state=locked]');
    await page.click('.back');
    await page.waitForSelector(`.tile[data-device="${lane.id}"][data-state=locked]`);
    await page.click(tile(lane.id));
    await page.click('[data-mode=normal]');
    await answer(page, { reason: 'page test: open again' });
    await page.waitForSelector('.device-head .chip[data-state=open]');
    await page.waitForSelector('[data-mode=normal][aria-pressed=true]');
    assert.equal((await api(`/api/v1/devices/${lane.id}`)).body.mode, 'normal');
  });
});

test('a message and a diagnosis reach the device', { skip: SKIP }, async () => {
  await onPage({ hash: `#/devices/${lane.id}` }, async (page) => {
    await page.click('#send-message');
    await answer(page, { reason: 'page test', fill: { 0: '请稍候 Please wait' } });
    await outcome(page);
    await page.click('text=Diagnose');
    await answer(page, { reason: 'page test' });
    await page.waitForFunction(() => document.querySelectorAll('.act[data-outcome=good]').length >= 2);
  });
});

test('one mode for all lanes of a gate', { skip: SKIP }, async () => {
  await onPage({}, async (page) => {
    const gate = page.locator('.gate', { has: page.locator(`.tile[data-device="${lane.id}"]`) });
    await gate.locator('button').first().click();
    await answer(page, { reason: 'page test: the whole gate' });
    const told = await outcome(page);
    assert.match(told, /done|Done/);
  });
});

test('a grant whose lane is silent is shown, and ended with a reason', { skip: SKIP }, async (t) => {
  const { code, sold } = await ticket();
  if (!sold) {
    t.skip('nobody may sell here: SELL_USER and SELL_PASSWORD');
    return;
  }
  // As a system without MQTT asks, which then says no more: nobody passes, nobody reports.
  const site = (await api('/api/v1/site')).body;
  const outer = site.gates.filter((gate) => gate.from === 'outside').map((gate) => gate.id);
  const entry = site.lanes.find((one) => outer.includes(one.gate) && one.direction !== 'out');
  const shown = { id: crypto.randomUUID(), lane: entry.id, credential: { type: 'qr', data: code } };
  const admitted = await api('/api/v1/admissions', { body: shown });
  assert.equal(admitted.body.result, 'grant', JSON.stringify(admitted.body));
  await onPage({ hash: '#/alarms' }, async (page) => {
    const grants = page.locator('.grants .grant[data-overdue=true]');
    await grants.first().waitFor({ timeout: 60_000 });
    const there = await grants.count();
    const row = grants.filter({ hasText: `${entry.id} ` }).first();
    await row.locator('button').click();
    await answer(page, { reason: 'page test: the visitor walked off' });
    await outcome(page);
    await page.waitForFunction((before) => document.querySelectorAll('.grants .grant[data-overdue=true]').length < before, there);
    const { grants: open } = (await api('/api/v1/grants?open=true')).body;
    assert.ok(!open.some((grant) => grant.id === admitted.body.grant), 'it has its outcome');
  });
});

test('an alarm that is raised is seen, acknowledged with a note, and says who and when until it is over', { skip: SKIP }, async () => {
  const raised = async () => (await api('/api/v1/alarms')).body.alarms.find((alarm) => alarm.code === 'emergency');
  assert.equal((await api('/api/v1/emergency', { body: { on: true, reason: 'page test: raise an alarm' } })).status, 200);
  await onPage({ hash: '#/alarms' }, async (page) => {
    const { id } = await raised();
    const row = page.locator(`.alarm[data-alarm="${id}"]`);
    await row.waitFor();
    assert.match(await row.innerText(), /Emergency/);
    assert.equal(await row.getAttribute('data-seen'), 'false');
    assert.ok(Number(await text(page, '#tab-alarms em')) > 0, 'the tab counts what nobody has seen');
    await row.locator('button').click();
    await answer(page, { reason: 'page test: somebody is on the way' });
    await outcome(page);
    await page.waitForSelector(`.alarm[data-alarm="${id}"][data-seen=true]`);
    const { acknowledged } = await raised();
    assert.deepEqual([acknowledged.by, acknowledged.note], [USER, 'page test: somebody is on the way']);
    assert.match(await row.locator('small').innerText(), new RegExp(`seen by ${USER} at \\d\\d:\\d\\d:\\d\\d · page test: somebody is on the way`));
    assert.equal(await row.locator('button').isVisible(), false, 'once is enough');
    await api('/api/v1/emergency', { body: { on: false, reason: 'page test: over' } });
    await row.waitFor({ state: 'detached' });
    assert.equal(await raised(), undefined);
  });
});

test('an area lets people in although it is full, and stops that again', { skip: SKIP }, async () => {
  await onPage({ hash: '#/site' }, async (page) => {
    const area = page.locator('.area').first();
    await area.locator('button').first().click();
    await answer(page, { reason: 'page test: override', fill: { 0: '5' } });
    await outcome(page);
    await page.waitForFunction(() => document.querySelector('.area small:not([hidden])')?.textContent?.includes('page test: override'));
    await area.locator('button').nth(1).click();
    await answer(page, { reason: 'page test: over' });
    await page.waitForFunction(() => document.querySelector('.area small')?.hidden);
    const { areas } = (await api('/api/v1/capacity')).body;
    assert.ok(areas.every((row) => row.override === null));
  });
});

test('the emergency takes two steps, the lanes report it, and it ends in two steps', { skip: SKIP }, async () => {
  await onPage({ hash: '#/site' }, async (page) => {
    await page.click('#arm');
    await page.click('#hold', { delay: 2500 });
    assert.equal((await api('/api/v1/emergency')).body.on, false, 'nothing without a reason');
    await page.fill('#emergency-reason', 'page test: drill');
    await page.click('#hold', { delay: 300 });
    assert.equal((await api('/api/v1/emergency')).body.on, false, 'a short press is not enough');
    await page.hover('#hold');
    await page.mouse.down();
    await page.waitForSelector('#emergency-on:not([hidden])');
    await page.mouse.up();
    assert.equal((await api('/api/v1/emergency')).body.reason, 'page test: drill');
    assert.match(await text(page, '#emergency-on'), new RegExp(`every lane is open.*${USER}`, 's'));
    await page.waitForSelector('.told .command[data-state=done]');
    await page.waitForFunction(() => /(\d+) of \1 lanes/.test(document.querySelector('.told p')?.textContent ?? ''));
    await page.click('#arm');
    await page.fill('#emergency-reason', 'page test: drill is over');
    await page.fill('#emergency-word', 'end');
    await page.press('#emergency-word', 'Enter');
    await page.waitForSelector('#emergency-on', { state: 'hidden' });
    const now = (await api('/api/v1/emergency')).body;
    assert.deepEqual([now.on, now.reason], [false, 'page test: drill is over']);
    assert.match(await text(page, '.emergency .state'), /page test: drill is over/);
  });
});

test('who armed the emergency does not end it, when somebody else has begun it meanwhile', { skip: SKIP }, async () => {
  await onPage({ hash: '#/site' }, async (page) => {
    await page.click('#arm');
    await page.fill('#emergency-reason', 'page test: the second hand');
    const begun = await api('/api/v1/emergency', { body: { on: true, reason: 'page test: the first hand' } });
    assert.equal(begun.status, 200);
    await page.waitForSelector('#emergency-on:not([hidden])');
    await page.waitForSelector('#hold', { state: 'hidden' });
    const now = (await api('/api/v1/emergency')).body;
    assert.deepEqual([now.on, now.reason], [true, 'page test: the first hand']);
    await api('/api/v1/emergency', { body: { on: false, reason: 'page test: over' } });
    await page.waitForSelector('#emergency-on', { state: 'hidden' });
  });
});

/** A ticket to look up: sold just now where somebody here may sell, else one of the lane's history. */
async function ticket() {
  const { SELL_USER, SELL_PASSWORD } = process.env;
  const seller = SELL_USER ? await logIn(SELL_USER, SELL_PASSWORD) : token;
  const { products } = (await api('/api/v1/products')).body;
  const product = products.find((one) => one.on_sale && one.id === 'annual-pass') ?? products.find((one) => one.on_sale);
  const sold = await api('/api/v1/tickets', { body: { tickets: [{ product: product.id }] }, as: seller });
  if (sold.status === 200) return { code: sold.body.tickets[0].code, id: sold.body.tickets[0].id, sold: true };
  const { events } = (await api(`/api/v1/devices/${lane.id}/events`)).body;
  const found = events.find((event) => event.detail.ticket);
  assert.ok(found, 'somebody may sell, or somebody has passed');
  return { code: found.detail.ticket, id: found.detail.ticket, sold: false };
}

test('a ticket is looked up as a scanner does it, and its code stays nowhere', { skip: SKIP }, async () => {
  const { code, id, sold } = await ticket();
  await onPage({ hash: '#/ticket', refusals: true }, async (page) => {
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.waitForFunction(() => document.activeElement?.id === 'code');
    await page.keyboard.type(code);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.verdict:visible');
    assert.match(page.url(), new RegExp(`#/ticket/${id}$`));
    assert.equal(await page.inputValue('#code'), '', 'the field is ready for the next');
    if (sold) {
      assert.match(await text(page, '.verdict'), /Not shown at a gate yet/);
      assert.ok(asked.every((url) => !url.includes(code)), 'no code in an address');
      assert.ok(!(await page.content()).includes(code), 'no code on the page');
    }
    await page.keyboard.type('NOBODY-KNOWS-THIS');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.none[data-refused=true]');
    assert.match(await text(page, '.none[data-refused=true]'), /No such ticket/);
    await page.goto(`${BASE}/ops?lang=zh#/ticket/${id}`);
    await page.waitForSelector('.verdict:visible');
    const acts = (await api('/api/v1/me/acts')).body.lines;
    assert.ok(acts.some((line) => line.action === 'ticket.lookup' && line.target === id), 'it is on record');
    assert.ok(!JSON.stringify(acts).includes('SM1.'), 'and without the code');
  });
});

test('a refused ticket says why, and what can be done', { skip: SKIP }, async (t) => {
  const { devices } = (await api('/api/v1/devices')).body;
  let refused;
  for (const device of devices.filter((one) => one.kind === 'turnstile')) {
    const { events } = (await api(`/api/v1/devices/${device.id}/events`)).body;
    refused ??= events.find((event) => event.kind === 'presentation' && event.detail.result === 'deny' && event.detail.ticket);
  }
  if (!refused) {
    t.skip('nobody was refused at this server yet');
    return;
  }
  await onPage({ hash: `#/ticket/${refused.detail.ticket}` }, async (page) => {
    await page.waitForSelector('.verdict:visible');
    await page.waitForSelector('.history .event');
    const told = await text(page, '.history');
    assert.match(told, /Refused/);
    if ((await page.locator('.verdict').getAttribute('data-result')) === 'deny') {
      assert.match(await text(page, '.verdict'), /What can be done/);
    }
  });
});

test('who did what stands on the page, and what the role may not see is said', { skip: SKIP }, async () => {
  const me = (await api('/api/v1/me')).body;
  await onPage({ hash: '#/record' }, async (page) => {
    await page.waitForSelector('.mine tbody tr');
    assert.match(await text(page, '.mine'), new RegExp(me.user));
    await page.waitForSelector('.commands .command');
    if (me.may.includes('see_audit')) await page.waitForSelector('.trail tbody tr');
    else assert.match(await text(page, '.trail .none'), /auditor/);
  });
});

test('what the role may not do is said, and cannot be pressed', { skip: SKIP }, async (t) => {
  const me = (await api('/api/v1/me')).body;
  if (!me.may.includes('manage_users')) {
    t.skip('this login may not make another one');
    return;
  }
  const password = crypto.randomUUID();
  const made = await fetch(`${BASE}/api/v1/users/page-test-auditor`, {
    method: 'PUT', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify({ roles: ['auditor'], password }),
  });
  assert.equal(made.status, 204);
  await onPage({ hash: `#/devices/${lane.id}`, as: ['page-test-auditor', password] }, async (page) => {
    await page.waitForSelector('#open-once[aria-disabled=true]');
    assert.match(await text(page, '.acts .lack'), /Not for your role. It takes: .*operator/);
    await page.click('#open-once', { force: true });
    assert.equal(await page.locator('dialog[open]').count(), 0);
    await page.waitForSelector('.events .event');
    await page.goto(`${BASE}/ops?lang=en#/site`);
    await page.waitForSelector('#arm[aria-disabled=true]');
    await page.goto(`${BASE}/ops?lang=en#/record`);
    await page.waitForSelector('.trail tbody tr');
  });
});

test('both languages, remembered, every label with its words', { skip: SKIP }, async () => {
  await onPage({ lang: 'zh' }, async (page) => {
    await page.waitForSelector(tile(lane.id));
    assert.equal(await text(page, '#tab-alarms span'), '告警');
    await page.click('#lang');
    assert.equal(await text(page, '#tab-alarms span'), 'Alarms');
    await page.goto(`${BASE}/ops`);
    await page.waitForSelector(tile(lane.id));
    assert.equal(await text(page, '#tab-alarms span'), 'Alarms', 'the choice is kept');
    const untold = await page.evaluate(() => [...document.querySelectorAll('[data-w]')].filter((node) => !node.textContent.trim()).length);
    assert.equal(untold, 0);
  });
});

for (const [width, height] of [[1920, 1080], [1366, 768], [390, 844]]) {
  for (const lang of ['zh', 'en']) {
    test(`nothing scrolls sideways or is cut at ${width}×${height} in ${lang}`, { skip: SKIP }, async () => {
      await onPage({ lang, width, height }, async (page) => {
        await page.waitForSelector(tile(lane.id));
        for (const hash of ['#/', `#/devices/${lane.id}`, '#/alarms', '#/ticket', '#/site', '#/record']) {
          await page.evaluate((to) => { location.hash = to; }, hash);
          await page.waitForTimeout(400);
          const wide = await page.evaluate(() => {
            const out = [];
            if (document.documentElement.scrollWidth > innerWidth) out.push('the page scrolls sideways');
            for (const node of document.querySelectorAll('main *')) {
              if (!(node instanceof HTMLElement) || !node.checkVisibility() || node.closest('.wide, .hush, .tile')) continue;
              const box = node.getBoundingClientRect();
              if (box.width > 0 && (box.right > innerWidth + 1 || box.left < -1)) out.push(`${node.tagName}.${node.className}`);
            }
            return out;
          });
          assert.deepEqual(wide, [], hash);
        }
      });
    });
  }
}

test('on a phone, whatever is tapped is large enough', { skip: SKIP }, async () => {
  await onPage({ width: 390, height: 844, hash: `#/devices/${lane.id}` }, async (page) => {
    await page.waitForSelector('#open-once');
    const small = await page.evaluate(() => [...document.querySelectorAll('main button, #tabs a')]
      .filter((node) => node.checkVisibility()).map((node) => [node.textContent, node.getBoundingClientRect().height]).filter(([, height]) => height < 36));
    assert.deepEqual(small, []);
  });
});

/** The least contrast of texts on what lies under them, by WCAG 2. */
function contrasts() {
  const parse = (/** @type {string} */ text) => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], alpha: a };
  };
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
  const poor = [];
  for (const node of document.querySelectorAll('main *, #tabs *')) {
    const own = [...node.childNodes].some((child) => child instanceof Text && child.data.trim());
    if (!own || !node.checkVisibility() || node.closest('[aria-disabled=true], :disabled, .hush')) continue;
    let under = node;
    while (under && parse(getComputedStyle(under).backgroundColor).alpha < 255) under = under.parentElement;
    const [a, b] = [light(parse(getComputedStyle(node).color).rgb), light(parse(getComputedStyle(under ?? document.body).backgroundColor).rgb)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${node.tagName}.${node.className}: ${node.textContent.slice(0, 30)}`);
  }
  return poor;
}

for (const colorScheme of ['light', 'dark']) {
  test(`texts can be read on a ${colorScheme} page (WCAG AA)`, { skip: SKIP }, async () => {
    await onPage({ colorScheme }, async (page) => {
      await page.waitForSelector(tile(lane.id));
      for (const hash of ['#/', `#/devices/${lane.id}`, '#/site', '#/record']) {
        await page.evaluate((to) => { location.hash = to; }, hash);
        await page.waitForTimeout(500);
        assert.deepEqual(await page.evaluate(contrasts), [], hash);
      }
    });
  });
}

test('with the keyboard alone: find a lane, open it once, and come back', { skip: SKIP }, async () => {
  await onPage({}, async (page) => {
    await page.waitForSelector(tile(lane.id));
    await page.keyboard.press('/');
    await page.keyboard.type(lane.id);
    const focused = () => page.evaluate(() => ({
      device: document.activeElement?.closest('[data-device]')?.getAttribute('data-device') ?? '',
      id: document.activeElement?.id ?? '', outline: getComputedStyle(document.activeElement).outlineStyle,
    }));
    for (let step = 0; step < 30 && (await focused()).device !== lane.id; step += 1) await page.keyboard.press('Tab');
    const at = await focused();
    assert.equal(at.device, lane.id, 'the tile is reached');
    assert.notEqual(at.outline, 'none', 'and the focus is seen');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#open-once');
    for (let step = 0; step < 30 && (await focused()).id !== 'open-once'; step += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.type('page test: by keyboard');
    await page.keyboard.press('Enter');
    await outcome(page);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !location.hash.includes('devices'));
  });
});

test('a server that is away is said so at once, and what is shown is called old', { skip: SKIP }, async () => {
  await onPage({}, async (page, context) => {
    await page.waitForSelector(tile(lane.id));
    await page.route('**/api/**', (route) => route.abort('connectionrefused'));
    page.removeAllListeners('console');
    await page.waitForSelector('#stale:not([hidden])');
    assert.match(await text(page, '#stale'), /not of now/);
    await page.unroute('**/api/**');
    await page.waitForSelector('#stale', { state: 'hidden' });
    assert.ok(context);
  });
});

test('one part that fails alone is called old by its name, and the others go on', { skip: SKIP }, async () => {
  await onPage({}, async (page) => {
    await page.waitForSelector(tile(lane.id));
    page.removeAllListeners('console');
    await page.route('**/api/v1/alarms', (route) => route.abort('connectionrefused'));
    await page.waitForSelector('#stale:not([hidden])');
    assert.match(await text(page, '#stale'), /^Not of now: alarms\. Asking again\.\s+\d+ s old$/);
    assert.equal(await text(page, '.status span'), 'Partly old');
    const before = await text(page, '#stale span');
    await page.waitForFunction((was) => document.querySelector('#stale span').innerText !== was, before);
    assert.match(await text(page, '#stale'), /^Not of now: alarms\./, 'it stays so while the rest is renewed');
    await page.unroute('**/api/v1/alarms');
    await page.waitForSelector('#stale', { state: 'hidden' });
    await page.waitForSelector('.status[data-state=live]');
  });
});

test('a part that this login may not see makes nothing old', { skip: SKIP }, async () => {
  await onPage({}, async (page) => {
    await page.waitForSelector(tile(lane.id));
    page.removeAllListeners('console');
    const refusal = JSON.stringify({ type: 'urn:shanmen:problem:forbidden', status: 403, detail: 'not for this role' });
    await page.route('**/api/v1/grants?open=true', (route) => route.fulfill({ status: 403, contentType: 'application/problem+json', body: refusal }));
    await page.reload();
    await page.waitForSelector('.status[data-state=live]');
    assert.equal(await page.locator('#stale').isVisible(), false);
  });
});

test('a login that is over leads to the login page and back', { skip: SKIP }, async () => {
  await onPage({ hash: `#/devices/${lane.id}`, refusals: true }, async (page, context) => {
    await page.waitForSelector('#open-once');
    await context.clearCookies();
    await page.waitForURL(/\/login\?next=/, { waitUntil: 'commit' });
    assert.match(decodeURIComponent(page.url()), new RegExp(`/ops.*#/devices/${lane.id}`));
  });
});
