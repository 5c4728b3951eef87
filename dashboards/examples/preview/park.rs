//! The made-up park of the preview: visitors by chance, counted the way the real park counts.

use std::collections::VecDeque;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use shanmen_protocols::{
    feed::{
        Delta, LaneCondition, LaneNow, Latency, Level, Past, Recent, RecentKind, SiteInfo,
        Snapshot, Today,
    },
    ids::{Direction, ProductId, SiteId},
    reason::Reason,
    time::UnixMs,
};

use crate::setup::{CLASSES, Fault, GATES, REASONS, Scene, areas, plan, text};

/// What came of one visit.
struct Came {
    kind: RecentKind,
    reason: Option<Reason>,
    direction: Direction,
    class: &'static str,
    count: u32,
}

/// The park and its visitors.
pub(crate) struct Park {
    pub(crate) scene: Scene,
    pub(crate) state: Snapshot,
    chance: u64,
    pub(crate) zone: TimeZone,
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
                    plan: plan(scene)?,
                },
                areas: areas(scene)?,
                gates: vec![],
                lanes: vec![],
                today: Today::default(),
                alarms: vec![],
                recent: vec![],
                past: Past::default(),
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
        park.state.past = park.past(now);
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
        let remade = now.since_ms(self.state.past.at) >= 5000;
        if remade {
            self.state.past = self.past(now);
        }
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
            past: remade.then(|| self.state.past.clone()),
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

    /// Perhaps somebody comes to a gate.
    fn visit(&mut self, at: UnixMs) {
        let rush = matches!(self.scene, Scene::Full | Scene::Large);
        if self.roll(100) >= if rush { 35 } else { 15 } {
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
        self.count(at, (gate, lane), &Came { kind, reason, direction, class, count });
    }

    fn count(&mut self, at: UnixMs, (gate, lane): (usize, usize), came: &Came) {
        let &Came { kind, reason, direction, class, count } = came;
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
                    if outer {
                        today.exits += count;
                        today.exits_this_hour += count;
                    }
                }
            }
        }
        self.state.lanes[lane].last_at = Some(at);
        let shown = Recent {
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
        self.state.apply(&Delta { recent: vec![shown], ..Delta::default() });
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

pub(crate) fn level(occupancy: u32, capacity: Option<u32>) -> Level {
    let Some(capacity) = capacity else { return Level::Normal };
    match u64::from(occupancy) * 100 / u64::from(capacity.max(1)) {
        0..80 => Level::Normal,
        80..90 => Level::Announce,
        90..100 => Level::Slow,
        _ => Level::Full,
    }
}

pub(crate) fn local(at: UnixMs, zone: &TimeZone) -> Zoned {
    Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone.clone())
}
