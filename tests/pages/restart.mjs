// The pages through the death and return of the program, in a real Chromium: a program of its own is
// started with the demo, killed, and started again on the same data and ports.
//
//   SHANMEN=target/debug/shanmen node --test restart.mjs

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';

const { SHANMEN } = process.env;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shanmen-restart-'));
const data = path.join(folder, 'data');
let addresses = { http: '127.0.0.1:0', mqtt: '127.0.0.1:0' };
let child;
let browser;

/** Waits until `check` gives something; a bound on a hang, not a measure. */
async function until(what, check) {
  const end = Date.now() + 60_000;
  for (;;) {
    let found = null;
    try {
      found = await check();
    } catch {
      // Not yet.
    }
    if (found) return found;
    assert.ok(Date.now() < end, `${what} in time`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

async function start() {
  const args = ['serve', '--demo', '--demo-speed', '240', '--data', data, '--http', addresses.http, '--mqtt', addresses.mqtt];
  child = spawn(SHANMEN, args, { stdio: 'ignore' });
  addresses = await until('the addresses', () => JSON.parse(fs.readFileSync(path.join(data, 'addresses.json'), 'utf8')));
  await until('the program', async () => (await fetch(`http://${addresses.http}/readyz`)).ok);
}

async function kill() {
  const gone = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGKILL');
  await gone;
}

before(async () => {
  assert.ok(SHANMEN, 'SHANMEN names the program');
  await start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (child) await kill();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('each page comes back by itself within 5 s after the program is back', async () => {
  const base = `http://${addresses.http}`;
  const { user, password } = JSON.parse(fs.readFileSync(path.join(data, 'first-login.json'), 'utf8'));
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 } });
  const login = await context.request.post(`${base}/api/v1/login`, { data: { user, password } });
  assert.equal(login.status(), 200);
  const live = (page, timeout) => page.waitForSelector('html[data-feed=live]', { timeout });
  const pages = [];
  for (const address of ['/wall', '/flow', '/ops']) {
    const page = await context.newPage();
    await page.goto(base + address);
    await live(page, 15_000);
    pages.push(page);
  }
  await kill();
  const lost = (page) => page.waitForFunction(() => document.documentElement.dataset.feed !== 'live', undefined, { timeout: 15_000 });
  await Promise.all(pages.map(lost));
  await start();
  const back = performance.now();
  const took = await Promise.all(pages.map(async (page) => {
    await live(page, 20_000);
    return Math.round(performance.now() - back);
  }));
  console.log(`ready to live again, ms: wall ${took[0]}, flow ${took[1]}, ops ${took[2]}`);
  assert.ok(Math.max(...took) < 5000, `back after ${took} ms`);
  // What the wall shows is what the ledger kept.
  const { today } = await (await fetch(`${base}/api/v1/feed/snapshot`)).json();
  const entries = Number((await pages[0].locator('#entries').innerText()).replaceAll(',', ''));
  assert.ok(entries >= today.entries - 400 && entries <= today.entries + 400, `${entries} beside ${today.entries}`);
  await context.close();
});
