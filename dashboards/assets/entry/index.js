// The first page: what this program is watching over, how it is now, and which page is for whom.
// Asks for the feed's snapshot every few seconds while it is seen. Where only those with a login may
// watch, it says so and stands without the figures.

import { Problem, ask } from '../lib/api.js';
import { byId, fill, mark, write } from '../lib/dom.js';
import { age, number, percent, setZone } from '../lib/format.js';
import { say } from '../lib/i18n.js';
import { head } from '../lib/head.js';
import { forget } from '../lib/session.js';
import { vocabulary } from '../lib/words.js';

/** @typedef {import('../lib/state.js').SnapshotFrame} SnapshotFrame */

const RENEW_MS = 5000;
const RETRY_MS = 2000;

const w = vocabulary({
  what: { zh: '闸机控制与客流平台', en: 'Gate control and visitor flow' },
  inPark: { zh: '人在园', en: 'in the park now' },
  entries: { zh: '今日入园', en: 'Entries today' },
  visits: { zh: '人次', en: 'visits' },
  perMin: { zh: '最近一分钟入园', en: 'In during the last minute' },
  persons: { zh: '人', en: 'people' },
  devices: { zh: '在线设备', en: 'Devices online' },
  alarms: { zh: '当前告警', en: 'Alarms now' },
  share: { zh: '承载量 {capacity} 人的 {percent}', en: '{percent} of {capacity} allowed' },
  noCapacity: { zh: '未设承载量', en: 'No capacity set' },
  level_normal: { zh: '正常', en: 'Normal' },
  level_announce: { zh: '预警', en: 'Nearing full' },
  level_slow: { zh: '限流', en: 'Slow entry' },
  level_full: { zh: '已满', en: 'Full' },
  asOf: { zh: '{age}前的数据', en: 'As of {age} ago' },
  closed: { zh: '登录后可查看园区现状。', en: 'Log in to see how the park is now.' },
  gone: { zh: '服务器没有回应，正在重试。', en: 'The server does not answer. Trying again.' },
  noDevices: { zh: '还没有设备接入。', en: 'No devices yet.' },
  noDevicesHint: {
    zh: '用演示模式运行可看到一天的虚拟客流；或按 README 的 First steps 接入一台闸机。',
    en: 'Run the demo to see a virtual day of visitors, or let a turnstile in: First steps in the README.',
  },
  wallFor: { zh: '给指挥中心：一屏看全园，不需要操作。', en: 'For the control room: the whole park on one screen, hands off.' },
  flowFor: { zh: '给管理者：十秒看懂今天，手机上也好用。', en: 'For managers: the day in ten seconds, on a phone too.' },
  opsFor: { zh: '给值班员：找到出问题的通道并处理。', en: 'For operators: find the lane with trouble and act.' },
  wallLogin: { zh: '无需登录', en: 'No login' },
  flowLogin: { zh: '登录：经理、值班员、财务、审计', en: 'Login: manager, operator, finance, auditor' },
  opsLogin: { zh: '登录：值班员、设备管理员', en: 'Login: operator, device admin' },
  start: { zh: '开始使用', en: 'First steps' },
  step1: { zh: '登录。', en: 'Log in.' },
  step1Text: { zh: '第一次启动时打印了管理员密码，也保存在', en: 'The first start printed the password of admin; it also stands in' },
  step2: { zh: '换成自己的园区。', en: 'Describe your own park.' },
  step2Text: { zh: '复制 src/sample-park.toml，用 shanmen config check 检查。', en: 'Copy src/sample-park.toml and check it with shanmen config check.' },
  step3: { zh: '卖票、接入设备。', en: 'Sell tickets, let devices in.' },
  step3Text: { zh: '全部接口在', en: 'All of the API is at' },
});

/** @type {SnapshotFrame | null} */
let park = null;
let takenAt = 0;
let gone = false;
/** Whether one has to log in to watch. */
let closed = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let turn;

const page = head('home', show);

function show() {
  document.title = park ? `${say(park.site.name)} · ${w('brand')}` : '山门 Shanmen';
  page.name(w('brand'));
  const notice = byId('gone');
  notice.hidden = !gone && !closed;
  mark(notice, 'kind', gone ? 'error' : '');
  write(notice, w(gone ? 'gone' : 'closed'));
  mark(byId('live'), 'stale', String(gone));
  byId('live').hidden = !park;
  if (!park) return;
  const { today, alarms, site } = park;
  write(byId('site'), say(site.name));
  write(byId('in-site'), number(today.in_site));
  write(byId('level'), w(`level_${today.level}`));
  byId('level').hidden = today.capacity === null;
  for (const id of ['level', 'bar']) mark(byId(id), 'level', today.level);
  byId('bar').hidden = today.capacity === null;
  if (today.capacity) {
    fill(/** @type {HTMLElement} */ (byId('bar').firstElementChild), today.in_site / today.capacity);
  }
  const share = { capacity: number(today.capacity ?? 0), percent: percent(today.in_site, today.capacity ?? 0) };
  write(byId('share'), today.capacity ? w('share', share) : w('noCapacity'));
  write(byId('entries'), number(today.entries));
  write(byId('per-min'), number(today.entries_per_min));
  write(byId('devices'), `${number(today.devices_online)}/${number(today.devices_total)}`);
  const raised = alarms.filter((alarm) => !alarm.acknowledged).length;
  write(byId('alarms'), number(raised));
  mark(byId('alarms'), 'some', String(raised > 0));
  byId('no-devices').hidden = today.devices_total > 0;
  showAge();
}

function showAge() {
  if (park) write(byId('age'), w('asOf', { age: age(performance.now() - takenAt) }));
}

/** @param {unknown} error */
const refused = (error) => error instanceof Problem && [401, 403].includes(error.status);

async function renew() {
  clearTimeout(turn);
  try {
    /** @type {SnapshotFrame} */
    const frame = await ask('/api/v1/feed/snapshot', { stay: true });
    setZone(frame.site.timezone);
    [park, gone, closed] = [frame, false, false];
    takenAt = performance.now();
  } catch (error) {
    closed = refused(error);
    gone = !closed;
    if (closed) {
      park = null;
      forget();
    }
  }
  show();
  // Who is not let in asks again when the page is looked at again.
  if (!document.hidden && !closed) turn = setTimeout(renew, gone ? RETRY_MS : RENEW_MS);
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void renew();
});
setInterval(showAge, 1000);
void renew();
