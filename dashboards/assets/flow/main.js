// The managers' page: which view of which day is looked at (it stands in the address), what it needs
// from the server and how old that is. "Now" lives by the feed; everything else is asked for anew
// each 30 s while the page is seen, and each 2 s while the server is away.

import { withQuery } from '../lib/api.js';
import { byId, mark, write } from '../lib/dom.js';
import { Feed } from '../lib/feed.js';
import { age, setZone } from '../lib/format.js';
import { reloadIfChanged } from '../lib/fresh.js';
import { say } from '../lib/i18n.js';
import { head } from '../lib/head.js';
import { toLogin } from '../lib/session.js';
import { onTheme } from '../lib/theme.js';
import * as dayView from './day.js';
import * as exports from './exports.js';
import * as nowView from './now.js';
import { last, renew } from './reads.js';
import * as weekView from './week.js';
import { plusDays, w } from './words.js';

/** @typedef {'now' | 'day' | 'week'} View */

const RENEW_MS = 30_000;
const RETRY_MS = 2000;
/** Without a frame for so long, what "Now" shows is not now. */
const OLD_MS = 3000;
/** The API's figures are called old when two renewals have failed to come. */
const OLD_READ_MS = 75_000;
const VIEWS = /** @type {const} */ (['now', 'day', 'week']);

const root = document.documentElement;
const date = /** @type {HTMLInputElement} */ (byId('date'));
const tabs = VIEWS.map((view) => byId(`tab-${view}`));

/** @type {View} */
let view = 'now';
/** The day looked at; null: today. @type {string | null} */
let chosen = null;
/** @type {AbortController} */
let asking = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let turn;
/** @type {import('./reads.js').Outcome} */
let outcome = { away: false, refused: [] };
/** Whether the feed is lost, and that has been looked into. */
let missed = false;

const page = head('flow', relabel);
const link = { lamp: document.createElement('i'), word: document.createElement('span') };
// It counts seconds: what is worth saying aloud stands in the notice.
page.status.setAttribute('aria-live', 'off');
page.status.append(link.lamp, link.word);

const feed = new Feed(new URL('/feed', location.href.replace(/^http/, 'ws')), {
  whole: (park) => {
    setZone(park.site.timezone);
    page.name(say(park.site.name));
    showTitle();
    showDate();
    if (view === 'now') show();
    else showState();
  },
  changed: () => view === 'now' && show(),
  back: () => {
    void load();
    void reloadIfChanged();
  },
  refused: toLogin,
});

/** The addresses of what a view needs: the first is the one that it cannot do without. */
function paths() {
  const day = chosen ?? undefined;
  if (view === 'now') return ['/api/v1/flow/day'];
  const outlook = withQuery('/api/v1/flow/forecast', { day });
  if (view === 'week') return [withQuery('/api/v1/flow/week', { until: day }), '/api/v1/flow/heatmap?weeks=8', outlook];
  return [
    withQuery('/api/v1/flow/day', { day }),
    withQuery('/api/v1/flow', { from: day, to: day, bucket: '15m', by: 'site' }),
    outlook,
  ];
}

const today = () => feed.park?.today.date ?? last('/api/v1/flow/day')?.value.day ?? new Date().toISOString().slice(0, 10);

function show() {
  const [first, second, third] = paths().map((path) => last(path)?.value);
  const loading = view === 'now' ? !feed.park : !first;
  const panel = byId(view);
  mark(panel, 'loading', String(loading));
  panel.setAttribute('aria-busy', String(loading));
  for (const node of panel.querySelectorAll('.card > *')) node.classList.toggle('bone', loading && node.tagName !== 'H2');
  if (!loading) {
    if (view === 'now' && feed.park) nowView.show(feed.park, first);
    else if (view === 'day') dayView.show(first, second, third);
    else if (view === 'week') weekView.show(first, second, third, today(), (day) => go('day', day));
  }
  showState();
}

/** What is wrong or old, and how the connection is. */
function showState() {
  const [path] = paths();
  const answer = last(path);
  const quiet = performance.now() - (feed.heardAt ?? -Infinity);
  const lost = view === 'now' ? !feed.live || quiet > OLD_MS * 3 : outcome.away;
  const aged = view === 'now' ? quiet : performance.now() - (answer?.at ?? 0);
  const have = view === 'now' ? feed.park !== null : answer !== undefined;
  const refused = outcome.refused.find((problem) => problem.status !== 401 && problem.kind !== 'not-found');
  const waiting = !have && (view === 'now' ? feed.attempt < 2 : !outcome.away && !refused);
  const old = have && (lost ? aged > OLD_MS : view !== 'now' && aged > OLD_READ_MS);
  const state = have ? (old ? 'stale' : 'live') : waiting ? 'loading' : lost ? 'away' : 'refused';
  mark(root, 'feed', state);
  mark(page.status, 'state', lost && !waiting ? 'lost' : 'live');
  write(link.word, lost && !waiting ? w('reconnecting') : view === 'now' ? w(have ? 'live' : 'connecting') : have ? w('ago', { age: age(aged) }) : w('connecting'));
  write(byId('now-age'), feed.heardAt === null ? '' : w('ago', { age: age(quiet) }));

  let [kind, text] = ['', ''];
  if (old) [kind, text] = ['stale', w('stale')];
  else if (state === 'away') [kind, text] = ['error', w('never')];
  else if (refused) [kind, text] = refusal(refused, have);
  const notice = byId('notice');
  notice.hidden = text === '';
  mark(notice, 'kind', kind);
  write(byId('notice-text'), text);
  write(byId('notice-age'), old ? w('ago', { age: age(aged) }) : '');
  const panel = byId(view);
  panel.hidden = view !== 'now' && !have && state !== 'loading';
}

