//! Viewers of the feed: each on a WebSocket of its own, as a wall is, and checked frame by frame.
//!
//! No frame may be missing, show a code, count more people than were let in, or count backwards;
//! in the end what a viewer holds is what the oracle counted. How far the people inside and the
//! counts of the gates are apart within one frame is measured. A feed that ends while the server
//! is being restarted is connected again; at any other time it is broken.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    feed::{Delta, Snapshot},
    time::UnixMs,
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::unix_ms,
    figures::{Latencies, Quantiles},
    fleet::Fleet,
};

/// How long a feed may be silent: its heartbeat is 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long a viewer waits before it connects again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// So many of the viewers keep the state and check it; all check the numbers of the frames.
const CHECKING: usize = 4;

/// What no frame may hold: the beginning of a signed code, and of a code that was never sold.
const NEVER_SHOWN: [&str; 2] = ["\"SM1", "NEVER-SOLD"];

type Socket = WebSocketStream<TcpStream>;

/// What all viewers saw.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Viewed {
    /// Viewers.
    pub viewers: usize,
    /// Frames, of all of them.
    pub frames: u64,
    /// Times that one had to connect again.
    pub reconnects: u64,
    /// From the commit of a passage until a viewer has it.
    pub age: Quantiles,
    /// The most that the people inside and entries less exits were apart in one frame, in persons.
    pub apart_max: u64,
}

/// All viewers.
pub struct Viewers(Arc<Shared>);

struct Shared {
    count: usize,
    http: String,
    fleet: Arc<Fleet>,
    before: Snapshot,
    own_park: bool,
    /// The server is being restarted: a feed may end.
    may_end: Arc<AtomicBool>,
    frames: AtomicU64,
    reconnects: AtomicU64,
    ages: Mutex<Latencies>,
    apart_max: AtomicU64,
    held: Vec<Mutex<Option<Snapshot>>>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Kind,
    seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Snapshot,
    Delta,
}

impl Viewers {
    /// Connects so many viewers; they look until `shutdown`.
    pub async fn start(
        count: usize,
        http: String,
        fleet: &Arc<Fleet>,
        (before, own_park): (&Snapshot, bool),
        may_end: &Arc<AtomicBool>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            count,
            http,
            fleet: Arc::clone(fleet),
            before: before.clone(),
            own_park,
            may_end: Arc::clone(may_end),
            frames: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            ages: Mutex::default(),
            apart_max: AtomicU64::new(0),
            held: (0..count.min(CHECKING)).map(|_| Mutex::default()).collect(),
        });
        for number in 0..count {
            let socket = connect(&shared.http).await.context("a viewer")?;
            let looking = Arc::clone(&shared).look(number, socket);
            tokio::spawn(shutdown.clone().run_until_cancelled_owned(looking));
        }
        Ok(Self(shared))
    }

    /// What the checking viewers hold now.
    pub fn held(&self) -> Vec<Snapshot> {
        self.0.held.iter().filter_map(|held| lock(held).clone()).collect()
    }

    /// How many there are, and what they saw.
    pub fn viewed(&self) -> Viewed {
        Viewed {
            viewers: self.0.count,
            frames: self.0.frames.load(Relaxed),
            reconnects: self.0.reconnects.load(Relaxed),
            age: lock(&self.0.ages).quantiles(),
            apart_max: self.0.apart_max.load(Relaxed),
        }
    }
}

async fn connect(http: &str) -> anyhow::Result<Socket> {
    let connecting = async {
        let stream = TcpStream::connect(http).await?;
        stream.set_nodelay(true)?;
        anyhow::Ok(client_async(format!("ws://{http}/feed"), stream).await?.0)
    };
    timeout(SILENCE_MAX, connecting).await.context("no connection to the feed in time")?
}

