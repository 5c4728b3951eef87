// A made-up park for the tests of the wall: one snapshot, of any size, as the feed tells it. Its
// figures are plain functions of the numbers, so that a test can say what must be seen.

const text = (zh, en) => ({ zh, en });
const level = (share) => (share >= 1 ? 'full' : share >= 0.9 ? 'slow' : share >= 0.8 ? 'announce' : 'normal');
const QUARTER_MS = 15 * 60_000;

const AREAS = [
  ['park', '云栖山主景区', 'Yunqi Mountain', null, 20_000, 12_846],
  ['cableway', '云海索道', 'Cloud Sea Cableway', 'park', 900, 512],
  ['temple', '栖霞古寺', 'Qixia Temple', 'park', 1500, 1236],
  ['cave', '玉龙洞', 'Jade Dragon Cave', 'park', 400, 371],
  ['lake', '镜湖', 'Mirror Lake', 'park', 2200, 804],
  ['tower', '观云塔', 'Cloud Tower', 'park', 300, 306],
  ['glass', '玻璃栈道', 'Glass Skywalk', 'park', 650, 241],
  ['museum', '地质博物馆', 'Geology Museum', 'park', 800, 188],
  ['valley', '杜鹃谷', 'Azalea Valley', 'park', 1800, 967],
  ['village', '古村落', 'Old Village', 'park', 1200, 421],
];
/** id, names, from, to, lanes in, lanes out, persons in and out per minute. */
const GATES = [
  ['south', '南山门', 'South Gate', 'outside', 'park', 6, 3, 84, 31],
  ['east', '东门', 'East Gate', 'outside', 'park', 4, 2, 38, 22],
  ['north', '北门游客中心', 'North Gate, visitor centre', 'outside', 'park', 3, 2, 21, 9],
  ['west', '西门', 'West Gate', 'outside', 'park', 2, 1, 6, 11],
  ['cable', '索道下站', 'Cableway, lower station', 'park', 'cableway', 2, 2, 14, 8],
  ['shrine', '古寺山门', 'Temple gate', 'park', 'temple', 2, 1, 12, 7],
  ['mouth', '玉龙洞口', 'Cave mouth', 'park', 'cave', 1, 1, 5, 4],
  ['pier', '镜湖码头', 'Lake pier', 'park', 'lake', 3, 2, 16, 9],
  ['stairs', '观云塔', 'Cloud Tower', 'park', 'tower', 2, 2, 0, 6],
  ['walk', '玻璃栈道', 'Glass Skywalk', 'park', 'glass', 3, 3, 7, 5],
  ['hall', '博物馆大厅', 'Museum hall', 'park', 'museum', 3, 3, 3, 2],
  ['bridge', '杜鹃谷桥', 'Valley bridge', 'park', 'valley', 4, 3, 18, 15],
];
const PLAN = {
  areas: {
    park: [1180, 980], cableway: [1700, 420], temple: [700, 520], cave: [420, 900], lake: [1480, 1180],
    tower: [1180, 380], glass: [1900, 860], museum: [930, 1390], valley: [560, 1250], village: [1330, 1560],
  },
  gates: { south: [1240, 1800], east: [2240, 1060], north: [1100, 60], west: [90, 760] },
  lanes: {},
};
/** Some lanes that are not open. */
const CONDITIONS = { 'south-5': 'fault', 'east-4': 'offline', 'west-2': 'closed', 'north-5': 'unassigned' };

const hill = (at, height) => (at < 26 || at > 74 ? 0 : Math.round(
  height * (Math.exp(-(((at - 39) / 6) ** 2)) + 0.62 * Math.exp(-(((at - 54) / 6) ** 2))) + (at % 3) * 9));

/**
 * @param {object} [wish]
 * @param {number} [wish.areas] how many areas, at most 10
 * @param {number} [wish.gates] how many gates, at most 12
 * @param {boolean} [wish.plan] whether things have places
 * @param {boolean} [wish.past] whether there is history
 * @param {boolean} [wish.emergency]
 */
