//! What crosses threads on a scan's path: a record to the journal and its answer back, a decision
//! into the broker, a message through a mailbox. Each gives what it waited, in seconds;
//! `benches/path.rs` adds what the process spent on it.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, Message};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use shanmen_protocols::{device::Down, ids::ScanId, topic};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};
use uuid::Uuid;

use super::{
    Kind, Measured, NOW, definition, fill, id_of, park, runtime,
    steps::{Made, Running, filled},
};
use crate::{
    clock::{self, Clock, Stopwatch},
    ledger::{
        self, After, Answer, Asker, DeviceRow, Entry, Journaled, Ledger as _, LedgerFault,
        SqliteLedger,
    },
    link::{Downlink, Qos},
    stage::Stage,
};

/// How long a decision is good for.
const TTL: Duration = Duration::from_millis(1500);

/// Records of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Grants, whose lanes wait.
    Decided,
    /// Their passages.
    Settled,
}

/// A ledger on the disk, and records that a shard has made for it.
pub struct Commits {
    runtime: Runtime,
    ledger: Arc<SqliteLedger>,
    decided: std::vec::IntoIter<Journaled>,
    settled: std::vec::IntoIter<Journaled>,
}

impl Commits {
    /// A ledger in an empty folder, with so many tickets and a grant and a passage for each.
    pub fn open(folder: &Path, tickets: u64) -> Made<Self> {
        let runtime = runtime()?;
        fill(folder, tickets)?;
        let inside = runtime.enter();
        let ledger = Arc::new(ledger::open(folder, Clock::of(clock::system_now))?);
        ledger.settle_names(&definition(1)?)?;
        drop(inside);
        let (decided, settled) = records(tickets)?;
        Ok(Self { runtime, ledger, decided: decided.into_iter(), settled: settled.into_iter() })
    }

    /// Appends the next records, so many in flight at a time. What each waited: a decision until
    /// it is told, by the thread that commits it; a passage until its reporter hears of the
    /// commit. When this returns, the books have them too.
    pub fn append(&mut self, what: What, count: usize, in_flight: usize) -> Made<Vec<f64>> {
        let records = match what {
            What::Decided => &mut self.decided,
            What::Settled => &mut self.settled,
        };
        let ledger = &*self.ledger;
        let records = records.take(count).map(|record| append(ledger, record));
        let waits: Vec<_> = self
            .runtime
            .block_on(stream::iter(records).buffer_unordered(in_flight).try_collect())?;
        // A read waits for the books.
        ledger.answer("nobody", ScanId(Uuid::nil()))?;
        Ok(waits)
    }

    /// Ends, and says how many passages the books have.
    pub fn stop(self) -> Made<usize> {
        let mut passages = 0;
        self.ledger.passages_of(park()?.business_day(NOW), &mut |_| passages += 1)?;
        self.ledger.stop();
        Ok(passages)
    }
}

/// What a shard hands to the ledger for a grant of each ticket, and for each one's passage.
fn records(tickets: u64) -> Made<(Vec<Journaled>, Vec<Journaled>)> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&kept);
    let lock = |kept: &Mutex<Vec<_>>| {
        std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let measured = Measured::with(move |record| {
        keeper.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    })?;
    (0..tickets).for_each(|n| measured.put(n, Kind::Single));
    let granted = (0..tickets).filter_map(|n| measured.decide(n, Some(id_of(n)))?.grant);
    let granted: Vec<_> = granted.collect();
    let decided = lock(&kept);
    if !granted.into_iter().all(|grant| measured.pass(grant)) {
        return Err("a grant's passage was not taken".into());
    }
    Ok((decided, lock(&kept)))
}

async fn append(ledger: &SqliteLedger, record: Journaled) -> Made<f64> {
    let watch = Stopwatch::start();
    let Journaled::Decided(decided) = record else {
        ledger::journal(ledger, record).await?;
        return Ok(watch.seconds());
    };
    let answer = Arc::clone(&decided.scan.answer);
    let (told, telling) = oneshot::channel();
    let after = After::Answer(Box::new(Lane { told, watch }), answer);
    let entry = Entry { record: Journaled::Decided(decided), after };
    ledger.append(entry).map_err(|_| LedgerFault::Full)?;
    Ok(telling.await??)
}

/// A lane: the thread that commits its answer tells it.
struct Lane {
    told: oneshot::Sender<Result<f64, LedgerFault>>,
    watch: Stopwatch,
}

impl Asker for Lane {
    fn answer(self: Box<Self>, result: Result<Arc<Answer>, LedgerFault>) -> bool {
        self.told.send(result.map(|_| self.watch.seconds())).is_ok()
    }
}

