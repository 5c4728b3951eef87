// Every word of the pages in both languages, and which one is spoken. The lines of the reasons
// come from the server's own table (reasons.js); nothing here repeats them.

import { reasons } from '../reasons.js';

/** @typedef {'zh' | 'en'} Lang */
/** @typedef {Readonly<{zh: string, en: string}>} Text */

const WORDS = Object.freeze({
  title: { zh: '实时大屏', en: 'Live wall' },
  otherLang: { zh: 'English', en: '中文' },
  inPark: { zh: '当前在园', en: 'In the park now' },
  people: { zh: '人', en: 'people' },
  visits: { zh: '人次', en: 'visits' },
  entriesToday: { zh: '今日入园', en: 'Entries today' },
  exitsToday: { zh: '今日出园', en: 'Exits today' },
  thisHour: { zh: '本小时入园', en: 'Entries this hour' },
  inPerMin: { zh: '入园速度', en: 'Coming in' },
  outPerMin: { zh: '出园速度', en: 'Going out' },
  perMin: { zh: '人/分', en: 'per min' },
  ofCapacity: { zh: '承载量 {capacity} 人的 {percent}', en: '{percent} of {capacity} allowed' },
  noCapacity: { zh: '未设承载量', en: 'No capacity set' },
  areas: { zh: '各区域', en: 'Areas' },
  areasUnit: { zh: '在区人数 / 承载量', en: 'people / capacity' },
  noAreas: { zh: '尚未设置区域', en: 'No areas set up' },
  moreAreas: { zh: '另有 {n} 个区域', en: '{n} more areas' },
  gates: { zh: '各门', en: 'Gates' },
  gatesUnit: { zh: '最近 60 秒', en: 'last 60 seconds' },
  gate: { zh: '门', en: 'Gate' },
  colIn: { zh: '入 人/分', en: 'In /min' },
  colOut: { zh: '出 人/分', en: 'Out /min' },
  colDenied: { zh: '拒 次/分', en: 'Refused' },
  lanes: { zh: '通道', en: 'Lanes' },
  noGates: { zh: '尚未设置门', en: 'No gates set up' },
  moreGates: { zh: '其余 {n} 个门', en: '{n} other gates' },
  lanesOpen: { zh: '开 {n}', en: '{n} open' },
  lanesClosed: { zh: '关 {n}', en: '{n} closed' },
  lanesFault: { zh: '故障 {n}', en: '{n} fault' },
  lanesOffline: { zh: '离线 {n}', en: '{n} offline' },
  lanesUnassigned: { zh: '未配 {n}', en: '{n} unassigned' },
  curve: { zh: '今日入园', en: 'Entries today' },
  curveUnit: { zh: '人次 / 15 分钟', en: 'visits per 15 minutes' },
  peak: { zh: '最高 {n} · {time}', en: 'Peak {n} at {time}' },
  curveLabel: { zh: '今日每刻钟入园人次曲线', en: 'Entries today by quarter hour' },
  noEntries: { zh: '今日尚无人入园', en: 'Nobody has come in yet today' },
  ticker: { zh: '实时通行', en: 'At the gates' },
  tickerUnit: { zh: '最新在上', en: 'newest first' },
  noPassages: { zh: '等待第一位游客', en: 'Waiting for the first visitor' },
  in: { zh: '入', en: 'IN' },
  out: { zh: '出', en: 'OUT' },
  no: { zh: '拒', en: 'NO' },
  notTaken: { zh: '已放行，未通过', en: 'Opened, nobody passed' },
  persons: { zh: '×{n}', en: '×{n}' },
  denials: { zh: '今日拒绝原因', en: 'Refused today' },
  noDenials: { zh: '今日无拒绝', en: 'Nobody refused today' },
  times: { zh: '{n} 次', en: '{n}' },
  classes: { zh: '今日票种', en: 'Ticket classes today' },
  alarms: { zh: '告警', en: 'Alarms' },
  noAlarms: { zh: '当前无告警', en: 'All quiet, no alarms' },
  moreAlarms: { zh: '另有 {n} 条', en: '{n} more' },
  since: { zh: '已 {age}', en: 'for {age}' },
  health: { zh: '运行', en: 'System' },
  devices: { zh: '在线设备', en: 'Devices online' },
  p50: { zh: '判票 p50', en: 'Answer p50' },
  p99: { zh: '判票 p99', en: 'Answer p99' },
  glass: { zh: '记账到上屏', en: 'To glass' },
  live: { zh: '实时', en: 'Live' },
  connecting: { zh: '正在连接', en: 'Connecting' },
  reconnecting: { zh: '正在重连', en: 'Reconnecting' },
  age: { zh: '{age}前', en: '{age} ago' },
  dead: { zh: '数据中断', en: 'NO LIVE DATA' },
  deadSince: {
    zh: '画面停留在 {time}，不是当前情况 · 正在重连（第 {n} 次）',
    en: 'The picture is of {time}, not of now · reconnecting (attempt {n})',
  },
  deadNever: { zh: '尚未收到数据 · 正在重连（第 {n} 次）', en: 'Nothing received yet · reconnecting (attempt {n})' },
  loading: { zh: '正在取得园区现状', en: 'Getting the state of the park' },
  level_normal: { zh: '正常', en: 'Normal' },
  level_announce: { zh: '预警', en: 'Nearing full' },
  level_slow: { zh: '限流', en: 'Slow entry' },
  level_full: { zh: '已满', en: 'Full' },
  stopSales: { zh: '停售', en: 'sales stopped' },
  override: { zh: '放行至 {time}', en: 'let in until {time}' },
});

