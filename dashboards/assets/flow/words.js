// The words of the managers' page, and how it says days and differences.

import { number } from '../lib/format.js';
import { spoken, tag } from '../lib/i18n.js';
import { vocabulary } from '../lib/words.js';

export const w = vocabulary({
  title: { zh: '客流', en: 'Flow' },
  skip: { zh: '跳到内容', en: 'Skip to content' },
  views: { zh: '时间范围', en: 'Time' },
  now: { zh: '现在', en: 'Now' },
  day: { zh: '日', en: 'Day' },
  today: { zh: '今日', en: 'Today' },
  week: { zh: '周', en: 'Week' },
  earlier: { zh: '前一天', en: 'The day before' },
  later: { zh: '后一天', en: 'The day after' },
  date: { zh: '日期', en: 'Date' },
  export: { zh: '导出', en: 'Export' },
  close: { zh: '关闭', en: 'Close' },
  inPark: { zh: '当前在园', en: 'In the park now' },
  inParkShort: { zh: '在园', en: 'In the park' },
  persons: { zh: '人', en: 'people' },
  visits: { zh: '人次', en: 'visits' },
  times: { zh: '次', en: 'times' },
  perMin: { zh: '人/分', en: 'per min' },
  entries: { zh: '入园', en: 'Entries' },
  exits: { zh: '出园', en: 'Exits' },
  entriesToday: { zh: '今日入园', en: 'Entries today' },
  exitsToday: { zh: '今日出园', en: 'Exits today' },
  inPerMin: { zh: '入园速度', en: 'Coming in' },
  outPerMin: { zh: '出园速度', en: 'Going out' },
  peakSoFar: { zh: '今日最高在园', en: 'Peak so far' },
  peak: { zh: '最高在园', en: 'Peak in the park' },
  atTime: { zh: '{time} 达到', en: 'at {time}' },
  refusedToday: { zh: '今日拒绝', en: 'Refused today' },
  refused: { zh: '拒绝', en: 'Refused' },
  ofCapacity: { zh: '承载量 {capacity} 人的 {percent}，还可容纳 {room} 人', en: '{percent} of {capacity} allowed, room for {room} more' },
  overCapacity: { zh: '承载量 {capacity} 人的 {percent}', en: '{percent} of {capacity} allowed' },
  noCapacity: { zh: '未设承载量', en: 'No capacity set' },
  level_normal: { zh: '正常', en: 'Normal' },
  level_announce: { zh: '预警', en: 'Nearing full' },
  level_slow: { zh: '限流', en: 'Slow entry' },
  level_full: { zh: '已满', en: 'Full' },
  versusNow: { zh: '入园比上{weekday}此时 {delta}（{before} 人次）', en: 'Entries {delta} against last {weekday} by now ({before})' },
  versusDay: { zh: '比上{weekday} {delta}（{before} 人次）', en: '{delta} against the {weekday} before ({before})' },
  versusWeek: { zh: '比前七天 {delta}（{before} 人次）', en: '{delta} against the seven days before ({before})' },
  noVersus: { zh: '上周同日没有记录，暂无对比', en: 'No record of the same day last week to compare with' },
  same: { zh: '持平', en: 'no change' },
  gates: { zh: '各门现在', en: 'Gates now' },
  lastMinute: { zh: '最近 60 秒，人', en: 'people in the last 60 seconds' },
  crowded: { zh: '{gate} 最繁忙：每分钟 {n} 人，平均每条通道 {each} 人', en: '{gate} is busiest: {n} people a minute, {each} per lane' },
  calm: { zh: '各门都很空闲', en: 'No gate is busy' },
  gateIn: { zh: '入 {n}', en: 'in {n}' },
  gateOut: { zh: '出 {n}', en: 'out {n}' },
  lanesDown: { zh: '{n} 条通道停用', en: '{n} lanes out' },
  laneDown: { zh: '1 条通道停用', en: '1 lane out' },
  refusedMany: { zh: '拒 {n}', en: '{n} refused' },
  noGates: { zh: '尚未设置门', en: 'No gates set up' },
  perQuarter: { zh: '人次 / 15 分钟', en: 'visits per 15 minutes' },
  lastWeek: { zh: '上周同日', en: 'Last week' },
  forecast: { zh: '预测', en: 'Forecast' },
  peakExpected: { zh: '预计 {time} 达到最高在园 {n} 人（{share}）', en: 'Peak of {n} people expected at {time} ({share})' },
  peakExpectedPlain: { zh: '预计 {time} 达到最高在园 {n} 人', en: 'Peak of {n} people expected at {time}' },
  peakOver: { zh: '今日最高在园应已过去（{time}，{n} 人）', en: 'The peak of today should be over ({n} people at {time})' },
  noForecast: { zh: '历史不足，尚无预测', en: 'Not enough history to forecast yet' },
  noEntries: { zh: '今日尚无人入园', en: 'Nobody has come in yet today' },
  ridgeLabel: { zh: '每刻钟入园人次', en: 'Entries by quarter hour' },
  areas: { zh: '各区域', en: 'Areas' },
  areasUnit: { zh: '在区人数 / 承载量', en: 'people / capacity' },
  noAreas: { zh: '尚未设置区域', en: 'No areas set up' },
  alarms: { zh: '告警', en: 'Alarms' },
  noAlarms: { zh: '当前无告警', en: 'All quiet, no alarms' },
  moreAlarms: { zh: '另有 {n} 条', en: '{n} more' },
  toOps: { zh: '去处理', en: 'To operations' },
  asOf: { zh: '{time} 的数据', en: 'as of {time}' },
  loading: { zh: '正在取得数据', en: 'Getting the figures' },
  stale: { zh: '服务器没有回应。这是 {age}前的画面，正在重试。', en: 'The server does not answer. This is the picture of {age} ago; trying again.' },
  never: { zh: '服务器没有回应，正在重试。', en: 'The server does not answer; trying again.' },
  forbidden: { zh: '此账号不能查看客流历史（需要经理、值班员、财务或审计角色）。“现在”仍可查看。', en: 'This login may not see the history (it takes manager, operator, finance or auditor). “Now” can still be seen.' },
  refusal: { zh: '服务器拒绝了请求：{why}', en: 'The server refused: {why}' },
  partly: { zh: '部分数据暂时无法取得。', en: 'Some figures could not be had just now.' },
  emptyToday: { zh: '今天还没有人入园', en: 'Nobody has come in yet today' },
  emptyTodayWhy: { zh: '第一位游客过闸后，这里就有数字。', en: 'The figures begin with the first visitor.' },
  emptyDay: { zh: '{day} 没有记录', en: 'Nothing on record for {day}' },
  emptyDayWhy: { zh: '程序当天没有运行，或没有人入园。', en: 'The program did not run that day, or nobody came.' },
  emptyWeek: { zh: '这两周没有记录', en: 'Nothing on record for these two weeks' },
  notYetWhy: { zh: '程序运行过的日子会出现在这里。', en: 'The days that the program runs through will stand here.' },
  others: { zh: '其余 {n} 项', en: '{n} others' },
  noRows: { zh: '暂无记录', en: 'Nothing yet' },
  curve: { zh: '在园与出入', en: 'In the park, in and out' },
  capacity: { zh: '承载量', en: 'Capacity' },
  capacityShare: { zh: '最高占承载量', en: 'Peak share of capacity' },
  above80: { zh: '超过 80% 的时间', en: 'Time above 80%' },
  minutes: { zh: '分钟', en: 'min' },
  reentries: { zh: '二次入园', en: 'Re-entries' },
  notTaken: { zh: '放行未通过', en: 'Opened, not passed' },
  byGate: { zh: '各门', en: 'By gate' },
  inOutUnit: { zh: '入 / 出，人次', en: 'in / out, visits' },
  peakAndShare: { zh: '最高人数与占比', en: 'peak and share' },
  ofWhole: { zh: '占 {percent}', en: '{percent}' },
  byClass: { zh: '票种', en: 'Ticket classes' },
  byChannel: { zh: '渠道', en: 'Channels' },
  byProduct: { zh: '产品', en: 'Products' },
  byReason: { zh: '拒绝原因', en: 'Why refused' },
  entriesUnit: { zh: '入园人次', en: 'entries' },
  timesN: { zh: '共 {n} 次', en: '{n} in all' },
  noDenials: { zh: '无拒绝', en: 'Nobody was refused' },
  dwell: { zh: '停留时间', en: 'Time in the park' },
  dwellN: { zh: '{n} 位已出园游客', en: '{n} visitors who left' },
  median: { zh: '中位数', en: 'Median' },
  p90: { zh: '九成不超过', en: 'Nine in ten up to' },
  noDwell: { zh: '还没有人出园', en: 'Nobody has left yet' },
  dwellLabel: { zh: '停留时间分布', en: 'How long visitors stayed' },
  hours: { zh: '{n} 小时', en: '{n} h' },
  devices: { zh: '设备可用率', en: 'Devices available' },
  availability: { zh: '可用率', en: 'Availability' },
  availabilityUnit: { zh: '在线时间占比', en: 'share of time online' },
  device: { zh: '最差的设备', en: 'Least available' },
  offline: { zh: '离线', en: 'Offline' },
  allUp: { zh: '全部设备一直在线', en: 'Every device was online throughout' },
  noDevices: { zh: '没有设备的记录', en: 'No devices on record' },
  expected: { zh: '预计', en: 'Expected' },
  came: { zh: '实际', en: 'Came' },
  expectedEntries: { zh: '预计全天入园', en: 'Entries expected' },
  expectedPeak: { zh: '预计最高在园', en: 'Peak expected' },
  usualError: { zh: '以往误差', en: 'Usual error' },
  errorNote: { zh: '同一时刻的预测，平均', en: 'mean of forecasts made at this hour' },
  soldToday: { zh: '已售今日票', en: 'Sold for today' },
  madeAt: { zh: '{time} 作出', en: 'made at {time}' },
  fromDays: { zh: '依据 {n} 天的历史', en: 'from {n} days of history' },
  offBy: { zh: '偏差 {percent}', en: 'off by {percent}' },
  forecastCheck: { zh: '预测准不准', en: 'Forecast against what came' },
  meanError: { zh: '平均误差 {percent}', en: 'mean error {percent}' },
  dayEntries: { zh: '人次入园', en: 'entries' },
  sevenDays: { zh: '人次，七天入园', en: 'entries in seven days' },
  sevenUntil: { zh: '{from} 至 {to}', en: '{from} to {to}' },
  perDay: { zh: '日均', en: 'A day' },
  best: { zh: '最多的一天', en: 'Busiest day' },
  refusedShare: { zh: '拒绝率', en: 'Refused' },
  ofTries: { zh: '{n} 次', en: '{n} times' },
  byDay: { zh: '每日入园', en: 'Entries by day' },
  byDayUnit: { zh: '人次，点按查看当日', en: 'visits; tap for the day' },
  heat: { zh: '小时 × 星期', en: 'Hour × weekday' },
  heatOf: { zh: '{weeks} 周平均，{days} 天', en: 'mean of {weeks} weeks, {days} days' },
  heatLabel: { zh: '各小时各星期的平均人数', en: 'Mean people by hour and weekday' },
  dayByDay: { zh: '逐日', en: 'Day by day' },
  from: { zh: '从', en: 'From' },
  to: { zh: '到（含）', en: 'To (included)' },
  bucket: { zh: '间隔', en: 'Every' },
  b5m: { zh: '5 分钟', en: '5 minutes' },
  b15m: { zh: '15 分钟', en: '15 minutes' },
  b1h: { zh: '1 小时', en: 'hour' },
  b1d: { zh: '1 天', en: 'day' },
  by: { zh: '按', en: 'By' },
  by_site: { zh: '全园', en: 'the whole park' },
  by_area: { zh: '区域', en: 'area' },
  by_gate: { zh: '门', en: 'gate' },
  by_lane: { zh: '通道', en: 'lane' },
  by_product: { zh: '产品', en: 'product' },
  by_class: { zh: '票种', en: 'ticket class' },
  by_channel: { zh: '渠道', en: 'channel' },
  what_flow: { zh: '客流', en: 'Flow' },
  what_denies: { zh: '拒绝', en: 'Refusals' },
  what_devices: { zh: '设备可用率', en: 'Device availability' },
  wrongRange: { zh: '开始日期不能晚于结束日期。', en: 'The first day must not come after the last.' },
  tooFine: { zh: '间隔太细：最多 10,000 行时间，请选更长的间隔或更短的日期。', en: 'Too fine: at most 10,000 steps of time. Choose longer steps or fewer days.' },
});

