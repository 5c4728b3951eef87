// The control room's wall: puts the panels together, feeds them, and keeps the page going for
// days. Each panel shows one thing and is told only of changes that concern it.

import { byId, mark, write } from '../lib/dom.js';
import { Feed } from '../lib/feed.js';
import { clock, day, setZone } from '../lib/format.js';
import { reloadIfChanged } from '../lib/fresh.js';
import { chooseLang, say, speak, spoken, t } from '../lib/i18n.js';
import * as alarms from './alarms.js';
import * as curve from './curve.js';
import * as emergency from './emergency.js';
import * as health from './health.js';
import { showLink } from './link.js';
import * as map from './map.js';
import * as now from './now.js';
import * as ranks from './ranks.js';
import * as ticker from './ticker.js';
import { label } from './words.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Changes} Changes */

/** @type {{concerns: (keyof Changes)[], show: (park: Park) => void}[]} */
const panels = [
  { concerns: ['alarms'], show: emergency.show },
  { concerns: ['today', 'past', 'alarms'], show: now.show },
  { concerns: ['areas', 'gates', 'lanes'], show: map.show },
  { concerns: ['today', 'past'], show: curve.show },
  { concerns: ['today', 'past'], show: ranks.show },
  { concerns: ['alarms', 'lanes', 'gates', 'areas'], show: alarms.show },
  { concerns: ['today', 'lanes'], show: health.show },
];

/** @param {Park} park */
function showAll(park) {
  setZone(park.site.timezone);
  write(byId('site'), say(park.site.name));
  for (const panel of panels) panel.show(park);
  ticker.showAll(park);
}

/** @param {Park} park @param {Changes} changes */
function showChanges(park, changes) {
  for (const panel of panels) {
    if (panel.concerns.some((key) => changes[key])) panel.show(park);
  }
  if (!changes.recent?.length) return;
  ticker.add(park, changes.recent);
  map.flash(changes.recent);
  const { committed_at: committedAt } = changes.recent[changes.recent.length - 1];
  // Just before the frame is painted, not when the message came.
  requestAnimationFrame(() => {
    const lag = performance.timeOrigin + performance.now() - committedAt;
    mark(document.documentElement, 'feedLagMs', lag.toFixed(1));
    health.showGlass(lag);
  });
}

chooseLang();
const feed = new Feed(new URL('/feed', location.href.replace(/^http/, 'ws')), {
  whole: showAll,
  changed: showChanges,
  back: () => void reloadIfChanged(),
  refused: () => location.assign(`/login?next=${encodeURIComponent(location.pathname)}`),
});

function tick() {
  const at = Date.now() + feed.clockAheadMs;
  write(byId('clock'), feed.park ? clock(at) : '--:--:--');
  write(byId('date'), feed.park ? day(at) : '');
  showLink(feed);
  if (feed.park) alarms.showAges(at);
  emergency.showAge(at);
}

function relabel() {
  document.title = `${t('title')} · ${feed.park ? say(feed.park.site.name) : 'Shanmen 山门'}`;
  write(byId('lang'), t('otherLang'));
  label();
  if (feed.park) showAll(feed.park);
  tick();
}

byId('lang').addEventListener('click', () => {
  speak(spoken() === 'zh' ? 'en' : 'zh');
  relabel();
});
relabel();
setInterval(tick, 200);