/// What a device has to know to hear its decisions, and one to send it.
pub struct Listener {
    /// Its id, which is its user name.
    pub device: String,
    /// Its password.
    pub secret: String,
    /// The topic that it hears.
    pub topic: Arc<str>,
    /// The broker's port on this machine.
    pub port: u16,
    grant: Bytes,
}

impl Running {
    /// Gives a device a secret to come in with.
    pub fn listener(&self) -> Made<Listener> {
        let id = self.devices.first().ok_or("no device")?;
        let known = self.shared.registry.get(id.as_str()).ok_or("an unknown device")?;
        let secret = Uuid::new_v4().to_string();
        let digest = *blake3::hash(secret.as_bytes()).as_bytes();
        self.shared.registry.put(DeviceRow { secret: Some(digest), ..(*known.row()).clone() });
        let answer = filled(1)?.decide(0, Some(id_of(0))).ok_or("no answer")?;
        let grant = serde_json::to_vec(&Down::Decision(self.shared.decision(&answer)))?;
        let (topic, (_, port)) = (topic::down(&self.site, id), self.plane.broker_address());
        let (device, topic) = (id.to_string(), Arc::from(topic));
        Ok(Listener { device, secret, topic, port, grant: grant.into() })
    }

    /// Publishes a grant so often, each from its bytes until it is in the channel of its device;
    /// seconds for all of them.
    pub fn publish(&self, to: &Listener, count: u64) -> Made<f64> {
        self.runtime.block_on(async {
            let watch = Stopwatch::start();
            for _ in 0..count {
                let (topic, payload) = (Arc::clone(&to.topic), to.grant.clone());
                let message = Downlink { topic, payload, qos: Qos::Zero, ttl: Some(TTL) };
                self.shared.link.publish(message).await?;
            }
            Ok(watch.seconds())
        })
    }
}

/// A message to an actor.
#[derive(Message)]
#[rtype(result = "()")]
struct Knock;

/// Answers at once.
struct Door;

impl Actor for Door {
    type Context = Context<Self>;
}

impl Handler<Knock> for Door {
    type Result = ();

    fn handle(&mut self, _: Knock, _: &mut Self::Context) {}
}

/// Threads to hand messages to, and to have them back from.
pub struct Hops {
    runtime: Runtime,
    stage: Stage,
    door: Addr<Door>,
    queue: mpsc::Sender<oneshot::Sender<()>>,
}

impl Hops {
    /// Starts two arbiters, and a thread with a bounded queue, as the journal has one.
    pub fn start() -> Made<Self> {
        let runtime = runtime()?;
        let stage = runtime.block_on(Stage::start(2))?;
        let door = Door::start_in_arbiter(stage.arbiter(0), |_| Door);
        let (queue, mut asked) = mpsc::channel::<oneshot::Sender<()>>(64);
        let work = move || {
            while let Some(answer) = asked.blocking_recv() {
                answer.send(()).unwrap_or_default();
            }
        };
        std::thread::Builder::new().name("queue".into()).spawn(work)?;
        Ok(Self { runtime, stage, door, queue })
    }

    /// A message from one arbiter through the mailbox of an actor on the other, and its answer
    /// back: so often, with a pause after each.
    pub fn mailbox(&self, rounds: usize, pause: Duration) -> Made<Vec<f64>> {
        let door = self.door.clone();
        let (done, waits) = oneshot::channel();
        self.stage.arbiter(1).spawn(async move {
            let knock = || async { door.send(Knock).await.map_err(|error| error.to_string()) };
            if done.send(repeated(rounds, pause, knock).await).is_err() {
                tracing::debug!("nobody waits for these times any more");
            }
        });
        Ok(self.runtime.block_on(waits)??)
    }

    /// The same through the queue to the thread that sleeps on it.
    pub fn queue(&self, rounds: usize, pause: Duration) -> Made<Vec<f64>> {
        let knock = || async {
            let (answer, answered) = oneshot::channel();
            self.queue.send(answer).await.map_err(|error| error.to_string())?;
            answered.await.map_err(|error| error.to_string())
        };
        Ok(self.runtime.block_on(repeated(rounds, pause, knock))?)
    }

    /// Ends all of them.
    pub fn stop(self) {
        self.runtime.block_on(self.stage.stop());
    }
}

async fn repeated<F: Future<Output = Result<(), String>>>(
    rounds: usize,
    pause: Duration,
    knock: impl Fn() -> F,
) -> Result<Vec<f64>, String> {
    let mut waits = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let watch = Stopwatch::start();
        knock().await?;
        waits.push(watch.seconds());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(waits)
}
