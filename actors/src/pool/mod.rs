//! The validation pool: one shard an arbiter; a ticket always meets the same shard, which is the
//! only writer of its state.

mod core;
mod hot;
mod word;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{Actor, ActorContext as _, Addr, Context, Handler, Message};
use shanmen_protocols::ids::TicketId;
use shanmen_rules::{Presentation, decide, standing};

pub(crate) use self::{
    core::{Ask, ByGrant, Change, How, Settle, ShardCore},
    hot::{HotState, Leads, shard_of},
};
use crate::{flow::Occupancy, live_park::LivePark};

/// How many requests may wait for a shard.
const MAILBOX_MAX: usize = 8_192;

/// A request to a shard.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Task {
    /// A presentation.
    Ask(Box<Ask>),
    /// The end of a grant, or a passage without one.
    Settle(Box<Settle>),
    /// A change by hand.
    Change(Box<Change>),
    /// The end.
    Stop,
}

/// The actor: a shell around [`ShardCore`].
struct Shard(Arc<ShardCore>);

impl Actor for Shard {
    type Context = Context<Self>;
}

impl Handler<Task> for Shard {
    type Result = ();

    fn handle(&mut self, task: Task, ctx: &mut Self::Context) {
        let core = &self.0;
        // The core works on copies and keeps nothing of its own: after a panic it goes on as if
        // the request had never come, and whoever waits for the answer is told by its absence.
        let done = catch_unwind(AssertUnwindSafe(|| match task {
            Task::Ask(ask) => core.ask(*ask),
            Task::Settle(settle) => core.settle(*settle),
            Task::Change(change) => core.change(*change),
            Task::Stop => ctx.stop(),
        }));
        if done.is_err() {
            metrics::counter!("shanmen_actor_panics_total", "actor" => "shard").increment(1);
            tracing::error!("a shard failed at one request and goes on");
        }
    }
}

/// The way to all shards; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    shards: Arc<[Addr<Shard>]>,
    hot: Arc<HotState>,
    park: LivePark,
    occupancy: Arc<Occupancy>,
}

impl Pool {
    /// Starts one shard in each arbiter.
    pub(crate) fn start(core: ShardCore, arbiters: &[actix_rt::ArbiterHandle]) -> Self {
        let core = Arc::new(core);
        let shards = arbiters
            .iter()
            .map(|arbiter| {
                let shard = Shard(Arc::clone(&core));
                Shard::start_in_arbiter(arbiter, |ctx| {
                    ctx.set_mailbox_capacity(MAILBOX_MAX);
                    shard
                })
            })
            .collect();
        Self {
            shards,
            hot: Arc::clone(&core.hot),
            park: core.park.clone(),
            occupancy: Arc::clone(&core.occupancy),
        }
    }

    /// Gives a request to the shard of a ticket (any shard, where there is none). Returns it when
    /// the shard's mailbox is full.
    pub(crate) fn give(&self, ticket: Option<TicketId>, task: Task) -> Result<(), Task> {
        let ix = ticket.map_or(0, |id| shard_of(id, self.shards.len()));
        self.shards[ix].try_send(task).map_err(|refused| {
            metrics::counter!("shanmen_shard_mailbox_overflow_total").increment(1);
            refused.into_inner()
        })
    }

    /// Which of several tickets a credential stands for here and now: see
    /// [`standing`](shanmen_rules::standing).
    pub(crate) fn choose(&self, leads: &Leads, presentation: &Presentation) -> Option<TicketId> {
        if let [only] = leads.as_slice() {
            return Some(*only);
        }
        let park = &*self.park.now();
        let rank = |id: &TicketId| {
            let state = self.hot.ticket(*id)?;
            let verdict = decide(park, presentation, Some(&state), &*self.occupancy);
            Some(standing(park, presentation, &state, &verdict))
        };
        // `max_by_key` takes the last of equals; reversed, that is the first.
        leads.iter().rev().max_by_key(|id| rank(id)).copied()
    }

    /// The hot state, to read.
    pub(crate) fn hot(&self) -> &Arc<HotState> {
        &self.hot
    }

    /// Stops all shards after what is in their mailboxes.
    pub(crate) async fn stop(&self) {
        for shard in self.shards.iter() {
            if shard.send(Task::Stop).await.is_err() {
                tracing::debug!("a shard had stopped before");
            }
        }
    }
}

#[cfg(test)]
mod tests;
