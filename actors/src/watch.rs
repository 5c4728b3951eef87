//! The watch: once a second it looks at the open grants and the queues, for the wall and the
//! metrics. It decides nothing: a grant whose lane is silent keeps its place until the lane's log
//! arrives or an operator releases it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use shanmen_protocols::time::UnixMs;
use shanmen_rules::LaneIx;
use tokio::sync::watch;

use crate::{flow::Fact, ledger::GrantRow, twin::Shared};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long after the hold time a lane counts as silent, in milliseconds.
const GRACE_MS: i64 = 10_000;

/// The watch.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    shown: BTreeMap<LaneIx, u32>,
}

impl Watch {
    /// A watch that has seen nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, shown: BTreeMap::new() }
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
        let hot = self.shared.pool.hot();
        let mut lanes: BTreeMap<LaneIx, u32> = self.shown.keys().map(|lane| (*lane, 0)).collect();
        let mut overdue = 0u32;
        for row in hot.open_grants() {
            *lanes.entry(row.open.lane).or_default() += 1;
            overdue += u32::from(Self::is_overdue(&row, now));
        }
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
}
