// Who was refused just now, at whatever lane, by the feed: the first sign of a lane with trouble.

import { make, write } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { className, reasonName } from '../lib/i18n.js';
import { card, rows } from './rows.js';
import { deviceAt, feed } from './store.js';
import { w } from './words.js';

const refused = card('refused');
const refusedList = make('ol', 'list');
refused.root.append(refusedList);
export const { root } = refused;

/** @typedef {{root: HTMLElement, time: HTMLElement, lane: HTMLAnchorElement, why: HTMLElement, who: HTMLElement}} RefusedView */
/** @type {Map<string, RefusedView>} */
const refusedViews = new Map();
const REFUSED_MAX = 12;

export function show() {
  const recent = (feed?.park?.recent ?? []).filter((one) => one.kind === 'denied').slice(-REFUSED_MAX).reverse();
  refused.root.hidden = recent.length === 0;
  write(refused.title, w('justRefused'));
  write(refused.note, w('justRefusedNote'));
  rows(refusedList, refusedViews, recent, (one) => String(one.n), () => {
    const [time, lane, why, who] = [make('time'), make('a'), make('span'), make('small')];
    return { root: make('li', '', time, lane, why, who), time, lane, why, who };
  }, (view, one) => {
    write(view.time, clock(one.at));
    write(view.lane, one.lane);
    view.lane.href = `#/devices/${deviceAt(one.lane)?.id ?? ''}`;
    write(view.why, reasonName(one.reason ?? ''));
    write(view.who, one.class ? className(one.class) : '');
  });
}