impl Shared {
    async fn look(self: Arc<Self>, number: usize, mut socket: Socket) {
        let mut counted = 0;
        loop {
            let ended = self.watch(number, &mut socket, &mut counted).await;
            if !self.may_end.load(Relaxed)
                && let Err(why) = ended
            {
                self.fleet.oracle().breaks(format!("viewer {number}: {why:#}"));
                return;
            }
            self.reconnects.fetch_add(1, Relaxed);
            socket = loop {
                sleep(AGAIN_AFTER).await;
                if let Ok(socket) = connect(&self.http).await {
                    break socket;
                }
            };
        }
    }

    /// Looks at one connection until it ends; the error says what was wrong with it.
    async fn watch(
        &self,
        number: usize,
        socket: &mut Socket,
        counted: &mut u32,
    ) -> anyhow::Result<()> {
        let mut last: Option<u64> = None;
        loop {
            let message =
                timeout(SILENCE_MAX, socket.next()).await.context("the feed is silent")?;
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => bail!("the feed ended"),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error).context("the feed broke"),
            };
            self.frames.fetch_add(1, Relaxed);
            let head: Head = serde_json::from_str(&text).context("a frame of another form")?;
            match (head.kind, last) {
                (Kind::Delta, Some(last)) if head.seq == last + 1 => {}
                (Kind::Snapshot, _) => {}
                (Kind::Delta, _) => bail!("frame {} came after {last:?}", head.seq),
            }
            last = Some(head.seq);
            if number < self.held.len() {
                self.check(number, head.kind, &text, counted);
            }
        }
    }

    fn check(&self, number: usize, kind: Kind, text: &str, counted: &mut u32) {
        let mut faults = Vec::new();
        if NEVER_SHOWN.iter().any(|secret| text.contains(secret)) {
            faults.push("a code stands in a frame".to_owned());
        }
        let mut held = lock(&self.held[number]);
        match kind {
            Kind::Snapshot => match serde_json::from_str(text) {
                Ok(state) => *held = Some(state),
                Err(error) => faults.push(format!("a snapshot of another form: {error}")),
            },
            Kind::Delta => match serde_json::from_str::<Delta>(text) {
                Ok(delta) => {
                    self.ages(&delta);
                    if let Some(state) = held.as_mut() {
                        state.apply(&delta);
                    }
                }
                Err(error) => faults.push(format!("a delta of another form: {error}")),
            },
        }
        if self.own_park
            && let Some(state) = held.as_ref()
        {
            faults.extend(self.counts(state, counted));
        }
        drop(held);
        for fault in faults {
            self.fleet.oracle().breaks(format!("viewer {number}: {fault}"));
        }
    }

    fn ages(&self, delta: &Delta) {
        let now_ms = unix_ms();
        let mut ages = lock(&self.ages);
        for line in &delta.recent {
            let UnixMs(committed_ms) = line.committed_at;
            let age_ms = u64::try_from(now_ms.saturating_sub(committed_ms)).unwrap_or(0);
            ages.record(age_ms.saturating_mul(1_000_000));
        }
    }

    /// What the counts of a frame must be at any time.
    fn counts(&self, state: &Snapshot, counted: &mut u32) -> Vec<String> {
        let mut faults = Vec::new();
        let (old, new) = (&self.before.today, &state.today);
        let entries = new.entries.saturating_sub(old.entries);
        let walked = self.fleet.oracle().walked_in();
        if walked < entries {
            faults.push(format!("{entries} entries are shown, {walked} persons were let in"));
        }
        if entries < *counted {
            faults.push(format!("{entries} entries are shown, it was {counted} before"));
        }
        *counted = entries;
        let inside = i64::from(new.entries) - i64::from(new.exits);
        let before = i64::from(old.entries) - i64::from(old.exits);
        let in_site = i64::from(new.in_site) - i64::from(old.in_site);
        self.apart_max.fetch_max((in_site - (inside - before)).unsigned_abs(), Relaxed);
        if i64::from(walked) < in_site {
            faults.push(format!("{in_site} are shown inside, {walked} persons were let in"));
        }
        faults
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