const CLASSES = Object.freeze({
  adult: { zh: '成人', en: 'Adult' },
  senior: { zh: '老人', en: 'Senior' },
  child: { zh: '儿童', en: 'Child' },
  student: { zh: '学生', en: 'Student' },
  military: { zh: '军人', en: 'Military' },
  disabled: { zh: '残疾人', en: 'Disabled' },
  guide: { zh: '导游', en: 'Guide' },
  staff: { zh: '员工', en: 'Staff' },
  group: { zh: '团体', en: 'Group' },
  pass: { zh: '年卡次卡', en: 'Pass' },
  vehicle: { zh: '车辆', en: 'Vehicle' },
});

const ALARMS = Object.freeze({
  device_offline: { zh: '设备离线', en: 'Device offline' },
  grant_silent: { zh: '放行后无回报', en: 'No word after a grant' },
  emergency: { zh: '紧急放行，全部闸门开启', en: 'Emergency: every lane is open' },
  conflict: { zh: '同一门票两处通行', en: 'One ticket passed twice' },
  counter_drift: { zh: '通道计数不符', en: 'Counters do not match passages' },
  clone: { zh: '设备编号重复', en: 'Two machines under one id' },
  area_level: { zh: '接近承载量', en: 'Close to capacity' },
  clock_off: { zh: '设备时钟不准', en: 'Clock is off' },
  jam: { zh: '闸机卡住', en: 'Barrier jammed' },
  tailgating: { zh: '尾随', en: 'Tailgating' },
  reverse: { zh: '反向通行', en: 'Passed the wrong way' },
  forced: { zh: '强行通过', en: 'Forced through' },
  climb: { zh: '翻越', en: 'Climbed over' },
  loiter: { zh: '通道内逗留', en: 'Loitering in the lane' },
  held: { zh: '闸门被挡', en: 'Barrier held open' },
  tamper: { zh: '设备被拆动', en: 'Tampered with' },
  fire: { zh: '消防信号', en: 'Fire signal' },
  fault: { zh: '设备故障', en: 'Device fault' },
  low_paper: { zh: '纸张不足', en: 'Paper low' },
  no_paper: { zh: '缺纸', en: 'No paper' },
  cover_open: { zh: '机盖未关', en: 'Cover open' },
});

/** @typedef {keyof typeof WORDS} Word */

/** @type {Lang} */
let lang = 'zh';

/** @returns {Lang} the language spoken now */
export function spoken() {
  return lang;
}

/** @returns {string} its BCP 47 tag */
export function tag() {
  return lang === 'zh' ? 'zh-CN' : 'en';
}

/** Chooses the language: the address first, then what was chosen last, then the browser's. */
export function chooseLang() {
  const asked = new URLSearchParams(location.search).get('lang');
  let kept = null;
  try {
    kept = localStorage.getItem('shanmen-lang');
  } catch {
    // A browser that keeps nothing still shows the page.
  }
  const wanted = asked ?? kept ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');
  speak(wanted.startsWith('zh') ? 'zh' : 'en');
}

/** @param {Lang} wanted */
export function speak(wanted) {
  lang = wanted;
  try {
    localStorage.setItem('shanmen-lang', wanted);
  } catch {
    // As above.
  }
  document.documentElement.lang = tag();
  for (const node of document.querySelectorAll('[data-t]')) {
    if (node instanceof HTMLElement) node.textContent = t(/** @type {Word} */ (node.dataset.t));
  }
}

/**
 * @param {Word} word
 * @param {Record<string, string | number>} [values] for its {places}
 * @returns {string}
 */
export function t(word, values) {
  const line = WORDS[word][lang];
  return values ? line.replace(/\{(\w+)\}/g, (_, name) => String(values[name])) : line;
}

/** @param {Text} text a text that the feed brings in both languages */
export function say(text) {
  return text[lang] || text.zh || text.en;
}

/** @param {string} code */
const plain = (code) => code.replaceAll('_', ' ');

/** @param {Readonly<Record<string, Text>>} table @param {string} code */
const name = (table, code) => (Object.hasOwn(table, code) ? table[code][lang] : plain(code));

/** @param {string} code */
export const reasonName = (code) => name(reasons, code);
/** @param {string} code */
export const className = (code) => name(CLASSES, code);
/** @param {string} code */
export const alarmName = (code) => name(ALARMS, code);
