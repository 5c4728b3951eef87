// The login page: asks for user and password, says plainly what went wrong, and leads on to the
// page that was wanted, if it is one of ours. Keeps no token: the server sets a cookie.

import { Away, Problem, ask, session } from '../lib/api.js';
import { byId, write } from '../lib/dom.js';
import { head } from '../lib/head.js';
import { say } from '../lib/i18n.js';
import { held, forget, remember, safeNext } from '../lib/session.js';
import { vocabulary } from '../lib/words.js';

const w = vocabulary({
  user: { zh: '用户名', en: 'User' },
  password: { zh: '密码', en: 'Password' },
  show: { zh: '显示', en: 'Show' },
  hide: { zh: '隐藏', en: 'Hide' },
  why_plain: { zh: '', en: '' },
  why_flow: { zh: '登录后查看客流。', en: 'Log in to see the flow of visitors.' },
  why_ops: { zh: '登录后进入运维。', en: 'Log in to go on to operations.' },
  missing: { zh: '请填写用户名和密码。', en: 'Type the user and the password.' },
  wrong: { zh: '用户名或密码不对。', en: 'Wrong user or password.' },
  tooMany: { zh: '错误次数过多，请在 {n} 秒后重试。', en: 'Too many wrong attempts. Try again in {n} s.' },
  gone: { zh: '服务器没有回应。请检查网络，稍后再试。', en: 'The server does not answer. Check the network and try again.' },
  busy: { zh: '登录请求过多，请稍候再试。', en: 'Too many logins at once. Try again in a moment.' },
  firstTime: { zh: '第一次登录？', en: 'First time here?' },
  firstHint: {
    zh: '程序第一次启动时生成管理员账号 admin，密码在启动时显示一次，并保存在服务器的数据目录中，直到被修改：',
    en: 'The first start makes the user admin. Its password is printed once, and stays in the data folder of the server until it is changed:',
  },
  firstDemo: {
    zh: '演示模式（--demo）还会在启动时打印一个演示账号。',
    en: 'With --demo a second login is printed at the start: Demo login.',
  },
  going: { zh: '正在登录', en: 'Logging in' },
});

const next = safeNext(new URLSearchParams(location.search).get('next'));
const form = /** @type {HTMLFormElement} */ (byId('form'));
const user = /** @type {HTMLInputElement} */ (byId('user'));
const password = /** @type {HTMLInputElement} */ (byId('password'));
const show = byId('show');
const go = /** @type {HTMLButtonElement} */ (byId('go'));
const wrong = byId('wrong');
const first = /** @type {HTMLDetailsElement} */ (byId('first'));

/** What is told below the fields, in the language spoken. @type {() => string} */
let told = () => '';
/** Until when nothing is tried (performance.now). */
let blockedUntil = 0;
let busy = false;
/** @type {import('../lib/i18n.js').Text | null} */
let site = null;

const page = head('login', relabel);

function relabel() {
  document.title = `${w('logIn')} · ${site ? say(site) : '山门 Shanmen'}`;
  page.name(site ? say(site) : w('brand'));
  write(byId('why'), w(next.startsWith('/flow') ? 'why_flow' : next.startsWith('/ops') ? 'why_ops' : 'why_plain'));
  write(show, w(password.type === 'password' ? 'show' : 'hide'));
  tell();
}

function tell() {
  const left = Math.ceil((blockedUntil - performance.now()) / 1000);
  if (blockedUntil > 0 && left <= 0) {
    blockedUntil = 0;
    told = () => '';
  }
  go.disabled = busy || blockedUntil > 0;
  write(go, w(busy ? 'going' : 'logIn'));
  const text = blockedUntil > 0 ? w('tooMany', { n: left }) : told();
  wrong.hidden = text === '';
  write(wrong, text);
}

/** @param {unknown} error */
function explain(error) {
  if (!(error instanceof Problem)) {
    told = () => (error instanceof Away ? w('gone') : String(error));
  } else if (error.status === 401) {
    told = () => w('wrong');
    first.open = true;
    password.setAttribute('aria-invalid', 'true');
    password.focus();
    password.select();
  } else if (error.status === 429) {
    blockedUntil = performance.now() + Math.max(1, error.retryS) * 1000;
  } else if (error.status === 503) {
    told = () => w('busy');
  } else {
    told = () => error.message;
  }
}

async function logIn() {
  password.removeAttribute('aria-invalid');
  if (!user.value.trim() || !password.value) {
    told = () => w('missing');
    (user.value.trim() ? password : user).focus();
    return tell();
  }
  busy = true;
  told = () => '';
  tell();
  try {
    const name = user.value.trim();
    const { roles, expires } = await ask('/api/v1/login', { body: { user: name, password: password.value }, stay: true });
    remember({ user: name, roles, expires });
    location.replace(next);
  } catch (error) {
    busy = false;
    explain(error);
    tell();
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (!go.disabled) void logIn();
});
show.addEventListener('click', () => {
  const hidden = password.type === 'password';
  password.type = hidden ? 'text' : 'password';
  show.setAttribute('aria-pressed', String(hidden));
  write(show, w(hidden ? 'hide' : 'show'));
  password.focus();
});
setInterval(() => blockedUntil > 0 && tell(), 250);
// Who has never logged in with this browser may need to be told where the first login is.
first.open = !held() && !document.referrer;
user.focus();

/** Whoever is logged in already need not do it again. */
async function goOn() {
  if (!held()) return;
  const state = await session();
  if (state === 'good') location.replace(next);
  else if (state === 'over') forget();
}
void goOn();

/** The site's name, where anyone may watch. */
async function nameSite() {
  try {
    const park = await ask('/api/v1/feed/snapshot', { nameless: true, stay: true });
    site = park.site.name;
    relabel();
  } catch {
    // The program's own name stays.
  }
}
void nameSite();