/** @param {import('../lib/api.js').Problem} problem @param {boolean} have @returns {[string, string]} */
function refusal(problem, have) {
  if (problem.status === 403) return ['warn', w('forbidden')];
  if (have && view !== 'now') return ['warn', w('partly')];
  return ['error', w('refusal', { why: problem.message })];
}

async function load() {
  clearTimeout(turn);
  asking.abort();
  const mine = new AbortController();
  asking = mine;
  const came = await renew(paths(), mine.signal);
  if (mine.signal.aborted) return;
  outcome = came;
  // The server answers: no need to sit out the feed's pause.
  if (!came.away && !feed.live) feed.hurry();
  showDate();
  show();
  schedule();
}

function schedule() {
  clearTimeout(turn);
  if (!document.hidden) turn = setTimeout(load, outcome.away ? RETRY_MS : RENEW_MS);
}

function showDate() {
  date.max = today();
  const wanted = chosen ?? today();
  if (date.value !== wanted && document.activeElement !== date) date.value = wanted;
  /** @type {HTMLButtonElement} */ (byId('later')).disabled = wanted >= today();
  const isToday = wanted === today();
  byId('tab-day').dataset.w = isToday ? 'today' : 'day';
  write(byId('tab-day'), w(isToday ? 'today' : 'day'));
}

function showTitle() {
  document.title = `${w('title')} · ${feed.park ? say(feed.park.site.name) : 'Shanmen 山门'}`;
}

function showTabs() {
  tabs.forEach((tab, ix) => {
    const selected = VIEWS[ix] === view;
    tab.setAttribute('aria-selected', String(selected));
    tab.tabIndex = selected ? 0 : -1;
    byId(VIEWS[ix]).hidden = !selected;
  });
  mark(document.body, 'view', view);
}

/** @param {View} wanted @param {string | null} day null: today @param {boolean} [quietly] the address is right already */
function go(wanted, day, quietly = false) {
  const moved = wanted !== view || day !== chosen;
  view = wanted;
  chosen = day === today() ? null : day;
  if (moved && !quietly) {
    history.pushState(null, '', withQuery('/flow', { view: view === 'now' ? null : view, day: chosen }));
    scrollTo({ top: 0 });
  }
  showTabs();
  showDate();
  show();
  void load();
}

/** The view and day that the address names. */
function follow() {
  const query = new URLSearchParams(location.search);
  const day = query.get('day');
  const good = day !== null && /^\d{4}-\d\d-\d\d$/.test(day) && !Number.isNaN(Date.parse(day));
  const asked = VIEWS.find((name) => name === query.get('view'));
  go(asked ?? (good ? 'day' : 'now'), good ? day : null, true);
}

function relabel() {
  showTitle();
  showDate();
  exports.relabel();
  if (feed.park) page.name(say(feed.park.site.name));
  show();
}

for (const tab of tabs) {
  tab.addEventListener('click', () => go(/** @type {View} */ (tab.dataset.view), chosen));
  tab.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
}
const dated = () => (view === 'now' ? 'day' : view);
date.addEventListener('change', () => date.value && date.value <= today() && go(dated(), date.value));
byId('earlier').addEventListener('click', () => go(dated(), plusDays(chosen ?? today(), -1)));
byId('later').addEventListener('click', () => go(dated(), plusDays(chosen ?? today(), 1)));
byId('again').addEventListener('click', () => void load());
byId('export-open').addEventListener('click', () => {
  const to = chosen ?? today();
  const week = { from: plusDays(to, -13), to, bucket: '1h', by: 'site' };
  exports.open(view === 'week' ? week : { from: to, to, bucket: '15m', by: 'gate' });
});
addEventListener('popstate', follow);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(turn);
  else void load();
});
onTheme(() => showState());
setInterval(() => {
  showState();
  // A feed that was lost between two renewals: is the server there? Asked once for each loss.
  const lost = !feed.live && feed.heardAt !== null;
  if (lost && !missed) void load();
  missed = lost;
}, 1000);
follow();
