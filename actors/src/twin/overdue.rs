//! Answers that take too long: what was asked, in its order, with one timer for all of it.

use std::{collections::VecDeque, time::Duration};

use actix::Addr;
use shanmen_protocols::ids::ScanId;
use tokio::time::Instant;

use super::{Back, Twin, Way, tell};

/// How long a lane's answer may take before the lane is told `busy`.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What was asked in the last seconds; most of it has been answered long since.
#[derive(Default)]
pub(super) struct Overdue {
    asked: VecDeque<(Instant, ScanId, Option<Way>)>,
    /// A timer runs.
    timed: bool,
}

impl Overdue {
    /// Notes a question; `way`: where its answer is told first.
    pub(super) fn wait_for(&mut self, id: ScanId, way: Option<Way>, me: &Addr<Twin>) {
        self.asked.push_back((Instant::now() + ANSWER_WAIT, id, way));
        self.time(me);
    }

    /// The questions whose time is over; of those behind them a timer will tell.
    pub(super) fn due(&mut self, me: &Addr<Twin>) -> Vec<(ScanId, Option<Way>)> {
        self.timed = false;
        let now = Instant::now();
        let count = self.asked.iter().take_while(|(due, ..)| *due <= now).count();
        let due = self.asked.drain(..count).map(|(_, id, way)| (id, way)).collect();
        self.time(me);
        due
    }

    fn time(&mut self, me: &Addr<Twin>) {
        if self.timed {
            return;
        }
        let Some((due, ..)) = self.asked.front() else { return };
        self.timed = true;
        let (due, me) = (*due, me.clone());
        actix::spawn(async move {
            tokio::time::sleep_until(due).await;
            tell(&me, Back::LookForOverdue).await;
        });
    }
}
