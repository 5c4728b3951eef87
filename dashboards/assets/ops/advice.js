// What can be done about a refusal, by its reason: plain words for an operator who stands before the
// visitor. The reasons' own lines are the server's (reasons.js).

import { hourMinute, number } from '../lib/format.js';
import { say, spoken } from '../lib/i18n.js';
import { areaOf, gateOf } from './store.js';

/** @typedef {import('../lib/i18n.js').Text} Text */

/** @type {Readonly<Record<string, Text>>} */
const ADVICE = Object.freeze({
  lane_closed: { zh: '请游客走旁边开放的通道；若该通道应当开放，把模式改回“正常”。', en: 'Send the visitor to an open lane; where this one should be open, set its mode to normal.' },
  emergency: { zh: '紧急放行中，不需要查票。', en: 'The emergency is on; no ticket is asked for.' },
  wrong_direction: { zh: '请游客走对应方向的通道。', en: 'Send the visitor to a lane of the right direction.' },
  unreadable: { zh: '调亮手机屏幕、擦净票面再扫；仍不行可输入票号查询。', en: 'Brighten the phone, wipe the paper, scan again; else look the ticket up by its number.' },
  forged: { zh: '不要放行。请游客到窗口核实购票渠道。', en: 'Do not let in. To the window, with the proof of purchase.' },
  unknown_ticket: { zh: '核对是否本园的票、是否扫对了码；到窗口查订单。', en: 'Check that it is this park’s ticket and the right code; the window can find the order.' },
  refunded: { zh: '票款已退，需要重新购票。', en: 'The money was paid back: a new ticket is needed.' },
  voided: { zh: '票已作废，到窗口核实或重新购票。', en: 'The ticket is void: to the window, or a new ticket.' },
  superseded: { zh: '让游客出示最新的票码；找不到时到窗口补码。', en: 'Ask for the newest code; the window can issue it anew.' },
  frozen: { zh: '票被冻结：到窗口说明情况，由有权限的人解冻。', en: 'It is on hold: somebody who may has to take the hold off.' },
  unpaid: { zh: '订单未支付，请先付款。', en: 'The order is not paid: pay first.' },
  exchange_first: { zh: '先到窗口或自助机换票，再来刷票。', en: 'Exchange it at the window or a kiosk first.' },
  not_yet_valid: { zh: '还没到使用日期，改期请到窗口。', en: 'Not valid yet; the window can change the date.' },
  expired: { zh: '已过有效期，到窗口改期或补票。', en: 'It has run out: the window can change the date or sell a new one.' },
  wrong_date: { zh: '不是今天的票，到窗口改期。', en: 'Not a ticket for today: the window can change the date.' },
  too_early: { zh: '请在场次开始时再来。', en: 'Come back when the slot begins.' },
  too_late: { zh: '场次已过，到窗口改签。', en: 'The slot is over: the window can change it.' },
  closed_hours: { zh: '现在不在该票的开放时间内。', en: 'It is not good at this hour.' },
  blackout: { zh: '该票今日不适用，到窗口补差价或改期。', en: 'Not good on this date: the window can change it or take the difference.' },
  wrong_gate: { zh: '请游客走该票适用的门。', en: 'Send the visitor to a gate that it is for.' },
  area_not_included: { zh: '该票不含此景点，可在窗口补票。', en: 'This area is not included; the window sells the addition.' },
  in_progress: { zh: '刚刚已放行，请直接通过；若人已走开，在设备页了结这个放行。', en: 'It was let through just now: walk on. Where nobody did, end the grant on the device’s page.' },
  already_used: { zh: '次数已用完。看下面的通行记录：若当时没有人通过，可了结放行或人工开闸。', en: 'Its uses are gone. See the passages below: where nobody went through then, end the grant or open once by hand.' },
  daily_limit: { zh: '今天的次数已用完，明天再来。', en: 'Today’s uses are gone; it is good again tomorrow.' },
  already_inside: { zh: '记录显示持票人在园内。若出园时没有刷票，核实后人工开闸。', en: 'Its holder is inside by the record. Where they left without a scan, check and open once.' },
  not_exited: { zh: '没有出园记录。核实本人后可人工开闸。', en: 'There is no exit on record. Check the person, then open once.' },
  reentry_expired: { zh: '二次入园时间已过，需要新票。', en: 'The time to come back is over: a new ticket.' },
  reentry_exhausted: { zh: '二次入园次数已用完，需要新票。', en: 'No re-entries left: a new ticket.' },
  too_soon: { zh: '两次入园间隔太短，请稍后再来。', en: 'Too soon after the last time: a little later.' },
  stay_exceeded: { zh: '已超过使用时限，到窗口补票。', en: 'Its time is over: the window sells the addition.' },
  condition_failed: { zh: '不符合购票条件（如年龄、证件），核对后到窗口处理。', en: 'Its conditions are not met (age, card …): check, then the window.' },
  needs_identity: { zh: '请游客刷身份证。', en: 'Ask for the ID card.' },
  needs_attendant: { zh: '核对人与票，确认后开闸一次。', en: 'Check person and ticket, then open once.' },
  identity_mismatch: { zh: '人证不符：请本人持证到窗口。', en: 'Person and card differ: the holder, with the card, to the window.' },
  blocked_person: { zh: '不要放行，也不要争执，请联系安保。', en: 'Do not let in and do not argue: call security.' },
  area_full: { zh: '区域已满，请等待；得到同意后可在“承载与应急”临时放行。', en: 'The area is full: wait. With consent, let in under “Capacity, emergency”.' },
  day_full: { zh: '今日接待量已满，到窗口改期。', en: 'Full for today: the window can change the date.' },
  busy: { zh: '系统繁忙，请再刷一次。', en: 'The system was busy: scan again.' },
  internal: { zh: '系统出错：核对票后人工开闸，并报告管理员。', en: 'A fault of the system: check the ticket, open once, tell the admin.' },
});

/** @param {string} code @returns {string} what can be done; empty for a reason that is not known here */
export const advice = (code) => (Object.hasOwn(ADVICE, code) ? ADVICE[code][spoken()] : '');

/**
 * What was told with an answer, in words.
 * @param {Record<string, any> | null | undefined} facts
 */
export function factText(facts) {
  if (!facts) return '';
  const zh = spoken() === 'zh';
  const time = (/** @type {unknown} */ at) => {
    const moment = typeof at === 'number' ? at : Date.parse(String(at));
    return Number.isNaN(moment) ? String(at) : hourMinute(moment);
  };
  const gate = facts.gate && gateOf(String(facts.gate));
  const area = facts.area && areaOf(String(facts.area));
  return [
    facts.used_at !== undefined && (zh ? `上次使用 ${time(facts.used_at)}` : `last used at ${time(facts.used_at)}`),
    facts.gate !== undefined && (gate ? say(gate.name) : String(facts.gate)),
    typeof facts.count === 'number' && (zh ? `已 ${number(facts.count)} 次` : `${number(facts.count)} times so far`),
    typeof facts.capacity === 'number' && (zh ? `承载 ${number(facts.capacity)} 人` : `room for ${number(facts.capacity)}`),
    facts.area !== undefined && (area ? say(area.name) : String(facts.area)),
    facts.come_back_at !== undefined && (zh ? `${time(facts.come_back_at)} 后可用` : `good again at ${time(facts.come_back_at)}`),
  ].filter(Boolean).join(' · ');
}