export function park({ areas = 4, gates = 7, plan = true, past = true, emergency = false } = {}) {
  const now = Date.now();
  // A zone in which it is between ten and eleven now.
  const ahead = ((10 - new Date(now).getUTCHours() + 36) % 24) - 12;
  const timezone = ahead === 0 ? 'UTC' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
  const hour = 10 + (now % 3_600_000) / 3_600_000;
  const midnight = now - hour * 3_600_000;
  const held = AREAS.slice(0, areas);
  const used = GATES.filter((row) => row[4] === 'park' || held.some((area) => area[0] === row[4])).slice(0, gates);
  const quarter = Math.floor(hour * 4);
  const today = Array.from({ length: 96 }, (_, at) => (at > quarter ? 0 : Math.round(hill(at, 2300) * (at === quarter ? hour * 4 - quarter : 1))));
  const week = Array.from({ length: 96 }, (_, at) => hill(at, 2050));
  const sum = (row) => row.reduce((all, count) => all + count, 0);
  const entries = sum(today);
  const expected = Array.from({ length: 96 }, (_, at) => (at < quarter ? today[at] : hill(at, 2240)));
  const lanes = used.flatMap(([id, , , , , ins, outs]) => Array.from({ length: ins + outs }, (_, n) => ({
    id: `${id}-${n + 1}`, gate: id, direction: n < ins ? 'in' : 'out', device: `ts-${id}-${n + 1}`,
    condition: CONDITIONS[`${id}-${n + 1}`] ?? 'online', since: now - 360_000, last_at: now - 4000, open_grants: 0,
  })));
  const alarm = (id, code, minutes, more) => ({ id, code, at: now - minutes * 60_000, acknowledged: false, active: true, ...more });
  const offline = lanes.filter((lane) => lane.condition === 'offline').length;
  return {
    site: { id: 'yunqi', name: text('云栖山风景区', 'Yunqi Mountain Scenic Area'), timezone, plan: plan ? PLAN : { areas: {}, gates: {}, lanes: {} } },
    areas: held.map(([id, zh, en, parent, capacity, occupancy]) => ({
      id, name: text(zh, en), ...(parent ? { parent } : {}), occupancy, reserved: 0, capacity,
      level: level(occupancy / capacity), entries_today: occupancy * 2, sold_today: occupancy * 3,
    })),
    gates: used.map(([id, zh, en, from, to, , , ins, outs], n) => ({
      id, name: text(zh, en), from, to, in_today: ins * 90, out_today: outs * 90, in_per_min: ins, out_per_min: outs, denied_per_min: n % 3,
    })),
    lanes,
    today: {
      date: new Date(midnight + ahead * 3_600_000).toISOString().slice(0, 10), starts_at: midnight, in_site: 12_846, capacity: 20_000, level: 'normal',
      entries, reentries: Math.round(entries / 23), exits: Math.max(0, entries - 12_846), entries_per_min: 149, exits_per_min: 73,
      entries_this_hour: 2_210, exits_this_hour: 1_284, denied: 384,
      by_reason: { already_used: 118, wrong_date: 84, too_early: 71, unreadable: 52, needs_identity: 36, wrong_gate: 23 },
      by_class: { adult: 5200, child: 1400, senior: 1100, student: 800, group: 700, pass: 500 },
      curve: today, decision: { p50_us: 640, p99_us: 2310, count: 214 }, devices_online: 66 - offline, devices_total: 66,
    },
    alarms: [
      ...(emergency ? [alarm(9, 'emergency', 3)] : []),
      alarm(3, 'jam', 6, { lane: 'south-5' }), alarm(2, 'area_level', 2, { area: 'cave' }),
      alarm(1, 'device_offline', 47, { lane: 'east-4', device: 'ts-east-4', acknowledged: true }),
    ],
    recent: Array.from({ length: 14 }, (_, n) => line(n + 1, now - (14 - n) * 900, used[n % used.length][0])),
    past: past
      ? {
          at: now, by_channel: { window: 3120, ota: 2840, miniapp: 2105, agency: 1190, kiosk: 860 },
          last_week: {
            date: new Date(midnight + ahead * 3_600_000 - 7 * 86_400_000).toISOString().slice(0, 10), entries: sum(week),
            entries_by_now: Math.round(entries * 0.89), exits_by_now: Math.round(Math.max(0, entries - 12_846) * 1.08) || 410, entries_this_hour: 2310, exits_this_hour: 1490,
            entries_this_hour_by_now: 1960, exits_this_hour_by_now: 1200, entries_per_min: 133, exits_per_min: 76, peak_in_site: 14_020, curve: week,
          },
          forecast: {
            made_at: now, entries: sum(expected), peak_in_site: 15_230, peak_at: midnight + 47 * QUARTER_MS, curve: expected, days: 28, error_percent: 8.6,
          },
        }
      : { at: now, by_channel: {} },
  };
}

/** A line of the ticker. @param {number} n @param {number} at @param {string} gate */
export function line(n, at, gate) {
  const denied = n % 9 === 0;
  return {
    n, at, committed_at: at, kind: denied ? 'denied' : 'passage', lane: `${gate}-1`, gate, direction: n % 4 ? 'in' : 'out',
    class: ['adult', 'child', 'senior', 'student'][n % 4], product: 'day', count: n % 11 ? 1 : 24, ...(denied ? { reason: 'already_used' } : {}),
  };
}

/**
 * Serves the page a made-up feed in place of the server's: the snapshot, then what `play` sends.
 * @param {import('playwright-core').Page} page
 * @param {object} state
 * @param {(send: (changes: object) => void) => void} [play] called once the page has its snapshot
 */
export async function feed(page, state, play) {
  await page.routeWebSocket(/\/feed$/, (socket) => {
    let seq = 1;
    socket.send(JSON.stringify({ type: 'snapshot', seq, at: Date.now(), ...state }));
    const send = (changes) => {
      seq += 1;
      socket.send(JSON.stringify({ type: 'delta', seq, at: Date.now(), ...changes }));
    };
    const beat = setInterval(() => send({}), 1000).unref();
    socket.onClose(() => clearInterval(beat));
    play?.(send);
  });
}
