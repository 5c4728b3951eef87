//! The made-up park of the preview: visitors by chance, counted the way the real park counts.

use std::collections::{BTreeMap, VecDeque};

use jiff::{Timestamp, Zoned, tz::TimeZone};
use shanmen_protocols::{
    feed::{
        Alarm, AreaNow, Delta, GateNow, LaneCondition, LaneNow, Latency, Level, Recent, RecentKind,
        SiteInfo, Snapshot, Text, Today,
    },
    ids::{AreaId, DeviceId, Direction, GateId, LaneId, ProductId, SiteId},
    reason::Reason,
    time::UnixMs,
};

type Fault = Box<dyn std::error::Error>;

/// Which kind of day is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    Normal,
    Full,
    Empty,
    Large,
}

impl Scene {
    pub(crate) fn named(name: &str) -> Result<Self, Fault> {
        match name {
            "normal" => Ok(Self::Normal),
            "full" => Ok(Self::Full),
            "empty" => Ok(Self::Empty),
            "large" => Ok(Self::Large),
            other => Err(format!("no scene {other}: normal, full, empty or large").into()),
        }
    }
}

const CLASSES: [(&str, u32); 8] = [
    ("adult", 52),
    ("child", 14),
    ("senior", 11),
    ("student", 8),
    ("group", 7),
    ("pass", 5),
    ("military", 2),
    ("staff", 1),
];
const REASONS: [(Reason, u32); 7] = [
    (Reason::AlreadyUsed, 30),
    (Reason::WrongDate, 22),
    (Reason::TooEarly, 18),
    (Reason::Unreadable, 14),
    (Reason::NeedsIdentity, 8),
    (Reason::WrongGate, 6),
    (Reason::Expired, 4),
];
/// id, names, from, to, entry lanes, exit lanes, share of the visitors in %.
type GateRow = (&'static str, &'static str, &'static str, &'static str, &'static str, u8, u8, u32);
const GATES: [GateRow; 7] = [
    ("south", "南山门", "South Gate", "outside", "park", 6, 3, 38),
    ("east", "东门", "East Gate", "outside", "park", 4, 2, 22),
    ("north", "北门·索道站", "North Gate", "outside", "park", 3, 2, 12),
    ("west", "西门", "West Gate", "outside", "park", 2, 1, 6),
    ("cable", "云海索道", "Cloud Sea Cableway", "park", "cableway", 2, 2, 10),
    ("temple", "栖霞古寺", "Qixia Temple", "park", "temple", 2, 1, 8),
    ("cave", "玉龙洞", "Jade Dragon Cave", "park", "cave", 1, 1, 4),
];
const AREAS: [(&str, &str, &str, Option<&str>, u32, u32); 4] = [
    ("park", "云栖山主景区", "Yunqi Mountain", None, 20_000, 12_846),
    ("cableway", "云海索道", "Cloud Sea Cableway", Some("park"), 900, 512),
    ("temple", "栖霞古寺", "Qixia Temple", Some("park"), 1_500, 1_236),
    ("cave", "玉龙洞", "Jade Dragon Cave", Some("park"), 400, 371),
];

/// The park and its visitors.
pub(crate) struct Park {
    scene: Scene,
    state: Snapshot,
    chance: u64,
    zone: TimeZone,
    passed: VecDeque<(UnixMs, usize, Direction, u32)>,
    refused: VecDeque<(UnixMs, usize)>,
    next: u64,
    swept_at: UnixMs,
}

impl Park {
    pub(crate) fn new(scene: Scene, timezone: &str, now: UnixMs) -> Result<Self, Fault> {
        let zone = TimeZone::get(timezone)?;
        let mut park = Self {
            scene,
            state: Snapshot {
                site: SiteInfo {
                    id: SiteId::new("yunqi")?,
                    name: text("云栖山风景区", "Yunqi Mountain Scenic Area"),
                    timezone: timezone.into(),
                },
                areas: areas(scene)?,
                gates: vec![],
                lanes: vec![],
                today: Today::default(),
                alarms: vec![],
                recent: vec![],
            },
            chance: 0x9E37_79B9_7F4A_7C15,
            zone,
            passed: VecDeque::new(),
            refused: VecDeque::new(),
            next: 1,
            swept_at: now,
        };
        park.build_gates(now)?;
        park.past_day(now);
        if scene != Scene::Empty {
            park.alarms(now)?;
            for second in (1..60).rev() {
                for _ in 0..20 {
                    park.visit(now.plus_ms(-second * 1000));
                }
            }
        }
        park.sweep(now);
        Ok(park)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state.clone()
    }

    /// What happened in the last 50 ms.
    pub(crate) fn step(&mut self, now: UnixMs) -> Option<Delta> {
        let before = self.state.recent.last().map_or(0, |line| line.n);
        if self.scene != Scene::Empty {
            self.visit(now);
        }
        let swept = now.since_ms(self.swept_at) >= 1000;
        if swept {
            self.sweep(now);
        }
        let recent: Vec<Recent> =
            self.state.recent.iter().filter(|line| line.n > before).cloned().collect();
        if recent.is_empty() && (!swept || self.scene == Scene::Empty) {
            return None;
        }
        let touched = |lane: &&LaneNow| recent.iter().any(|line| line.lane == lane.id);
        Some(Delta {
            areas: self.state.areas.clone(),
            gates: self.state.gates.clone(),
            lanes: self.state.lanes.iter().filter(touched).cloned().collect(),
            today: Some(self.state.today.clone()),
            alarms: vec![],
            recent,
        })
    }

    fn roll(&mut self, below: u32) -> u32 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        u32::try_from((self.chance >> 33) % u64::from(below.max(1))).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, table: &[(T, u32)]) -> Option<T> {
        let mut left = self.roll(table.iter().map(|row| row.1).sum());
        table.iter().find_map(|&(value, weight)| match left.checked_sub(weight) {
            None => Some(value),
            Some(rest) => {
                left = rest;
                None
            }
        })
    }

    fn build_gates(&mut self, now: UnixMs) -> Result<(), Fault> {
        let copies: u8 = if self.scene == Scene::Large { 3 } else { 1 };
        for copy in 0..copies {
            for (id, zh, en, from, to, ins, outs, share) in GATES {
                let mark = if copy == 0 { String::new() } else { format!("{}", copy + 1) };
                let gate = GateId::new(&format!("{id}{mark}"))?;
                let used = if self.scene == Scene::Empty { 0 } else { share * 391 };
                self.state.gates.push(GateNow {
                    id: gate.clone(),
                    name: text(&format!("{zh}{mark}"), &format!("{en} {mark}")),
                    from: AreaId::new(from)?,
                    to: AreaId::new(to)?,
                    in_today: used,
                    out_today: used * 2 / 3,
                    in_per_min: 0,
                    out_per_min: 0,
                    denied_per_min: 0,
                });
                for n in 1..=ins + outs {
                    let lane = format!("{id}{mark}-{n}");
                    let condition = match (self.scene, lane.as_str()) {
                        (Scene::Empty, _) => LaneCondition::Closed,
                        (_, "south-5") => LaneCondition::Fault,
                        (_, "east-4") => LaneCondition::Offline,
                        (_, "west-2" | "cave-2") => LaneCondition::Closed,
                        (_, "north-5") => LaneCondition::Unassigned,
                        _ => LaneCondition::Online,
                    };
                    self.state.lanes.push(LaneNow {
                        id: LaneId::new(&lane)?,
                        gate: gate.clone(),
                        direction: if n <= ins { "in" } else { "out" }.into(),
                        device: Some(DeviceId::new(&format!("ts-{lane}"))?),
                        condition,
                        since: now.plus_ms(-360_000),
                        last_at: None,
                        open_grants: 0,
                    });
                }
            }
        }
        Ok(())
    }

    fn past_day(&mut self, now: UnixMs) {
        let quiet = self.scene == Scene::Empty;
        let today = &mut self.state.today;
        let local = local(now, &self.zone);
        let minute = u32::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
        let quarter = minute.unwrap_or(0) / 15;
        today.curve = (0..96_u32)
            .map(|at| {
                if quiet || at > quarter || !(28..72).contains(&at) {
                    return 0;
                }
                let (morning, noon) = (at.abs_diff(38), at.abs_diff(54));
                1400_u32.saturating_sub(morning * morning * 9)
                    + 900_u32.saturating_sub(noon * noon * 8)
                    + at * 37 % 110
                    + 60
            })
            .collect();
        today.entries = today.curve.iter().sum();
        today.capacity = Some(20_000);
        if !quiet {
            today.exits = today.entries.saturating_sub(self.state.areas[0].occupancy);
            today.reentries = today.entries / 23;
            today.denied = 1_384;
            today.entries_this_hour = 2_210;
            today.by_class =
                CLASSES.iter().map(|(c, w)| ((*c).into(), today.entries * w / 100)).collect();
            let share = |w: &u32| 1_384 * w / 102;
            today.by_reason =
                REASONS.iter().map(|(r, w)| (r.code().into(), share(w))).collect::<BTreeMap<_, _>>();
            if self.scene == Scene::Full {
                today.by_reason.insert(Reason::AreaFull.code().into(), 612);
            }
        }
    }

    fn alarms(&mut self, now: UnixMs) -> Result<(), Fault> {
        let alarm = |id: u64, code: &str, minutes: i64| Alarm {
            id,
            code: code.into(),
            at: now.plus_ms(-minutes * 60_000),
            device: None,
            lane: None,
            area: None,
            active: true,
        };
        self.state.alarms.push(Alarm { lane: Some(LaneId::new("south-5")?), ..alarm(1, "jam", 6) });
        self.state.alarms.push(Alarm {
            device: Some(DeviceId::new("ts-east-4")?),
            lane: Some(LaneId::new("east-4")?),
            ..alarm(2, "device_offline", 47)
        });
        let area = Some(AreaId::new("cave")?);
        self.state.alarms.push(Alarm { area, ..alarm(3, "area_level", 2) });
        if self.scene == Scene::Full {
            let area = Some(AreaId::new("park")?);
            self.state.alarms.push(Alarm { area, ..alarm(4, "area_level", 11) });
        }
        Ok(())
    }

    /// Perhaps somebody comes to a gate.
    fn visit(&mut self, at: UnixMs) {
        if self.roll(100) >= 35 {
            return;
        }
        let shares: Vec<(usize, u32)> =
            (0..self.state.gates.len()).map(|g| (g, GATES[g % GATES.len()].7)).collect();
        let Some(gate) = self.pick(&shares) else { return };
        let leaving = self.roll(100) < if self.scene == Scene::Full { 50 } else { 38 };
        let direction = if leaving { Direction::Out } else { Direction::In };
        let of_gate = &self.state.gates[gate].id;
        let open: Vec<(usize, u32)> = (0..self.state.lanes.len())
            .filter(|&l| {
                let lane = &self.state.lanes[l];
                lane.gate == *of_gate
                    && lane.direction == direction.as_str()
                    && lane.condition == LaneCondition::Online
            })
            .map(|l| (l, 1))
            .collect();
        let Some(lane) = self.pick(&open) else { return };
        let class = self.pick(&CLASSES).unwrap_or("adult");
        let count = if class == "group" { 8 + self.roll(30) } else { 1 };
        let share = if self.scene == Scene::Full { 30 } else { 5 };
        let fate = if leaving { 100 } else { self.roll(100) };
        let (kind, reason) = if fate < share {
            let full = self.scene == Scene::Full && self.roll(3) > 0;
            let other = self.pick(&REASONS).unwrap_or(Reason::Internal);
            (RecentKind::Denied, Some(if full { Reason::AreaFull } else { other }))
        } else if fate == 99 {
            (RecentKind::NotTaken, None)
        } else {
            (RecentKind::Passage, None)
        };
        self.count(at, gate, lane, (kind, reason, direction, class, count));
    }

    fn count(
        &mut self,
        at: UnixMs,
        gate: usize,
        lane: usize,
        (kind, reason, direction, class, count): (
            RecentKind,
            Option<Reason>,
            Direction,
            &str,
            u32,
        ),
    ) {
        let delay_ms = i64::from(self.roll(4));
        let today = &mut self.state.today;
        let row = &mut self.state.gates[gate];
        if let Some(reason) = reason {
            today.denied += 1;
            *today.by_reason.entry(reason.code().into()).or_default() += 1;
            self.refused.push_back((at, gate));
        } else if kind == RecentKind::Passage {
            let outer = row.from.as_str() == "outside";
            self.passed.push_back((at, gate, direction, count));
            let area = self.state.areas.iter_mut().find(|area| area.id == row.to);
            match direction {
                Direction::In => {
                    row.in_today += count;
                    if let Some(area) = area {
                        area.occupancy += count;
                        area.entries_today += count;
                    }
                    if outer {
                        today.entries += count;
                        today.entries_this_hour += count;
                        *today.by_class.entry(class.into()).or_default() += count;
                        let local = local(at, &self.zone);
                        let quarter = i32::from(local.hour()) * 4 + i32::from(local.minute()) / 15;
                        if let Ok(quarter) = usize::try_from(quarter) {
                            today.curve[quarter] += count;
                        }
                    }
                }
                Direction::Out => {
                    row.out_today += count;
                    if let Some(area) = area {
                        area.occupancy = area.occupancy.saturating_sub(count);
                    }
                    today.exits += if outer { count } else { 0 };
                }
            }
        }
        self.state.lanes[lane].last_at = Some(at);
        let line = Recent {
            n: self.next,
            at: at.plus_ms(-delay_ms),
            committed_at: at,
            kind,
            lane: self.state.lanes[lane].id.clone(),
            gate: row.id.clone(),
            direction,
            class: (direction == Direction::In).then(|| class.into()),
            product: ProductId::new("day").ok(),
            count,
            reason,
        };
        self.next += 1;
        self.state.apply(&Delta { recent: vec![line], ..Delta::default() });
        self.levels();
    }

    fn levels(&mut self) {
        for area in &mut self.state.areas {
            area.level = level(area.occupancy, area.capacity);
        }
        let site = &self.state.areas[0];
        self.state.today.in_site = site.occupancy;
        self.state.today.level = level(site.occupancy, site.capacity);
    }

    /// The sliding minute.
    fn sweep(&mut self, now: UnixMs) {
        self.swept_at = now;
        self.levels();
        let old = |at: UnixMs| now.since_ms(at) > 60_000;
        while self.passed.front().is_some_and(|row| old(row.0)) {
            self.passed.pop_front();
        }
        while self.refused.front().is_some_and(|row| old(row.0)) {
            self.refused.pop_front();
        }
        let (mut ins, mut outs) = (0, 0);
        for (index, gate) in self.state.gates.iter_mut().enumerate() {
            let sum = |way: Direction| -> u32 {
                self.passed.iter().filter(|r| r.1 == index && r.2 == way).map(|r| r.3).sum()
            };
            gate.in_per_min = sum(Direction::In);
            gate.out_per_min = sum(Direction::Out);
            let refused = self.refused.iter().filter(|r| r.1 == index).count();
            gate.denied_per_min = u32::try_from(refused).unwrap_or(u32::MAX);
            if gate.from.as_str() == "outside" {
                ins += gate.in_per_min;
                outs += gate.out_per_min;
            }
        }
        let wobble = self.roll(60);
        let today = &mut self.state.today;
        today.date = local(now, &self.zone).date().to_string();
        today.entries_per_min = ins;
        today.exits_per_min = outs;
        let count = u32::try_from(self.passed.len()).unwrap_or(u32::MAX);
        today.decision = if count == 0 {
            Latency::default()
        } else {
            Latency { p50_us: 610 + wobble, p99_us: 1_900 + wobble * 9, count }
        };
        let lanes = &self.state.lanes;
        let known = lanes.iter().filter(|l| l.condition != LaneCondition::Unassigned);
        let gone = lanes.iter().filter(|l| l.condition == LaneCondition::Offline).count();
        today.devices_total = u32::try_from(known.count() + 6).unwrap_or(0);
        today.devices_online =
            today.devices_total.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
    }
}

