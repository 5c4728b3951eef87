// The channels that tickets are sold through, as people call them: for the wall and the managers' page.

import { spoken } from './i18n.js';

const CHANNELS = Object.freeze({
  direct: { zh: '直销', en: 'Direct' },
  window: { zh: '窗口', en: 'Ticket window' },
  counter: { zh: '窗口', en: 'Ticket window' },
  kiosk: { zh: '自助机', en: 'Kiosk' },
  handheld: { zh: '手持机', en: 'Handheld' },
  web: { zh: '官网', en: 'Web site' },
  online: { zh: '线上', en: 'Online' },
  app: { zh: '官方应用', en: 'App' },
  wechat: { zh: '微信', en: 'WeChat' },
  alipay: { zh: '支付宝', en: 'Alipay' },
  miniapp: { zh: '小程序', en: 'Mini program' },
  'mini-program': { zh: '小程序', en: 'Mini program' },
  ota: { zh: '在线旅行社', en: 'Online agency' },
  ctrip: { zh: '携程', en: 'Ctrip' },
  meituan: { zh: '美团', en: 'Meituan' },
  fliggy: { zh: '飞猪', en: 'Fliggy' },
  douyin: { zh: '抖音', en: 'Douyin' },
  agency: { zh: '旅行社', en: 'Travel agency' },
  group: { zh: '团队', en: 'Groups' },
  gate: { zh: '现场', en: 'At the gate' },
  import: { zh: '导入', en: 'Imported' },
  unknown: { zh: '未知', en: 'Unknown' },
  other: { zh: '其他', en: 'Other' },
  none: { zh: '未记录', en: 'Not recorded' },
});

/** @param {string} code of the channel that sold the ticket; a partner's own code is shown as it is */
export function channelName(code) {
  /** @type {Readonly<Record<string, {zh: string, en: string}>>} */
  const table = CHANNELS;
  return Object.hasOwn(table, code) ? table[code][spoken()] : code.replaceAll('_', ' ');
}
