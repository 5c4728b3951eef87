//! The flow of visitors as counts: a plain component that is told facts after their commit and
//! says what changed on the glass. The actor around it is in `mod.rs`.

use std::{collections::BTreeSet, sync::Arc};

use shanmen_protocols::{
    device::Outcome,
    feed::{Delta, LaneCondition, Level, Past, Recent, RecentKind, Snapshot, Today},
    ids::{DeviceId, Direction},
    time::UnixMs,
};
use shanmen_rules::{AreaIx, Day, LaneIx, Park, ProductIx};

use super::{
    Occupancy,
    glass::{action, blank, changed, changed_alarms, level_of},
    latency::SlidingLatency,
    rate::Minute,
};
use crate::{
    alerts::Alerts,
    history::{hour_of, minute_of},
    ledger::{Moved, Refused},
    live_park::LivePark,
};

/// A quarter of an hour in milliseconds: the step of the day's curve.
const QUARTER_MS: i64 = 15 * 60 * 1000;

/// What the flow is told about a lane.
#[derive(Clone, Debug)]
pub(crate) struct LaneChange {
    pub(crate) lane: LaneIx,
    pub(crate) device: Option<DeviceId>,
    pub(crate) condition: LaneCondition,
    pub(crate) at: UnixMs,
}

/// The counts of the day and the minute.
pub(crate) struct FlowCore {
    park: LivePark,
    occupancy: Arc<Occupancy>,
    alerts: Arc<Alerts>,
    now: UnixMs,
    state: Snapshot,
    day: Day,
    day_start: UnixMs,
    gates: Vec<GateCount>,
    entries: Minute,
    exits: Minute,
    /// The clock hour of the site that is running: its first minute, and the first behind it.
    hour: (i64, i64),
    latency: SlidingLatency,
    counted: i64,
    lines: u64,
    pending: Vec<Recent>,
    past_changed: bool,
    changed_lanes: BTreeSet<LaneIx>,
    today_changed: bool,
    shown: Snapshot,
}

#[derive(Clone, Default)]
struct GateCount {
    inward: Minute,
    outward: Minute,
    denied: Minute,
}

impl FlowCore {
    /// An empty day.
    pub(crate) fn new(
        live: LivePark,
        occupancy: Arc<Occupancy>,
        alerts: Arc<Alerts>,
        now: UnixMs,
    ) -> Self {
        let park = live.full();
        let state = blank(&park, now);
        let mut core = Self {
            now,
            day: park.business_day(now),
            day_start: now,
            gates: vec![GateCount::default(); park.gates().len()],
            entries: Minute::default(),
            exits: Minute::default(),
            hour: hour_of(park.calendar(), minute_of(now)),
            latency: SlidingLatency::new(),
            counted: 0,
            lines: 0,
            pending: Vec::new(),
            past_changed: false,
            changed_lanes: BTreeSet::new(),
            today_changed: true,
            shown: state.clone(),
            park: live,
            occupancy,
            alerts,
            state,
        };
        core.begin_day(now);
        core
    }

    /// The business day that is being counted.
    pub(crate) fn day(&self) -> Day {
        self.day
    }

    /// Begins a business day: all counts of the day at zero.
    pub(crate) fn begin_day(&mut self, now: UnixMs) {
        let park = self.park.now();
        self.now = now;
        self.day = park.business_day(now);
        self.day_start = park.calendar().turn_of(self.day);
        let online = (self.state.today.devices_online, self.state.today.devices_total);
        let quarters = park.next_turn(now).since_ms(self.day_start) / QUARTER_MS;
        self.state.today = Today {
            date: self.day.to_string(),
            starts_at: self.day_start,
            capacity: self.state.today.capacity,
            curve: vec![0; usize::try_from(quarters).unwrap_or(96)],
            devices_online: online.0,
            devices_total: online.1,
            ..Today::default()
        };
        for gate in &mut self.state.gates {
            gate.in_today = 0;
            gate.out_today = 0;
        }
        self.today_changed = true;
    }

    /// Takes refusals of the day from the ledger, at a start.
    pub(crate) fn recall_refusals(&mut self, by_reason: Vec<(String, u32)>) {
        for (reason, count) in by_reason {
            self.state.today.denied += count;
            *self.state.today.by_reason.entry(reason).or_default() += count;
        }
    }

    /// Takes a passage of the day from the ledger, at a start or for a recount. What is told again
    /// afterwards, because it was still in the mailbox, is known by its number.
    pub(crate) fn recall_passage(&mut self, moved: &Moved) {
        self.passed(moved);
        self.counted = moved.n;
    }

