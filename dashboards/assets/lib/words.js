// Words of the light and dark pages: the ones that all share, and the way for a page to bring its
// own. The language itself is i18n.js's; labels in HTML say which word they are by `data-w`.

import { spoken } from './i18n.js';

/** @typedef {import('./i18n.js').Text} Text */

const SHARED = Object.freeze({
  brand: { zh: '山门', en: 'Shanmen' },
  wall: { zh: '大屏', en: 'Wall' },
  flow: { zh: '客流', en: 'Flow' },
  ops: { zh: '运维', en: 'Operations' },
  home: { zh: '首页', en: 'Home' },
  pages: { zh: '页面', en: 'Pages' },
  menu: { zh: '菜单', en: 'Menu' },
  otherLang: { zh: 'English', en: '中文' },
  toDark: { zh: '深色', en: 'Dark' },
  toLight: { zh: '浅色', en: 'Light' },
  logIn: { zh: '登录', en: 'Log in' },
  logOut: { zh: '退出登录', en: 'Log out' },
  stillIn: { zh: '未能退出，请重试', en: 'Not logged out, try again' },
  live: { zh: '实时', en: 'Live' },
  connecting: { zh: '正在连接', en: 'Connecting' },
  reconnecting: { zh: '正在重连', en: 'Reconnecting' },
  ago: { zh: '{age}前', en: '{age} ago' },
  away: { zh: '服务器没有回应', en: 'The server does not answer' },
  retry: { zh: '重试', en: 'Try again' },
  needsScript: { zh: '本页需要 JavaScript', en: 'This page needs JavaScript' },
  role_viewer: { zh: '观看者', en: 'viewer' },
  role_admin: { zh: '管理员', en: 'admin' },
  role_operator: { zh: '值班员', en: 'operator' },
  role_manager: { zh: '经理', en: 'manager' },
  role_seller: { zh: '售票员', en: 'seller' },
  role_finance: { zh: '财务', en: 'finance' },
  role_auditor: { zh: '审计', en: 'auditor' },
  'role_device-admin': { zh: '设备管理员', en: 'device admin' },
});

/** @type {((node: HTMLElement) => void)[]} */
const labellers = [];

/**
 * Adds a page's words. Gives the function that says one of them, with its {places} filled.
 * @template {Readonly<Record<string, Text>>} Table
 * @param {Table} table
 * @returns {(word: keyof Table | keyof typeof SHARED, values?: Record<string, string | number>) => string}
 */
export function vocabulary(table) {
  /** @type {Readonly<Record<string, Text>>} */
  const words = { ...SHARED, ...table };
  /** @param {PropertyKey} word @param {Record<string, string | number>} [values] */
  const say = (word, values) => {
    const text = words[String(word)];
    if (!text) throw new Error(`no words for ${String(word)}`);
    const line = text[spoken()];
    return values ? line.replace(/\{(\w+)\}/g, (_, name) => String(values[name])) : line;
  };
  labellers.push((node) => {
    const { w } = node.dataset;
    if (w && Object.hasOwn(words, w)) node.textContent = say(w);
    const { wLabel } = node.dataset;
    if (wLabel && Object.hasOwn(words, wLabel)) node.setAttribute('aria-label', say(wLabel));
  });
  return say;
}

/** Writes all labels that stand in the HTML, in the language spoken now. @param {ParentNode} [root] */
export function label(root = document) {
  for (const node of root.querySelectorAll('[data-w], [data-w-label]')) {
    if (!(node instanceof HTMLElement)) continue;
    for (const write of labellers) write(node);
  }
}