fn areas(scene: Scene) -> Result<Vec<AreaNow>, Fault> {
    let area = |(id, zh, en, parent, capacity, held): (_, _, _, Option<&str>, u32, u32)| {
        let occupancy = match scene {
            Scene::Empty => 0,
            Scene::Full if id == "park" => 19_968,
            Scene::Full => capacity - capacity / 40,
            Scene::Normal | Scene::Large => held,
        };
        Ok(AreaNow {
            id: AreaId::new(id)?,
            name: text(zh, en),
            parent: parent.map(AreaId::new).transpose()?,
            occupancy,
            reserved: 0,
            capacity: Some(capacity),
            level: level(occupancy, Some(capacity)),
            entries_today: occupancy * 2,
        })
    };
    AREAS.into_iter().map(area).collect()
}

fn level(occupancy: u32, capacity: Option<u32>) -> Level {
    let Some(capacity) = capacity else { return Level::Normal };
    match u64::from(occupancy) * 100 / u64::from(capacity.max(1)) {
        0..80 => Level::Normal,
        80..90 => Level::Announce,
        90..100 => Level::Slow,
        _ => Level::Full,
    }
}

fn local(at: UnixMs, zone: &TimeZone) -> Zoned {
    Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone.clone())
}

fn text(zh: &str, en: &str) -> Text {
    Text { zh: zh.into(), en: en.trim().into() }
}