    /// Takes a committed passage. Occupancy was changed when it was decided; a passage of an
    /// earlier business day is in the ledger and changes nothing here.
    pub(crate) fn passed(&mut self, moved: &Moved) {
        let day = self.park.now().business_day(moved.at);
        if self.day < day {
            self.begin_day(moved.at);
        }
        if day != self.day || moved.n <= self.counted {
            return;
        }
        let today = &mut self.state.today;
        let entered = persons(moved, |one| one.from == AreaIx::OUTSIDE);
        let left = persons(moved, |one| one.to == AreaIx::OUTSIDE);
        today.entries += entered;
        today.exits += left;
        if moved.reentry {
            today.reentries += entered;
        }
        self.entries.add(moved.at, entered);
        self.exits.add(moved.at, left);
        let minute = minute_of(moved.at);
        if self.hour.0 <= minute && minute < self.hour.1 {
            today.entries_this_hour += entered;
            today.exits_this_hour += left;
        }
        let quarter = moved.at.since_ms(self.day_start) / QUARTER_MS;
        if let Some(slot) = usize::try_from(quarter).ok().and_then(|q| today.curve.get_mut(q)) {
            *slot += entered;
        }
        if entered > 0
            && let Some(class) = class_of(&self.park.now(), moved.product)
        {
            *today.by_class.entry(class).or_default() += entered;
        }
        self.count_at_gate(moved);
        self.today_changed = true;
        let kind = if moved.count == 0 { RecentKind::NotTaken } else { RecentKind::Passage };
        self.line(moved.lane, moved.direction, moved.product, |line| {
            line.at = moved.at;
            line.committed_at = moved.committed_at;
            line.kind = kind;
            line.count = moved.count;
        });
    }

    /// Takes a committed refusal.
    pub(crate) fn refused(&mut self, refused: &Refused) {
        let answer = &refused.answer;
        self.state.today.denied += 1;
        *self.state.today.by_reason.entry(answer.reason.code().to_owned()).or_default() += 1;
        let gate = self.park.now().lane(answer.lane).gate;
        if let Some(count) = self.gates.get_mut(usize::from(gate.0)) {
            count.denied.add(answer.at, 1);
        }
        self.today_changed = true;
        self.line(answer.lane, answer.direction, answer.product, |line| {
            line.at = answer.at;
            line.committed_at = refused.committed_at;
            line.kind = RecentKind::Denied;
            line.count = u32::from(answer.persons);
            line.reason = Some(answer.reason);
        });
    }

    /// Takes how long a decision took, in microseconds.
    pub(crate) fn decided_in(&mut self, micros: u32) {
        self.latency.add(micros);
    }

    /// Takes a lane's new condition.
    pub(crate) fn lane_changed(&mut self, change: &LaneChange) {
        let Some(lane) = self.state.lanes.get_mut(usize::from(change.lane.0)) else { return };
        if lane.condition != change.condition || lane.device != change.device {
            lane.condition = change.condition;
            lane.device.clone_from(&change.device);
            lane.since = change.at;
            self.changed_lanes.insert(change.lane);
        }
    }

    /// Takes how many grants are open in a lane.
    pub(crate) fn grants_open(&mut self, lane: LaneIx, open: u32) {
        if let Some(row) = self.state.lanes.get_mut(usize::from(lane.0))
            && row.open_grants != open
        {
            row.open_grants = open;
            self.changed_lanes.insert(lane);
        }
    }

    /// Takes over what the ledger does not know: the lanes as they are, the line counter, and which
    /// alarms have been shown.
    pub(crate) fn carry_lanes(&mut self, before: &mut Self) {
        self.state.lanes = std::mem::take(&mut before.state.lanes);
        self.shown.alarms = std::mem::take(&mut before.shown.alarms);
        self.state.today.devices_online = before.state.today.devices_online;
        self.state.today.devices_total = before.state.today.devices_total;
        self.state.past = std::mem::take(&mut before.state.past);
        self.lines = self.lines.max(before.lines);
        self.changed_lanes = (0u16..).map(LaneIx).take(self.state.lanes.len()).collect();
    }

    /// Takes what history says of today.
    pub(crate) fn past(&mut self, past: Past) {
        self.state.past = past;
        self.past_changed = true;
    }

    /// Takes how many devices there are.
    pub(crate) fn fleet(&mut self, online: u32, total: u32) {
        let today = &mut self.state.today;
        if (today.devices_online, today.devices_total) != (online, total) {
            (today.devices_online, today.devices_total) = (online, total);
            self.today_changed = true;
        }
    }

    /// Once a second: rates slide, the hour turns, the latency of the last minute is shown.
    pub(crate) fn second(&mut self, now: UnixMs) {
        self.now = now;
        let minute = minute_of(now);
        let today = &mut self.state.today;
        if minute < self.hour.0 || self.hour.1 <= minute {
            self.hour = hour_of(self.park.now().calendar(), minute);
            today.entries_this_hour = 0;
            today.exits_this_hour = 0;
            self.today_changed = true;
        }
        let rates = (self.entries.sum(now), self.exits.sum(now));
        if (today.entries_per_min, today.exits_per_min) != rates {
            (today.entries_per_min, today.exits_per_min) = rates;
            self.today_changed = true;
        }
        for (row, count) in self.state.gates.iter_mut().zip(&mut self.gates) {
            row.in_per_min = count.inward.sum(now);
            row.out_per_min = count.outward.sum(now);
            row.denied_per_min = count.denied.sum(now);
        }
        let decision = self.latency.second();
        if today.decision != decision {
            today.decision = decision;
            self.today_changed = true;
        }
    }

