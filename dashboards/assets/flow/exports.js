// Files to take along: XLSX and CSV of the flow, the refusals and the devices' availability, for the
// days that are looked at or others. Plain links, so that the browser's own download does the rest.

import { withQuery } from '../lib/api.js';
import { byId, make, write } from '../lib/dom.js';
import { spoken } from '../lib/i18n.js';
import { renewed } from './parts.js';
import { w } from './words.js';

/** The server refuses more steps of time. */
const STEPS_MAX = 10_000;
const MINUTES = Object.freeze({ '5m': 5, '15m': 15, '1h': 60, '1d': 1440 });
const WHAT = /** @type {const} */ (['flow', 'denies', 'devices']);
const FORMATS = /** @type {const} */ (['xlsx', 'csv']);

const dialog = /** @type {HTMLDialogElement} */ (byId('export'));
const [from, to] = [byId('export-from'), byId('export-to')].map((node) => /** @type {HTMLInputElement} */ (node));
const [bucket, by] = [byId('export-bucket'), byId('export-by')].map((node) => /** @type {HTMLSelectElement} */ (node));

/** What is wrong with the choice, in words; empty where it is good. */
function fault() {
  const days = (Date.parse(to.value) - Date.parse(from.value)) / 86_400_000 + 1;
  if (!(days >= 1)) return w('wrongRange');
  const step = MINUTES[/** @type {keyof typeof MINUTES} */ (bucket.value)] ?? 5;
  return (days * 1440) / step > STEPS_MAX ? w('tooFine') : '';
}

export function relabel() {
  const wrong = fault();
  byId('export-wrong').hidden = wrong === '';
  write(byId('export-wrong'), wrong);
  const query = { from: from.value, to: to.value, bucket: bucket.value, by: by.value, lang: spoken() };
  renewed(byId('files'), [query, wrong], () => WHAT.map((what) => {
    const links = FORMATS.map((format) => {
      const link = make('a', format === 'xlsx' ? 'button' : 'button plain', format.toUpperCase());
      link.setAttribute('aria-label', `${w(`what_${what}`)} ${format.toUpperCase()}`);
      if (wrong) {
        link.setAttribute('aria-disabled', 'true');
      } else {
        link.href = withQuery('/api/v1/flow/export', { what, format, ...query });
        link.download = '';
      }
      return link;
    });
    return make('li', '', make('span', '', w(`what_${what}`)), ...links);
  }));
}

/** Opens with the days that are looked at. @param {{from: string, to: string, bucket: string, by: string}} choice */
export function open(choice) {
  [from.value, to.value, bucket.value, by.value] = [choice.from, choice.to, choice.bucket, choice.by];
  relabel();
  dialog.showModal();
}

for (const node of [from, to, bucket, by]) node.addEventListener('input', relabel);
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close();
});
