// Who did what: one's own acts, the fleet's commands with what came of each, and for those who may
// the whole audit trail.

import { ask, withQuery } from '../lib/api.js';
import { make, write } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { lacks } from './acts.js';
import { buildCommand, commandKey, showCommand } from './commandlist.js';
import { Renewal } from './renewal.js';
import { button, card, none, rows } from './rows.js';
import { commands, deviceOf, laneOf, may, ms, store } from './store.js';
import { w } from './words.js';

/** @typedef {{at: string, actor: string, action: string, target: string, note: string}} Line */
/** @typedef {import('./store.js').Command} Command */

const RENEW_MS = 5000;
/** What people tell devices; prints are the machines' own. */
const OPS = 'open,mode,message,reboot,diagnose,sync,clear,logout,config,firmware,assign,emergency';

/** Acts of the audit trail, as people call them; others stand as they are. @type {Readonly<Record<string, import('../lib/i18n.js').Text>>} */
const ACTIONS = Object.freeze({
  'device.command': { zh: '发命令', en: 'told a device' },
  'device.command.done': { zh: '命令完成', en: 'command done' },
  'device.command.failed': { zh: '命令失败', en: 'command failed' },
  'device.command.unanswered': { zh: '命令无应答', en: 'command unanswered' },
  'device.config': { zh: '设配置', en: 'set a configuration' },
  'ticket.lookup': { zh: '查票', en: 'looked a ticket up' },
  'ticket.void': { zh: '作废票', en: 'voided a ticket' },
  'ticket.freeze': { zh: '冻结票', en: 'froze a ticket' },
  'ticket.reissue': { zh: '换发票码', en: 'reissued a ticket' },
  'grant.release': { zh: '了结放行', en: 'ended a grant' },
  'alarm.acknowledge': { zh: '确认告警', en: 'acknowledged an alarm' },
  'capacity.override': { zh: '满员放行', en: 'let in although full' },
  'capacity.override_end': { zh: '结束满员放行', en: 'ended an override' },
  'emergency.on': { zh: '紧急放行', en: 'began the emergency' },
  'emergency.off': { zh: '结束紧急放行', en: 'ended the emergency' },
  'gate.override': { zh: '人工放行', en: 'overrode the rules' },
  'gate.undo': { zh: '撤回通行', en: 'took a passage back' },
});
/** @param {string} action */
const actionName = (action) => (Object.hasOwn(ACTIONS, action) ? say(ACTIONS[action]) : action);

/** A table of audit lines. @param {string} className */
function trail(className) {
  const part = card(className);
  const heads = Array.from({ length: 5 }, () => make('th'));
  for (const head of heads) head.scope = 'col';
  const body = make('tbody');
  const empty = none();
  const wide = make('div', 'wide', make('table', '', make('thead', '', make('tr', '', ...heads)), body));
  part.root.append(wide, empty.root);
  /** @type {Map<string, {root: HTMLElement, cells: HTMLElement[]}>} */
  const views = new Map();
  return {
    ...part,
    /** @param {Line[] | null} lines @param {string} title @param {string} otherwise what to say without lines */
    show(lines, title, otherwise) {
      write(part.title, title);
      [w('c_when'), w('c_who'), w('c_what'), w('c_target'), w('c_why')].forEach((text, index) => { write(heads[index], text); });
      const seen = new Set();
      const once = (lines ?? []).filter((line) => !seen.has(keyOf(line)) && seen.add(keyOf(line)));
      rows(body, views, once, keyOf, () => {
        const cells = Array.from({ length: 5 }, () => make('td'));
        return { root: make('tr', '', ...cells), cells };
      }, (view, line) => {
        [clock(ms(line.at) ?? 0), line.actor, actionName(line.action), line.target, line.note].forEach((text, index) => { write(view.cells[index], text); });
      });
      wide.hidden = once.length === 0;
      empty.show(once.length === 0, otherwise);
    },
  };
}

/** @param {Line} line */
const keyOf = (line) => `${line.at}${line.action}${line.target}${line.note}`;

/** Which lines of the whole trail, by how their acts begin; sales alone would fill it. */
const SORTS = /** @type {const} */ ({
  acts: ['device.', 'emergency.', 'capacity.', 'alarm.', 'grant.', 'gate.', 'ticket.lookup', 'ticket.void', 'ticket.freeze', 'ticket.reissue'],
  tickets: ['ticket.'],
  users: ['user.', 'product.', 'person.'],
  all: [''],
});
/** @typedef {keyof typeof SORTS} Sort */
/** @type {Sort} */
let sort = 'acts';

const mine = trail('mine');
const all = trail('trail');
const sorts = /** @type {Sort[]} */ (Object.keys(SORTS)).map((one) => ({ one, node: button('plain small', () => { sort = one; held.all = null; show(); void renewal.now(); }) }));
const sortRow = make('div', 'segments', ...sorts.map(({ node }) => node));
sortRow.setAttribute('role', 'group');
sortRow.dataset.wLabel = 'trailSort';
all.heading.after(sortRow);
const fleet = card('commands');
const fleetList = make('ul', 'list');
const noFleet = none();
fleet.root.append(fleetList, noFleet.root);
export const root = make('div', 'columns', make('div', 'stack', mine.root, all.root), make('div', 'stack', fleet.root));

/** @type {{mine: Line[] | null, all: Line[] | null, fleet: Command[] | null, problem: string}} */
const held = { mine: null, all: null, fleet: null, problem: '' };
export const enter = () => renewal.enter();
export const leave = () => renewal.leave();

/** @param {Sort} wanted @returns {Promise<Line[]>} newest first */
async function trailOf(wanted) {
  const told = await Promise.all(SORTS[wanted].map((action) => ask(withQuery('/api/v1/audit', { action, limit: 200 }))));
  return told.flatMap((one) => one.lines).sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, 200);
}

const renewal = new Renewal({
  async ask() {
    if (document.hidden) return;
    held.mine = (await ask('/api/v1/me/acts?limit=100')).lines;
    if (may('see_devices')) held.fleet = await commands({ op: OPS, limit: 100 });
    if (may('see_audit')) held.all = await trailOf(sort);
    held.problem = '';
  },
  failed(words) {
    held.problem = words;
  },
  show: () => show(),
  // At once again until it is known who is logged in.
  everyMs: () => (store.me ? RENEW_MS : 500),
});

/** @type {Map<string, import('./commandlist.js').CommandView>} */
const views = new Map();

export function show() {
  const wait = held.problem || w('loading');
  mine.show(held.mine, w('mine'), held.mine ? w('noActs') : wait);
  all.show(may('see_audit') ? held.all : [], w('everybody'), may('see_audit') ? (held.all ? w('noActs') : wait) : `${w('auditOnly')} ${lacks('see_audit')}`);
  sortRow.hidden = !may('see_audit');
  for (const { one, node } of sorts) {
    write(node, w(`tr_${one}`));
    node.setAttribute('aria-pressed', String(one === sort));
  }
  write(fleet.title, w('fleetCommands'));
  rows(fleetList, views, held.fleet ?? [], commandKey, buildCommand, (view, row) => {
    const lane = laneOf(deviceOf(row.device)?.lane ?? null);
    showCommand(view, row, lane ? `${lane.id} ${say(lane.name)}` : row.device);
  });
  noFleet.show(!held.fleet?.length, held.fleet ? w('noActs') : wait);
}
