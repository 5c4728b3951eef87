// What an operator may do, each act asked for with its reason and followed to its end: open once,
// modes, messages, reboot and the like, the end of a grant, a seen alarm, an override. The buttons
// of what the role may not do stay, and say what it takes.

import { ask } from '../lib/api.js';
import { make, write } from '../lib/dom.js';
import { alarmName, say } from '../lib/i18n.js';
import { askFor } from './dialog.js';
import { begin, follow, refuse } from './running.js';
import { button } from './rows.js';
import { areaOf, deviceAt, laneOf, may, renew, store } from './store.js';
import { roleNames, w } from './words.js';

/** @typedef {import('./store.js').Device} Device */
/** @typedef {import('./store.js').Mode} Mode */
/** @typedef {import('./store.js').Command} Command */

/** @type {Mode[]} */
export const MODES = ['normal', 'free', 'locked', 'maintenance'];

/** What is known of an op, as people call it. @param {string} op */
export function opName(op) {
  /** @type {Record<string, Parameters<typeof w>[0]>} */
  const names = {
    open: 'openOnce', mode: 'mode', message: 'message', diagnose: 'diagnose', reboot: 'reboot', sync: 'sync', clear: 'clearLane',
    logout: 'logout', config: 'config', emergency: 'emergency', print: 'print', firmware: 'firmware', cancel: 'cancelJob', assign: 'assign',
  };
  return names[op] ? w(names[op]) : op;
}

/** Where a device is, as people call it. @param {Device} device */
export function placeName(device) {
  const lane = laneOf(device.lane);
  return lane ? `${lane.id} ${say(lane.name)}` : device.id;
}

/** @param {Device} device @param {object} command @param {string} reason @returns {Promise<Command>} */
const send = (device, command, reason) => ask(`/api/v1/devices/${device.id}/commands`, { body: { ...command, reason } });

/** @param {string} title @param {string} reason @param {Device[]} devices @param {object} command */
async function run(title, reason, devices, command) {
  const act = begin(title, reason);
  for (const device of devices) {
    try {
      act.commands = [...act.commands, await send(device, command, reason)];
    } catch (error) {
      refuse(act, error);
    }
  }
  follow(act);
}

/** Something that is done when the server has answered. @param {string} title @param {string} reason @param {() => Promise<unknown>} work */
async function at(title, reason, work) {
  const act = begin(title, reason);
  try {
    await work();
  } catch (error) {
    refuse(act, error);
  }
  follow(act);
}

/** @param {Device} device */
export async function openOnce(device) {
  const direction = laneOf(device.lane)?.direction ?? 'in';
  /** @type {import('./dialog.js').Field} */
  const ways = { name: 'direction', label: w('direction'), type: 'choice', value: 'in', choices: [['in', w('dir_in')], ['out', w('dir_out')]] };
  const given = await askFor({
    title: w('askOpen', { place: placeName(device) }),
    what: w('askOpenWhat'),
    fields: [
      { name: 'persons', label: w('persons'), type: 'number', value: '1', min: 1, max: 100 },
      ...(direction === 'both' ? [ways] : []),
    ],
    reasons: [w('r_pram'), w('r_unread'), w('r_staff')],
    send: w('openOnce'),
  });
  if (!given) return;
  const args = { persons: Number(given.persons), direction: given.direction ?? direction };
  await run(`${w('openOnce')} · ${placeName(device)}`, given.reason, [device], { op: 'open', args });
}

/** @param {Device} device @param {Mode} mode */
export async function setMode(device, mode) {
  const given = await askFor({
    title: w('askMode', { place: placeName(device), mode: w(`mode_${mode}`) }),
    what: w(`modeWhat_${mode}`),
    reasons: mode === 'normal' ? [w('r_over'), w('r_test')] : [w('r_repair'), w('r_queue'), w('r_test')],
    send: w(`mode_${mode}`),
    danger: mode === 'free',
  });
  if (!given) return;
  await run(`${w(`mode_${mode}`)} · ${placeName(device)}`, given.reason, [device], { op: 'mode', args: { mode } });
}

/** One mode for all lanes of a gate. @param {string} gate @param {string} name */
export async function setGateMode(gate, name) {
  const lanes = store.site?.lanes.filter((lane) => lane.gate === gate) ?? [];
  const devices = lanes.flatMap((lane) => deviceAt(lane.id) ?? []).filter((device) => device.kind === 'turnstile');
  const away = devices.filter((device) => !device.online).length;
  const given = await askFor({
    title: w('askGateMode', { gate: name, n: devices.length }),
    what: MODES.map((mode) => `${w(`mode_${mode}`)} – ${w(`modeWhat_${mode}`)}`).join('\n') + (away ? `\n${w('gateAway', { n: away })}` : ''),
    fields: [{ name: 'mode', label: w('mode'), type: 'choice', value: 'normal', choices: MODES.map((mode) => [mode, w(`mode_${mode}`)]) }],
    reasons: [w('r_over'), w('r_repair'), w('r_queue'), w('r_test')],
    send: w('send'),
  });
  if (!given) return;
  const mode = /** @type {Mode} */ (given.mode);
  await run(`${w(`mode_${mode}`)} · ${name}`, given.reason, devices.filter((device) => device.online), { op: 'mode', args: { mode } });
}