const CHANNELS = Object.freeze({
  direct: { zh: '直销', en: 'Direct' },
  kiosk: { zh: '自助机', en: 'Kiosk' },
  counter: { zh: '售票窗口', en: 'Ticket counter' },
  window: { zh: '售票窗口', en: 'Ticket counter' },
  handheld: { zh: '手持机', en: 'Handheld' },
  online: { zh: '官网与小程序', en: 'Own website' },
  ota: { zh: 'OTA 平台', en: 'Travel platforms' },
  agency: { zh: '旅行社', en: 'Agencies' },
  import: { zh: '批量导入', en: 'Imported' },
  unknown: { zh: '未知', en: 'Unknown' },
});

/** @param {string} code */
export const channelName = (code) =>
  Object.hasOwn(CHANNELS, code) ? CHANNELS[/** @type {keyof typeof CHANNELS} */ (code)][spoken()] : code;

/** A business date as people say it. @param {string} iso 2026-11-22 @param {Intl.DateTimeFormatOptions} [how] */
export function dayName(iso, how = { weekday: 'short', month: 'short', day: 'numeric' }) {
  const at = Date.parse(`${iso}T00:00:00Z`);
  return Number.isNaN(at) ? iso : new Intl.DateTimeFormat(tag(), { timeZone: 'UTC', ...how }).format(at);
}

/** @param {string} iso */
export const weekday = (iso) => dayName(iso, { weekday: 'long' });

/** The time of day of an RFC 3339 text, which is in the site's zone already. @param {string} text */
export const timeOf = (text) => text.slice(11, 16);

/** So many days later. @param {string} iso @param {number} days */
export const plusDays = (iso, days) =>
  new Date(Date.parse(`${iso}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);

/** How much more or less, as a share. @param {number} now @param {number} then */
export function delta(now, then) {
  const share = Math.round(((now - then) / then) * 100);
  if (share === 0) return w('same');
  return share > 0 ? `▲ ${number(share)}%` : `▼ ${number(-share)}%`;
}

/** @param {number} minutes a length of time */
export function length(minutes) {
  const [h, m] = [Math.floor(minutes / 60), Math.round(minutes % 60)];
  if (spoken() === 'zh') return h ? `${h} 小时 ${m} 分` : `${m} 分钟`;
  return h ? `${h} h ${m} min` : `${m} min`;
}
