// How the connection looks. The rule: what is not live must not look live. A feed that is lost or
// silent drains the page of colour and counts how old the picture is.

import { byId, mark, write } from '../lib/dom.js';
import { SILENCE_MS } from '../lib/feed.js';
import { age, clock, stopwatch } from '../lib/format.js';
import { t } from '../lib/i18n.js';

/** Without a connection, a picture older than this is called dead: a quick restart is not. */
const UNLINKED_MS = 2500;
/** A first connection may take so long before it is called a failure. */
const LOADING_MS = 5000;

const root = document.documentElement;
const veil = byId('veil');

/** @typedef {'loading' | 'live' | 'waiting' | 'dead'} Look */

/** @param {import('../lib/feed.js').Feed} feed */
export function showLink(feed) {
  const now = performance.now();
  const aged = now - (feed.heardAt ?? 0);
  const look = lookOf(feed, aged);
  mark(root, 'feed', look);
  mark(root, 'feedAgeMs', feed.heardAt === null ? '' : aged.toFixed(0));
  const word = look === 'live' ? 'live' : feed.heardAt === null ? 'connecting' : 'reconnecting';
  write(byId('link-word'), t(word));
  write(byId('link-age'), feed.heardAt === null ? '' : t('age', { age: age(aged) }));
  veil.hidden = look !== 'dead' && look !== 'loading';
  if (look === 'loading') {
    write(byId('veil-word'), t('loading'));
    write(byId('veil-age'), '');
    write(byId('veil-why'), '');
  } else if (look === 'dead') {
    write(byId('veil-word'), t('dead'));
    const time = clock(Date.now() + feed.clockAheadMs - aged);
    const n = Math.max(1, feed.attempt);
    write(byId('veil-age'), stopwatch(aged));
    write(byId('veil-why'), feed.heardAt === null ? t('deadNever', { n }) : t('deadSince', { time, n }));
  }
}

/**
 * @param {import('../lib/feed.js').Feed} feed
 * @param {number} aged
 * @returns {Look}
 */
function lookOf(feed, aged) {
  if (feed.heardAt === null) return aged > LOADING_MS ? 'dead' : 'loading';
  if (feed.live) return aged > SILENCE_MS ? 'dead' : 'live';
  return aged > UNLINKED_MS ? 'dead' : 'waiting';
}
