//! The raw round trip through the same broker: the limit beside which every figure stands.
//!
//! device → broker → responder → broker → device, with as many connections, payloads of the same
//! size, the same quality of service and the same client library and options as the turnstiles',
//! and nothing else: no JSON, no decision, no ledger. Broker and responder run in a process of
//! their own, as the server does; `shanmen-loadtest echo-broker` is that process.

pub mod broker;
mod client;
mod process;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::process::EchoProcess;
use crate::{
    clock::Clock,
    figures::Round,
    lanes::{Lanes, Placed, QueueState},
};

/// The site of the echo's topics.
pub(crate) const SITE: &str = "echo";

/// The id at the head of each payload, in bytes: as long as a scan's.
pub(crate) const ID_BYTES: usize = 36;

/// How long all clients may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(1);

/// Who answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Responder {
    /// A client of the broker, over a socket: what any control plane beside a broker would be.
    #[default]
    Outside,
    /// The broker's own process: taken from the publisher's task, routed back in process.
    InProcess,
}

/// The form of an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Form {
    /// Connections.
    pub lanes: usize,
    /// Quality of service of question and answer, 0 or 1.
    pub qos: u8,
    /// Who answers.
    pub responder: Responder,
    /// Size of the question's payload.
    pub question_bytes: usize,
    /// Size of the answer's payload.
    pub answer_bytes: usize,
    /// After each answer a second round trip follows as a passage's does, fact and
    /// acknowledgement at `QoS` 1: it is load, and not measured.
    pub facts: bool,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// When it was to be asked, in nanoseconds of the clock.
    pub intended_ns: u64,
    /// Whether it counts among the figures.
    pub measured: bool,
}

/// All clients of an echo.
pub struct EchoFleet {
    clock: Clock,
    form: Form,
    places: Lanes<Question>,
    questions: Vec<mpsc::Sender<Question>>,
    round: Mutex<Round>,
    lost: AtomicU64,
    ready: Semaphore,
}

impl EchoFleet {
    /// Connects all clients to the broker at `host:port`.
    pub async fn start(
        clock: Clock,
        form: Form,
        (host, port): (String, u16),
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let (questions, receivers): (Vec<_>, Vec<_>) =
            (0..form.lanes).map(|_| mpsc::channel(1)).unzip();
        let fleet = Arc::new(Self {
            clock,
            form,
            places: Lanes::new(form.lanes),
            questions,
            round: Mutex::default(),
            lost: AtomicU64::new(0),
            ready: Semaphore::new(0),
        });
        for (lane, receiver) in receivers.into_iter().enumerate() {
            let (client, eventloop) = client::Client::new(Arc::clone(&fleet), lane, &host, port)?;
            let running = client.run(eventloop, receiver);
            tokio::spawn(shutdown.clone().run_until_cancelled_owned(running));
        }
        let lanes = u32::try_from(form.lanes).context("too many lanes")?;
        let all = fleet.ready.acquire_many(lanes);
        let connected = timeout(CONNECT_TIMEOUT, all).await;
        drop(connected.context("not all echo clients connected in time")??);
        Ok(fleet)
    }

    /// Asks. Never blocks: called by the pacer.
    pub fn ask(&self, question: Question) {
        match self.places.offer(question) {
            Placed::At(lane, question) => {
                if self.questions[lane].try_send(question).is_err() {
                    self.lost.fetch_add(1, Relaxed);
                }
            }
            Placed::Queued => {}
            Placed::TurnedAway => {
                self.lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// Waits until every question has been answered or given up.
    pub async fn quiet(&self, patience: Duration) -> anyhow::Result<()> {
        let free = async {
            while !self.places.state().is_quiet() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(patience, free).await.is_err() {
            bail!("some echoes were still under way {} s after the last", patience.as_secs());
        }
        Ok(())
    }

    /// What was measured since the last call.
    pub fn take_round(&self) -> Round {
        std::mem::take(&mut *self.round())
    }

    /// How many were answered in this round, and the figures so far.
    pub fn so_far(&self) -> (u64, crate::figures::Quantiles) {
        let round = self.round();
        (round.answered, round.intended.quantiles())
    }

    /// The queue before the clients.
    pub fn queue(&self) -> QueueState {
        self.places.state()
    }

    /// Questions without an answer.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
