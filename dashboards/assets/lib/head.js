// The head of the light and dark pages: name of the site, the three pages, language, light or dark,
// login. Built into `<header id="head">`; under 56rem the links stand in a menu.

import { byId, make, mark, write } from './dom.js';
import { chooseLang, speak, spoken } from './i18n.js';
import { held, logOut } from './session.js';
import { isDark, onTheme, switchTheme } from './theme.js';
import { label, vocabulary } from './words.js';

/** @typedef {'home' | 'flow' | 'ops' | 'login'} Page */

const w = vocabulary({});
const PAGES = /** @type {const} */ ([['wall', '/wall'], ['flow', '/flow'], ['ops', '/ops']]);

/** A drawn sign, 24 × 24, in the colour of the text. @param {string} d @param {string} [box] */
export function sign(d, box = '0 0 24 24') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', box);
  svg.setAttribute('class', 'sign');
  svg.setAttribute('aria-hidden', 'true');
  for (const part of d.split('|')) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', part);
    svg.append(path);
  }
  return svg;
}

const GATE = 'M2 38 17 8l8 14 6-9 15 25|M19 38V27h10v11';
const MENU = 'M4 7h16M4 12h16M4 17h16';

/**
 * Builds the head and chooses the language.
 * @param {Page} page which page this is
 * @param {() => void} relabel writes what the page's own code wrote, after a change of language
 * @returns {{name: (text: string) => void, status: HTMLElement}} to tell the site's name; a place
 *   for the state of the connection
 */
export function head(page, relabel) {
  const root = byId('head');
  const name = make('b', 'site');
  const mountain = sign(GATE, '0 0 48 40');
  mountain.classList.add('mark');
  const home = make('a', 'home', mountain, name);
  home.href = '/';
  const status = make('p', 'status');
  status.setAttribute('role', 'status');
  const links = PAGES.map(([id, path]) => {
    const link = make('a', '');
    link.href = path;
    link.dataset.w = id;
    if (id === page) link.setAttribute('aria-current', 'page');
    return link;
  });
  const nav = make('nav', '', ...links);
  nav.dataset.wLabel = 'pages';
  const lang = make('button', 'quiet');
  const theme = make('button', 'quiet');
  const login = make('button', 'quiet');
  for (const button of [lang, theme, login]) button.type = 'button';
  lang.id = 'lang';
  theme.id = 'theme';
  login.id = 'login-state';
  lang.dataset.w = 'otherLang';
  const panel = make('div', 'panel', nav, lang, theme, login);
  panel.id = 'menu-panel';
  const menu = make('button', 'quiet menu', sign(MENU));
  menu.type = 'button';
  menu.dataset.wLabel = 'menu';
  menu.setAttribute('aria-controls', panel.id);
  root.classList.add('top');
  root.append(home, status, menu, panel);

  const open = (/** @type {boolean} */ wanted) => {
    mark(root, 'open', String(wanted));
    menu.setAttribute('aria-expanded', String(wanted));
  };
  open(false);
  menu.addEventListener('click', () => open(root.dataset.open !== 'true'));
  root.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || root.dataset.open !== 'true') return;
    open(false);
    menu.focus();
  });
  document.addEventListener('pointerdown', (event) => {
    if (event.target instanceof Node && !root.contains(event.target)) open(false);
  });

  const say = () => {
    label();
    lang.lang = spoken() === 'zh' ? 'en' : 'zh-CN';
    write(theme, w(isDark() ? 'toLight' : 'toDark'));
    const who = held();
    login.hidden = page === 'login';
    // Nobody sees these two without a login.
    write(login, who || page === 'flow' || page === 'ops' ? w('logOut') : w('logIn'));
    login.title = who ? `${who.user} · ${who.roles.map((role) => w(`role_${role}`)).join(' ')}` : '';
    relabel();
  };
  lang.addEventListener('click', () => {
    speak(spoken() === 'zh' ? 'en' : 'zh');
    say();
  });
  theme.addEventListener('click', switchTheme);
  onTheme(() => write(theme, w(isDark() ? 'toLight' : 'toDark')));
  const leave = async () => {
    if (!(await logOut(page === 'home' ? '/' : '/login'))) write(login, w('stillIn'));
  };
  login.addEventListener('click', () => {
    if (page === 'home' && !held()) location.assign('/login');
    else void leave();
  });
  chooseLang();
  // After the page's own set-up, which comes after this call.
  queueMicrotask(say);
  return { name: (text) => write(name, text), status };
}