    /// What changed since the last time, as a delta; the counts are read as they are now.
    pub(crate) fn take_delta(&mut self) -> Delta {
        self.read_now();
        let mut delta = Delta {
            areas: changed(&self.state.areas, &self.shown.areas),
            gates: changed(&self.state.gates, &self.shown.gates),
            lanes: self
                .changed_lanes
                .iter()
                .filter_map(|lane| self.state.lanes.get(usize::from(lane.0)).cloned())
                .collect(),
            recent: std::mem::take(&mut self.pending),
            alarms: changed_alarms(&self.state.alarms, &self.shown.alarms),
            ..Delta::default()
        };
        self.changed_lanes.clear();
        if self.today_changed {
            self.today_changed = false;
            delta.today = Some(self.state.today.clone());
        }
        if self.past_changed {
            self.past_changed = false;
            delta.past = Some(self.state.past.clone());
        }
        self.shown.areas.clone_from(&self.state.areas);
        self.shown.gates.clone_from(&self.state.gates);
        self.shown.alarms.clone_from(&self.state.alarms);
        self.state.apply(&Delta { recent: delta.recent.clone(), ..Delta::default() });
        delta
    }

    /// All of it, as it is now.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.read_now();
        let mut state = self.state.clone();
        state.apply(&Delta { recent: self.pending.clone(), ..Delta::default() });
        state
    }

    /// What others own is read, never told: it is right again after any overflow.
    fn read_now(&mut self) {
        self.state.alarms = self.alerts.glass();
        let park = self.park.now();
        let (mut in_site, mut level) = (0, Level::Normal);
        for (row, (ix, area)) in
            self.state.areas.iter_mut().zip((0u16..).map(AreaIx).zip(park.areas()).skip(1))
        {
            let persons = self.occupancy.persons(ix);
            row.occupancy = persons.inside;
            row.reserved = persons.reserved;
            row.entries_today = self.occupancy.entries(ix);
            let counts = self.occupancy.counts(ix, self.day);
            row.sold_today = counts.sold;
            let actions = park.actions(ix, counts);
            row.level = level_of(actions);
            row.actions = actions.iter().map(action).collect();
            row.override_until =
                self.occupancy.overridden_until(ix).filter(|until| self.now < *until);
            if area.parent.is_none() {
                in_site += persons.inside;
                level = level.max(row.level);
            }
        }
        let today = &mut self.state.today;
        if (today.in_site, today.level) != (in_site, level) {
            (today.in_site, today.level) = (in_site, level);
            self.today_changed = true;
        }
    }

    fn count_at_gate(&mut self, moved: &Moved) {
        let park = self.park.now();
        let place = park.lane(moved.lane).gate;
        let gate = usize::from(place.0);
        let (Some(shown), Some(count)) = (self.state.gates.get_mut(gate), self.gates.get_mut(gate))
        else {
            return;
        };
        // Reversed: went in and came back, which is nobody.
        let persons = if moved.outcome == Outcome::Reversed { 0 } else { moved.count };
        let way_out = park.is_way_out(park.gate(place));
        match moved.direction {
            Direction::In if !way_out => {
                shown.in_today += persons;
                count.inward.add(moved.at, persons);
            }
            _ => {
                shown.out_today += persons;
                count.outward.add(moved.at, persons);
            }
        }
    }

    fn line(
        &mut self,
        lane: LaneIx,
        direction: Direction,
        product: Option<ProductIx>,
        fill: impl FnOnce(&mut Recent),
    ) {
        self.lines += 1;
        let park = self.park.now();
        let place = park.lane(lane);
        let mut recent = Recent {
            n: self.lines,
            at: UnixMs(0),
            committed_at: UnixMs(0),
            kind: RecentKind::Passage,
            lane: place.id.clone(),
            gate: park.gate(place.gate).id.clone(),
            direction,
            class: class_of(&park, product),
            product: product.map(|ix| park.product(ix).id.clone()),
            count: 0,
            reason: None,
        };
        fill(&mut recent);
        if let Some(row) = self.state.lanes.get_mut(usize::from(lane.0)) {
            row.last_at = Some(recent.at);
            self.changed_lanes.insert(lane);
        }
        self.pending.push(recent);
        // A viewer holds the newest only: older ones of a burst need not travel.
        let surplus = self.pending.len().saturating_sub(shanmen_protocols::feed::RECENT_MAX);
        self.pending.drain(..surplus);
    }
}

fn persons(moved: &Moved, which: impl Fn(&shanmen_rules::Movement) -> bool) -> u32 {
    moved.moves.iter().filter(|one| which(one)).map(|one| u32::from(one.persons)).sum()
}

fn class_of(park: &Park, product: Option<ProductIx>) -> Option<String> {
    product.map(|ix| park.product(ix).class.as_str().to_owned())
}
