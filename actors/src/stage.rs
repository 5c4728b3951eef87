//! The threads on which the actors play: an actix system with arbiters for the path of a scan, and one
//! for the flow, whose counting must not hold up a lane.
//!
//! The system runs on a thread of its own, so that the program's runtime stays tokio's.

use std::{sync::Mutex, thread::JoinHandle};

use actix_rt::{Arbiter, ArbiterHandle, System};
use tokio::sync::oneshot;

/// A running actix system.
pub(crate) struct Stage {
    system: System,
    arbiters: Vec<ArbiterHandle>,
    side: ArbiterHandle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Stage {
    /// Starts `count` arbiters for the path of a scan, and one beside it.
    pub(crate) async fn start(count: usize) -> Result<Self, String> {
        let (ready, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("actors".into())
            .spawn(move || {
                let runner = System::new();
                let arbiters: Vec<Arbiter> = (0..=count.max(1)).map(|_| Arbiter::new()).collect();
                let handles = arbiters.iter().map(Arbiter::handle).collect::<Vec<_>>();
                if ready.send((System::current(), handles)).is_err() {
                    return;
                }
                if let Err(error) = runner.run() {
                    tracing::error!(%error, "the actor system stopped");
                }
                for arbiter in arbiters {
                    arbiter.stop();
                    if arbiter.join().is_err() {
                        tracing::error!("an arbiter had failed");
                    }
                }
            })
            .map_err(|error| format!("cannot start the actors' thread: {error}"))?;
        let lost = |_| "the actor system did not start".to_owned();
        let (system, mut arbiters) = started.await.map_err(lost)?;
        let side = arbiters.pop().ok_or("no arbiter was started")?;
        Ok(Self { system, arbiters, side, thread: Mutex::new(Some(thread)) })
    }

    /// The arbiter beside the path of a scan.
    pub(crate) fn side(&self) -> &ArbiterHandle {
        &self.side
    }

    /// The arbiters of the path of a scan.
    pub(crate) fn arbiters(&self) -> &[ArbiterHandle] {
        &self.arbiters
    }

    /// The arbiter of the `n`th actor.
    pub(crate) fn arbiter(&self, n: usize) -> &ArbiterHandle {
        &self.arbiters[n % self.arbiters.len()]
    }

    /// Stops all of it.
    pub(crate) async fn stop(&self) {
        self.system.stop();
        let thread = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread
            && tokio::task::spawn_blocking(move || thread.join()).await.is_err()
        {
            tracing::error!("the actors' thread had failed");
        }
    }
}
