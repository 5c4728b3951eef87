// All devices at a glance: what wants somebody first, then every lane by gate (grid) or every device
// with all its figures (table); searched and filtered. A device's tile leads to its page.

import { make, mark, write } from '../lib/dom.js';
import { age, number } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { sign } from '../lib/head.js';
import { actButton, openOnce, placeName, setGateMode } from './acts.js';
import { button, card, none, rows } from './rows.js';
import * as refused from './refused.js';
import { deviceAt, feed, gateAt, laneOf, ms, now, store } from './store.js';
import * as table from './table.js';
import { lastScan, rank, standing, troubles } from './trouble.js';
import { w } from './words.js';

/** @typedef {import('./store.js').Device} Device */
/** @typedef {import('./store.js').LaneSet} LaneSet */
/** @typedef {{device: Device | null, lane: LaneSet | undefined, key: string}} Place */
/** @typedef {{id: string, name: string, gate: boolean, places: Place[]}} Group */

const KINDS = /** @type {const} */ (['turnstile', 'kiosk', 'handheld', 'printer']);
const WAY = { in: 'M12 19V5M6 11l6-6 6 6', out: 'M12 5v14M6 13l6 6 6-6', both: 'M8 20V6M4 10l4-4 4 4M16 4v14M12 14l4 4 4-4' };

/** What is looked for. Kept in the address of the view's session, so that a way back keeps it. */
const wanted = { text: '', gate: '', kind: '', trouble: false, table: false };

const search = make('input');
search.type = 'search';
search.id = 'search';
search.autocomplete = 'off';
search.spellcheck = false;
const gates = make('select');
const kinds = make('select');
gates.id = 'by-gate';
kinds.id = 'by-kind';
const onlyTrouble = button('plain toggle', () => { wanted.trouble = !wanted.trouble; show(); });
const asGrid = button('plain', () => { wanted.table = false; show(); });
const asTable = button('plain', () => { wanted.table = true; show(); });
const count = make('p', 'count');
count.id = 'count';
count.setAttribute('role', 'status');
const views = make('div', 'segments', asGrid, asTable);
views.setAttribute('role', 'group');
views.dataset.wLabel = 'view';
const bar = make('div', 'filters', search, gates, kinds, onlyTrouble, views, count);
const want = card('want');
const wantList = make('ul', 'wants');
const well = make('p', 'well');
want.root.append(wantList, well);
const groups = make('div', 'groups');
const empty = none();
const reset = button('plain', () => {
  Object.assign(wanted, { text: '', gate: '', kind: '', trouble: false });
  search.value = '';
  show();
});
const bones = make('div', 'groups', ...[6, 4, 3].map((n) => make('section', 'card', make('ul', 'tiles', ...Array.from({ length: n }, () => make('li', 'bone tile'))))));

export const root = make('div', 'lanes', bar, want.root, bones, groups, table.root, empty.root, reset, refused.root);

search.addEventListener('input', () => { wanted.text = search.value.trim().toLowerCase(); show(); });
gates.addEventListener('change', () => { wanted.gate = gates.value; show(); });
kinds.addEventListener('change', () => { wanted.kind = kinds.value; show(); });

/** Where `/` leads. */
export function toSearch() {
  search.focus();
  search.select();
}

/** @param {HTMLSelectElement} select @param {[string, string][]} options @param {string} value */
function fillSelect(select, options, value) {
  const text = JSON.stringify(options);
  if (select.dataset.options !== text) {
    select.dataset.options = text;
    select.replaceChildren(...options.map(([id, name]) => {
      const option = make('option', '', name);
      option.value = id;
      return option;
    }));
  }
  select.value = value;
}

/** @param {Device} device @returns {string} all that it is found by */
function haystack(device) {
  const lane = laneOf(device.lane);
  const gate = gateAt(device);
  const words = [
    device.id, device.lane, device.serial, device.model, device.firmware, w(`kind_${device.kind}`), w(`st_${standing(device)}`),
    lane?.name.zh, lane?.name.en, gate?.id, gate?.name.zh, gate?.name.en, ...troubles(device).map((one) => one.text),
  ];
  return words.filter(Boolean).join(' ').toLowerCase();
}

/** @param {Device} device */
function matches(device) {
  if (wanted.kind && device.kind !== wanted.kind) return false;
  if (wanted.gate && (gateAt(device)?.id ?? '-') !== wanted.gate) return false;
  if (wanted.trouble && rank(troubles(device)) === 0) return false;
  return wanted.text === '' || wanted.text.split(/\s+/).every((word) => haystack(device).includes(word));
}

