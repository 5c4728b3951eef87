// The operators' page: which view is seen (by the address), the tabs, what holds for all of them
// (emergency, age of the data, acts under way), and the keys. Views only show; store.js asks.

import { byId, make, mark, write } from '../lib/dom.js';
import { age, clock, number } from '../lib/format.js';
import { head } from '../lib/head.js';
import { say } from '../lib/i18n.js';
import { label } from '../lib/words.js';
import * as alarms from './alarms.js';
import * as device from './device.js';
import * as lanes from './lanes.js';
import * as record from './record.js';
import * as running from './running.js';
import * as site from './site.js';
import { away, feed, freshness, ms, now, onChange, start, store } from './store.js';
import * as ticket from './ticket.js';
import { w } from './words.js';

/** @typedef {{root: HTMLElement, show: () => void, enter?: (what: string) => void, leave?: () => void}} View */
/** @typedef {'lanes' | 'alarms' | 'ticket' | 'site' | 'record'} Tab */

/** @type {[Tab, string][]} */
const TABS = [['lanes', '#/'], ['alarms', '#/alarms'], ['ticket', '#/ticket'], ['site', '#/site'], ['record', '#/record']];
/** @type {Record<Tab | 'devices', View>} */
const VIEWS = { lanes, alarms, ticket, site, record, devices: device };

const main = byId('main');
const tabs = TABS.map(([id, path]) => {
  const [word, count] = [make('span'), make('em')];
  const link = make('a', '', word, count);
  link.href = path;
  link.id = `tab-${id}`;
  byId('tabs').append(link);
  return { id, link, word, count };
});
const banner = { what: make('b'), by: make('span'), link: make('a') };
// Only what happened is read out, not the seconds that pass.
banner.what.setAttribute('role', 'alert');
banner.link.href = '#/site';
byId('emergency-on').append(banner.what, banner.by, banner.link);

const [staleWhat, staleAge] = [make('strong'), make('span')];
staleAge.setAttribute('aria-hidden', 'true');
byId('stale').append(staleWhat, staleAge);

/** @type {keyof typeof VIEWS | null} */
let at = null;
let what = '';

/** The view of the address: `#/devices/ID` is a device's page. */
function go() {
  const [name = '', id = ''] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const next = /** @type {keyof typeof VIEWS} */ (Object.hasOwn(VIEWS, name) && name !== 'lanes' ? name : 'lanes');
  const moved = next !== at || id !== what;
  if (at && moved) VIEWS[at].leave?.();
  if (next !== at) {
    main.replaceChildren(VIEWS[next].root);
    if (at) scrollTo(0, 0);
  }
  const first = at === null;
  [at, what] = [next, id];
  if (moved) VIEWS[next].enter?.(id);
  if (moved) byId('tabs').querySelector(`#tab-${next === 'devices' ? 'lanes' : next}`)?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  if (moved && !first && next !== 'ticket') main.focus({ preventScroll: true });
  show();
}

function showTabs() {
  const unseen = store.alarms.filter((alarm) => !alarm.acknowledged).length;
  for (const tab of tabs) {
    write(tab.word, w(`tab_${tab.id}`));
    const current = tab.id === at || (tab.id === 'lanes' && at === 'devices');
    if (current) tab.link.setAttribute('aria-current', 'page');
    else tab.link.removeAttribute('aria-current');
    write(tab.count, tab.id === 'alarms' && unseen ? number(unseen) : '');
  }
}

function showState() {
  const { emergency } = store;
  byId('emergency-on').hidden = !emergency?.on;
  if (emergency?.on) {
    const since = ms(emergency.since) ?? now();
    write(banner.what, w('emergencyNow'));
    write(banner.by, w('emergencyBy', { who: emergency.by, time: clock(since), age: age(now() - since), why: emergency.reason }));
    write(banner.link, w('toEmergency'));
  }
  const { heard, whole, oldestMs, old } = freshness();
  const stale = heard && (old.length > 0 || away()) && !document.hidden;
  const never = !heard && (store.broken !== null || away());
  byId('stale').hidden = !stale && !never;
  write(staleWhat, never ? `${w('broken')} ${store.broken?.name === 'Problem' ? store.broken.message : w('away')}` : stale ? staleWords(old) : '');
  write(staleAge, stale ? w('staleAge', { age: age(oldestMs) }) : '');
  mark(document.documentElement, 'stale', String(stale));
  const live = Boolean(feed?.live) && whole && !stale;
  mark(document.documentElement, 'feed', live ? 'live' : heard ? 'lost' : 'loading');
  mark(page.status, 'state', live ? 'live' : 'lost');
  write(statusWord, statusWords(live, stale, heard && whole));
  write(statusAge, live && heard ? w('asOf', { age: age(oldestMs) }) : '');
}

/** @param {boolean} live @param {boolean} stale @param {boolean} whole */
function statusWords(live, stale, whole) {
  if (live) return w('live');
  if (stale && feed?.live && !away()) return w('partlyOld');
  return w(whole ? 'reconnecting' : 'connecting');
}

/** Which parts are not of now; all of them while the server is silent. @param {import('./store.js').Part[]} old */
function staleWords(old) {
  if (away()) return w('stale');
  return w('staleParts', { parts: old.map((part) => w(`part_${part}`)).join(w('listComma')) });
}

function show() {
  const name = store.site ? say(store.site.site.name) : w('brand');
  document.title = `${at === 'devices' ? what : w(`tab_${at === null ? 'lanes' : /** @type {Tab} */ (at)}`)} · ${name}`;
  page.name(name);
  // The cookie may be good although this browser held no word of the login.
  if (store.me) write(byId('login-state'), w('logOut'));
  showTabs();
  showState();
  if (at) VIEWS[at].show();
  label(main);
}

const page = head('ops', () => {
  label(byId('tabs').parentElement ?? document);
  running.show();
  show();
});
const [statusWord, statusAge] = [make('span'), make('span')];
statusAge.setAttribute('aria-hidden', 'true');
page.status.append(make('i'), statusWord, statusAge);

/** Whether somebody is writing: then letters are letters. @param {EventTarget | null} target */
const writes = (target) => target instanceof HTMLElement && target.matches('input, select, textarea, [contenteditable]');

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape' && at === 'devices' && !writes(event.target)) location.hash = '#/';
  if (writes(event.target)) return;
  if (event.key === '/') {
    event.preventDefault();
    if (at !== 'lanes') {
      location.hash = '#/';
      go();
    }
    lanes.toSearch();
  }
});
addEventListener('hashchange', go);
onChange(show);
setInterval(show, 1000);
start();
go();
