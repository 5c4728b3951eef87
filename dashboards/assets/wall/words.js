// The wall's own words in both languages; what all pages say is in lib/i18n.js. A label in
// wall.html names its word with data-w.

import { spoken } from '../lib/i18n.js';

const WORDS = Object.freeze({
  map: { zh: '园区态势', en: 'The park' },
  mapUnit: { zh: '▶ 入 ◀ 出 人/分 · 每开放道 人次/分 · 一点一人', en: '▶ in ◀ out per min · load per open lane and min · a dot is a person' },
  noMap: { zh: '尚未设置区域和门', en: 'No areas and gates set up' },
  moreOnMap: { zh: '另有 {n} 个门未标注', en: '{n} more gates without a label' },
  refusedHere: { zh: '拒 {n}', en: 'NO {n}' },
  pressure_calm: { zh: '{n}/道', en: '{n}/lane' },
  pressureNone: { zh: '无开放通道', en: 'no lane open' },
  pressure_busy: { zh: '繁忙 {n}/道', en: 'busy {n}' },
  pressure_queue: { zh: '排队 {n}/道', en: 'queue {n}' },
  lane_online: { zh: '开', en: 'open' },
  lane_closed: { zh: '关', en: 'closed' },
  lane_fault: { zh: '故障', en: 'fault' },
  lane_offline: { zh: '离线', en: 'offline' },
  lane_unassigned: { zh: '未配', en: 'unassigned' },
  more: { zh: '▲ {percent} 高于上周', en: '▲ {percent} above last week' },
  fewer: { zh: '▼ {percent} 低于上周', en: '▼ {percent} below last week' },
  same: { zh: '与上周持平', en: 'as last week' },
  wasThen: { zh: '上周此时 {n}', en: 'last week {n}' },
  exitsThisHour: { zh: '本小时出园', en: 'Exits this hour' },
  reentriesToday: { zh: '今日二次入园', en: 'Re-entries today' },
  ofEntries: { zh: '占入园 {percent}', en: '{percent} of entries' },
  sameWeekday: { zh: '对比上周同日此时（{date}）', en: 'against this time last week ({date})' },
  noWeek: { zh: '历史自今日始，满一周后对比', en: 'History begins today; compared in a week' },
  noLastWeek: { zh: '上周同日无记录', en: 'No record of the same day last week' },
  shape: { zh: '24 小时曲线', en: '24 hours' },
  shapeUnit: { zh: '入园 人次 / 15 分钟', en: 'entries per 15 min' },
  seriesToday: { zh: '今日', en: 'Today' },
  seriesLastWeek: { zh: '上周同日', en: 'Same day last week' },
  seriesForecast: { zh: '预测', en: 'Forecast' },
  peakExpected: { zh: '预计高峰 {time} · {n} 人', en: 'Peak expected {time} · {n} people' },
  peakWas: { zh: '高峰 {time} · {n} 人', en: 'Peak {time} · {n} people' },
  plusMinus: { zh: ' ± {percent}', en: ' ± {percent}' },
  peakMark: { zh: '高峰', en: 'peak' },
  forecastLater: { zh: '历史不足，暂无预测', en: 'No forecast yet: too little history' },
  chartAway: { zh: '图表未能载入，正在重试', en: 'The chart did not load; trying again' },
  shapeLabel: { zh: '今日、上周同日与预测的每刻钟入园人次', en: 'Entries by quarter hour: today, the same day last week, and the forecast' },
  channels: { zh: '今日渠道', en: 'Channels today' },
  noChannels: { zh: '尚无渠道记录', en: 'Nothing sold through a channel yet' },
  laneStates: { zh: '通道', en: 'Lanes' },
  emergency: { zh: '紧急放行', en: 'EMERGENCY' },
  emergencyWhat: { zh: '全部闸门开启，请引导游客离园', en: 'Every lane is open: lead visitors out' },
  emergencySince: { zh: '自 {time} 起 · 已 {age}', en: 'since {time} · for {age}' },
  stillInside: { zh: '园内尚有', en: 'Still inside' },
});

/** @typedef {keyof typeof WORDS} WallWord */

/**
 * @param {WallWord} word
 * @param {Record<string, string | number>} [values] for its {places}
 */
export function w(word, values) {
  const line = WORDS[word][spoken()];
  return values ? line.replace(/\{(\w+)\}/g, (_, name) => String(values[name])) : line;
}

/** Writes the labels that the page itself names. */
export function label() {
  for (const node of document.querySelectorAll('[data-w]')) {
    if (node instanceof HTMLElement) node.textContent = w(/** @type {WallWord} */ (node.dataset.w));
  }
}