/** @returns {Group[]} the gates with their lanes, then what stands at no gate, by kind */
function grouped() {
  const free = !wanted.text && !wanted.kind && !wanted.trouble;
  /** @type {Group[]} */
  const made = (store.site?.gates ?? []).map((gate) => {
    const lanes = (store.site?.lanes ?? []).filter((lane) => lane.gate === gate.id);
    /** @type {Place[]} */
    const places = lanes.flatMap((lane) => /** @type {() => Place[]} */ (() => {
      const device = deviceAt(lane.id);
      if (device) return matches(device) ? [{ device, lane, key: lane.id }] : [];
      return free && (!wanted.gate || wanted.gate === gate.id) ? [{ device: null, lane, key: lane.id }] : [];
    })());
    const others = store.devices.filter((device) => !device.lane && device.gate === gate.id && matches(device));
    places.push(...others.map((device) => ({ device, lane: undefined, key: device.id })));
    return { id: gate.id, name: say(gate.name), gate: true, places };
  });
  for (const kind of KINDS) {
    const devices = store.devices.filter((device) => device.kind === kind && !gateAt(device) && matches(device));
    made.push({ id: `-${kind}`, name: w(`kinds_${kind}`), gate: false, places: devices.map((device) => ({ device, lane: undefined, key: device.id })) });
  }
  return made.filter((group) => group.places.length > 0);
}

/** @typedef {{root: HTMLElement, link: HTMLAnchorElement, name: HTMLElement, way: HTMLElement, more: HTMLElement, state: HTMLElement, foot: HTMLElement, wayIs: string}} Tile */

/** @returns {Tile} */
function buildTile() {
  const [name, way, more, state, foot] = [make('b'), make('span', 'way'), make('span', 'more'), make('span', 'state'), make('small')];
  const link = make('a', '', make('span', 'line', name, way, state), more, foot);
  return { root: make('li', 'tile', link), link, name, way, more, state, foot, wayIs: '' };
}

/** @param {Tile} tile @param {Place} place */
function showTile(tile, { device, lane }) {
  write(tile.name, lane?.id ?? device?.id ?? '');
  write(tile.more, lane ? say(lane.name) : device?.model ?? '');
  const way = lane?.direction === 'in' || lane?.direction === 'out' || lane?.direction === 'both' ? lane.direction : '';
  if (tile.wayIs !== way) {
    tile.wayIs = way;
    tile.way.replaceChildren(...(way ? [sign(WAY[way]), make('span', 'hush', w(`dir_${way}`))] : []));
  }
  if (!device) {
    mark(tile.root, 'state', 'unassigned');
    tile.link.removeAttribute('href');
    write(tile.state, '');
    write(tile.foot, w('unassigned'));
    return;
  }
  const found = troubles(device);
  const how = standing(device);
  mark(tile.root, 'state', how);
  mark(tile.root, 'level', found[0]?.level ?? '');
  mark(tile.root, 'device', device.id);
  tile.link.href = `#/devices/${device.id}`;
  write(tile.state, w(`st_${how}`));
  const at = lastScan(device);
  const calm = at === null ? (device.kind === 'turnstile' ? w('noScan') : seen(device)) : w('lastScan', { age: age(now() - at) });
  const text = found[0]?.text ?? calm;
  write(tile.foot, found.length > 1 ? `${text} +${found.length - 1}` : text);
}

/** @param {Device} device */
function seen(device) {
  const at = ms(device.last_seen);
  return at === null ? w('t_never') : w('seenAgo', { age: age(now() - at) });
}

/** @typedef {{root: HTMLElement, name: HTMLElement, note: HTMLElement, mode: ReturnType<typeof actButton>, list: HTMLElement, tiles: Map<string, Tile>}} GroupView */

/** @param {Group} group @returns {GroupView} */
function buildGroup(group) {
  const [name, note, list] = [make('span'), make('em'), make('ul', 'tiles')];
  const mode = actButton('plain small', 'operate', () => void setGateMode(group.id, group.name));
  mode.node.hidden = !group.gate;
  const root = make('section', 'card gate', make('header', '', make('h2', '', name), note, mode.node), list);
  return { root, name, note, mode, list, tiles: new Map() };
}

/** @param {GroupView} view @param {Group} group */
function showGroup(view, group) {
  write(view.name, group.name);
  mark(view.root, 'gate', group.id);
  const devices = group.places.flatMap((place) => place.device ?? []);
  const online = devices.filter((device) => device.online).length;
  const flow = feed?.park?.gates.get(group.id);
  const words = [w('count', { online: number(online), total: number(group.places.length) })];
  if (flow) words.push(w('gateFlow', { in: number(flow.in_per_min), out: number(flow.out_per_min), denied: number(flow.denied_per_min) }));
  write(view.note, words.join(' · '));
  view.mode.show(w('gateMode'));
  rows(view.list, view.tiles, group.places, (place) => place.key, buildTile, showTile);
}