/** @param {Device} device */
export async function sendMessage(device) {
  const given = await askFor({
    title: w('askMessage', { place: placeName(device) }),
    what: '',
    fields: [
      { name: 'text', label: w('text'), type: 'text', value: '', max: 200 },
      { name: 'seconds', label: w('seconds'), type: 'number', value: '30', min: 1, max: 3600 },
    ],
    reasons: [w('r_queue'), w('r_repair'), w('r_test')],
    send: w('message'),
  });
  if (!given) return;
  const args = { text: given.text, seconds: Number(given.seconds) };
  await run(`${w('message')} · ${placeName(device)}`, given.reason, [device], { op: 'message', args });
}

/** @typedef {'diagnose' | 'reboot' | 'sync' | 'clear' | 'logout'} Simple */
/** @type {Record<Simple, [Parameters<typeof w>[0], Parameters<typeof w>[0]]>} */
const SIMPLE = {
  diagnose: ['askDiagnose', 'askDiagnoseWhat'], reboot: ['askReboot', 'askRebootWhat'], sync: ['askSync', 'askSyncWhat'],
  clear: ['askClear', 'askClearWhat'], logout: ['askLogout', 'askLogoutWhat'],
};

/** @param {Device} device @param {Simple} op */
export async function simple(device, op) {
  const [title, what] = SIMPLE[op];
  const given = await askFor({
    title: w(title, { place: placeName(device) }), what: w(what), reasons: [w('r_repair'), w('r_test')], send: opName(op), danger: op === 'reboot',
  });
  if (given) await run(`${opName(op)} · ${placeName(device)}`, given.reason, [device], { op });
}

/** @param {import('./store.js').Grant} grant */
export async function release(grant) {
  const given = await askFor({
    title: w('askRelease', { lane: grant.lane }), what: w('askReleaseWhat'), reasons: [w('r_walkedOff'), w('r_repair')], send: w('release'), danger: true,
  });
  if (!given) return;
  await at(`${w('release')} · ${grant.lane}`, given.reason, () => ask(`/api/v1/grants/${grant.id}/release`, { body: { reason: given.reason } }));
  await renew('grants');
}

/** @param {import('./store.js').Alarm} alarm */
export async function acknowledge(alarm) {
  const what = [alarmName(alarm.code), alarm.lane ?? alarm.device ?? alarm.area].filter(Boolean).join(' · ');
  const given = await askFor({
    title: w('askAcknowledge', { what }), what: w('askAcknowledgeWhat'), reasonLabel: w('note'), reasonMayLack: true,
    reasons: [w('n_sent'), w('n_known'), w('n_mended')], send: w('acknowledge'),
  });
  if (!given) return;
  await at(`${w('acknowledge')} · ${what}`, given.reason || w('dash'), () => ask(`/api/v1/alarms/${alarm.id}/acknowledge`, { body: { note: given.reason } }));
  await renew('alarms');
}

/** @param {string} id an area's */
export async function override(id) {
  const area = areaOf(id);
  const name = area ? say(area.name) : id;
  const given = await askFor({
    title: w('askOverride', { area: name }),
    what: w('askOverrideWhat'),
    fields: [{ name: 'minutes', label: w('minutes'), type: 'number', value: '30', min: 1, max: 1440 }],
    reasons: [w('r_vip'), w('r_leaving'), w('r_test')],
    send: w('override'),
    danger: true,
  });
  if (!given) return;
  const body = { minutes: Number(given.minutes), reason: given.reason };
  await at(`${w('override')} · ${name}`, given.reason, () => ask(`/api/v1/areas/${id}/override`, { body }));
  await renew('capacity');
}

/** @param {string} id an area's */
export async function endOverride(id) {
  const area = areaOf(id);
  const name = area ? say(area.name) : id;
  const given = await askFor({
    title: w('askOverrideEnd', { area: name }), what: w('askOverrideEndWhat'), reasons: [w('r_over'), w('r_test')], send: w('overrideEnd'),
  });
  if (!given) return;
  await at(`${w('overrideEnd')} · ${name}`, given.reason, () => ask(`/api/v1/areas/${id}/override`, { body: { minutes: 0, reason: given.reason } }));
  await renew('capacity');
}

/** @param {boolean} on @param {string} reason */
export async function setEmergency(on, reason) {
  await at(`${w('emergency')} · ${w(on ? 'wordOn' : 'wordOff')}`, reason, () => ask('/api/v1/emergency', { body: { on, reason } }));
  await renew('emergency');
}

/**
 * A button of an act that takes a duty. Where the role has it not, it says so and does nothing.
 * @param {string} className @param {string} duty @param {() => void} act
 */
export function actButton(className, duty, act) {
  const node = button(className, () => {
    if (node.getAttribute('aria-disabled') !== 'true') act();
  });
  return {
    node,
    /** @param {string} text @param {string} [instead] why it cannot be done just now */
    show(text, instead = '') {
      write(node, text);
      const why = may(duty) ? instead : lacks(duty);
      if (node.title !== why) node.title = why;
      node.setAttribute('aria-disabled', String(why !== ''));
    },
  };
}

/** What a duty takes that one has not; empty where one has it. @param {string} duty */
export function lacks(duty) {
  return may(duty) ? '' : w('lacks', { roles: roleNames(store.me?.lacks[duty] ?? []) });
}

/** A line that says what the role may not do here. @param {string} duty */
export function lackLine(duty) {
  const root = make('p', 'notice lack');
  return { root, show: () => { write(root, lacks(duty)); root.hidden = may(duty); } };
}
