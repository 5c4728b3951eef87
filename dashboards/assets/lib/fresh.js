// A page that is open for days: after a loss it asks whether the server came back with other pages
// than this, and loads itself anew if so. Called when the feed is back.

import { build } from '../build.js';

const RELOAD_KEY = 'shanmen-reloaded-at';

/** After a loss the server may be a newer one, with other pages than this. */
export async function reloadIfChanged() {
  try {
    const answer = await fetch(new URL('../build.js', import.meta.url), { cache: 'no-store' });
    const text = await answer.text();
    if (!answer.ok || text.includes(build)) return;
    const last = Number(sessionStorage.getItem(RELOAD_KEY) ?? 0);
    if (Date.now() - last < 60_000) return;
    sessionStorage.setItem(RELOAD_KEY, String(Date.now()));
    location.reload();
  } catch {
    // The next loss asks again.
  }
}