/** @typedef {{root: HTMLElement, link: HTMLAnchorElement, name: HTMLElement, kind: HTMLElement, what: HTMLElement, open: ReturnType<typeof actButton>, device: Device}} Want */

/** @param {Device} device @returns {Want} */
function buildWant(device) {
  const [name, kind, what] = [make('b'), make('small'), make('span', 'what')];
  const link = make('a', '', make('span', 'line', name, kind), what);
  /** @type {Want} */
  const view = { root: make('li'), link, name, kind, what, open: actButton('plain small', 'operate', () => void openOnce(view.device)), device };
  view.root.append(link, view.open.node);
  return view;
}

/** @param {Want} view @param {Device} device */
function showWant(view, device) {
  view.device = device;
  const found = troubles(device);
  mark(view.root, 'level', found[0].level);
  mark(view.root, 'device', device.id);
  view.link.href = `#/devices/${device.id}`;
  write(view.name, placeName(device));
  const gate = gateAt(device);
  write(view.kind, [gate && say(gate.name), w(`kind_${device.kind}`)].filter(Boolean).join(' · '));
  write(view.what, found.map((one) => one.text).join(' · '));
  view.open.node.hidden = device.kind !== 'turnstile' || !device.online;
  view.open.show(w('openOnce'));
}

/** @type {Map<string, GroupView>} */
const groupViews = new Map();
/** @type {Map<string, Want>} */
const wants = new Map();

function showBar() {
  search.placeholder = w('search');
  search.setAttribute('aria-label', w('search'));
  gates.setAttribute('aria-label', w('gate'));
  kinds.setAttribute('aria-label', w('kind'));
  const sites = store.site?.gates ?? [];
  fillSelect(gates, [['', w('anyGate')], ...sites.map((gate) => /** @type {[string, string]} */ ([gate.id, say(gate.name)])), ['-', w('noGate')]], wanted.gate);
  fillSelect(kinds, [['', w('anyKind')], ...KINDS.map((kind) => /** @type {[string, string]} */ ([kind, w(`kind_${kind}`)]))], wanted.kind);
  const bad = store.devices.filter((device) => rank(troubles(device)) > 0).length;
  write(onlyTrouble, `${w('troubleOnly')} ${number(bad)}`);
  onlyTrouble.setAttribute('aria-pressed', String(wanted.trouble));
  write(asGrid, w('asGrid'));
  write(asTable, w('asTable'));
  asGrid.setAttribute('aria-pressed', String(!wanted.table));
  asTable.setAttribute('aria-pressed', String(wanted.table));
  const online = store.devices.filter((device) => device.online).length;
  write(count, store.heardAt.fleet ? w('count', { online: number(online), total: number(store.devices.length) }) : '');
}

export function show() {
  showBar();
  refused.show();
  const there = store.heardAt.fleet !== undefined;
  const no = store.forbidden.fleet;
  bones.hidden = there || no !== undefined;
  const filtered = Boolean(wanted.text || wanted.gate || wanted.kind || wanted.trouble);
  const found = store.devices.filter(matches)
    .sort((a, b) => rank(troubles(b)) - rank(troubles(a)) || a.id.localeCompare(b.id, 'en', { numeric: true }));
  const bad = found.filter((device) => rank(troubles(device)) >= 2);
  want.root.hidden = !there || store.devices.length === 0 || (filtered && bad.length === 0) || wanted.table;
  mark(want.root, 'some', String(bad.length > 0));
  write(want.title, bad.length ? w('wantsYou') : w('allWell'));
  write(want.note, bad.length ? number(bad.length) : '');
  write(well, bad.length ? '' : w('allWellMore', { n: number(store.devices.filter((device) => device.online).length) }));
  rows(wantList, wants, bad, (device) => device.id, buildWant, showWant);
  groups.hidden = !there || wanted.table;
  table.root.hidden = !there || !wanted.table || found.length === 0;
  if (!groups.hidden) rows(groups, groupViews, grouped(), (group) => group.id, buildGroup, showGroup);
  if (!table.root.hidden) table.show(found);
  const nothing = there && found.length === 0 && (filtered || wanted.table || grouped().length === 0);
  if (no !== undefined) empty.show(true, w('forbidden'), no);
  else empty.show(nothing, store.devices.length ? w('noneFound') : w('noDevices'), store.devices.length ? w('noneFoundMore') : w('noDevicesMore'));
  reset.hidden = !nothing || !filtered;
  write(reset, w('clear'));
}
