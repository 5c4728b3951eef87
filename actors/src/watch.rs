//! The watch: once a second it looks at open grants, areas, devices and queues, for the wall, the
//! alarms and the metrics. It decides nothing: a grant whose lane is silent keeps its place until
//! the lane's log arrives or an operator releases it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{AreaIx, LaneIx};
use tokio::sync::watch;

use crate::{
    alerts::Cause,
    api::DeviceStanding,
    flow::{Fact, Occupancy},
    ledger::GrantRow,
    twin::Shared,
};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long after the hold time a lane counts as silent, in milliseconds.
const GRACE_MS: i64 = 10_000;

/// How long a device may be away before that is an alarm, in milliseconds.
const OFFLINE_AFTER_MS: i64 = 10_000;
/// The same for one that has not been seen since the start.
const NEVER_SEEN_AFTER_MS: i64 = 60_000;
/// How long an area must be below its levels before its alarm ends, in milliseconds.
const CALM_MS: i64 = 30_000;

/// The watch.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    occupancy: Arc<Occupancy>,
    shown: BTreeMap<LaneIx, u32>,
    /// Since when each area has been below all levels: it rests a while before its alarm ends.
    calm: BTreeMap<AreaIx, UnixMs>,
    began: UnixMs,
}

impl Watch {
    /// A watch that has seen nothing yet.
    pub(crate) fn new(shared: Arc<Shared>, occupancy: Arc<Occupancy>) -> Self {
        let began = shared.clock.now();
        let (shown, calm) = (BTreeMap::new(), BTreeMap::new());
        Self { shared, occupancy, shown, calm, began }
    }

    /// Whether a grant's lane has been silent past its time.
    pub(crate) fn is_overdue(row: &GrantRow, now: UnixMs) -> bool {
        i64::from(row.hold_ms) + GRACE_MS < now.since_ms(row.open.granted_at)
    }

    /// Looks until it is stopped.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => self.look(),
                _ = stopped.changed() => return,
            }
        }
    }

    fn look(&mut self) {
        let now = self.shared.clock.now();
        let hot = Arc::clone(self.shared.pool.hot());
        let mut lanes: BTreeMap<LaneIx, u32> = self.shown.keys().map(|lane| (*lane, 0)).collect();
        let mut overdue = 0u32;
        let mut silent = BTreeSet::new();
        for row in hot.open_grants() {
            *lanes.entry(row.open.lane).or_default() += 1;
            if Self::is_overdue(&row, now) {
                overdue += 1;
                silent.insert(row.open.lane);
            }
        }
        self.areas(now);
        self.devices(now);
        let park = self.shared.park.now();
        for lane in lanes.keys() {
            let cause = Cause {
                code: "grant_silent".into(),
                device: None,
                lane: park.get_lane(*lane).map(|lane| lane.id.clone()),
                area: None,
            };
            self.shared.alerts.set(&cause, silent.contains(lane));
        }
        self.shared.alerts.catch_up();
        self.shared.commands.give_up();
        for (&lane, &open) in &lanes {
            if self.shown.get(&lane) != Some(&open) {
                self.shared.flow.tell(Fact::GrantsOpen(lane, open));
            }
        }
        let open: u32 = lanes.values().sum();
        self.shown = lanes;
        let (tickets, _) = hot.sizes();
        metrics::gauge!("shanmen_grants_open").set(f64::from(open));
        metrics::gauge!("shanmen_grants_overdue").set(f64::from(overdue));
        metrics::gauge!("shanmen_tickets_in_memory")
            .set(f64::from(u32::try_from(tickets).unwrap_or(u32::MAX)));
        metrics::gauge!("shanmen_link_up").set(f64::from(u8::from(self.shared.link.up())));
    }

    /// An area at one of its capacity levels wants a person; its alarm outlasts a short calm, so
    /// that one visitor more or less does not raise it again and again.
    fn areas(&mut self, now: UnixMs) {
        let park = self.shared.park.now();
        let today = park.business_day(now);
        for (ix, area) in (0u16..).map(AreaIx).zip(park.areas()).skip(1) {
            let at_level = !park.actions(ix, self.occupancy.counts(ix, today)).is_empty();
            let cause = Cause::area("area_level", area.id.clone());
            if at_level {
                self.calm.remove(&ix);
                self.shared.alerts.set(&cause, true);
            } else if now.since_ms(*self.calm.entry(ix).or_insert(now)) >= CALM_MS {
                self.shared.alerts.set(&cause, false);
            }
        }
    }

    /// A device that works here and is not connected, or whose clock is off.
    fn devices(&self, now: UnixMs) {
        for id in self.shared.registry.ids() {
            let Some(device) = self.shared.registry.get(id.as_str()) else { continue };
            let row = device.row();
            let live = device.live().clone();
            let works = row.standing == DeviceStanding::Approved
                && (row.secret.is_some() || live.last_seen.is_some());
            let gone_ms = match live.last_seen {
                Some(seen) => now.since_ms(seen) - OFFLINE_AFTER_MS,
                None => now.since_ms(self.began) - NEVER_SEEN_AFTER_MS,
            };
            let offline = works && !live.online && gone_ms > 0;
            let cause = |code| Cause::device(code, id.clone(), row.lane.clone());
            self.shared.alerts.set(&cause("device_offline"), offline);
            self.shared.alerts.set(&cause("clock_off"), works && live.clock_off);
        }
    }
}
