//! What each step of the path of one scan costs, with the real code and real payloads:
//! `cargo bench -p shanmen-actors --bench path`. Each case runs in a process of its own; one case
//! alone: `-- decode`, `-- digest 1000000`, `-- commit`. `TMPDIR` says where the ledgers lie: the disk
//! there is the disk that is measured.
//!
//! Steps that stay on one thread are told in nanoseconds, as the median and the smallest of several
//! batches. What crosses threads is told in microseconds of waiting, and of the processor's time in
//! this process, thread by thread (Linux: `/proc/self/task`). The allocator is the program's own.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use shanmen_actors::{
    clock::Stopwatch,
    measure::{
        steps::{ROUNDS, Running, Step, decide},
        threads::{Commits, Hops, Listener, What},
    },
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Made<T> = Result<T, Box<dyn Error>>;
type Outcome = Made<()>;

const CASES: &[&str] = &[
    "decode",
    "route",
    "digest 10000",
    "digest 1000000",
    "decide 10000",
    "decide 1000000",
    "encode",
    "commit",
    "publish",
    "hand-over",
];

/// How many rounds are timed together; the first such batch is for warming up.
const BATCH: u64 = 500;
/// How many decisions are published in one go: fewer than a device's channel holds.
const BURST: u64 = 100;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let running = |steps: &dyn Fn(&Running) -> Made<Vec<Step>>| {
        let folder = tempfile::tempdir()?;
        let running = Running::start(folder.path())?;
        time(args[0], steps(&running)?)?;
        running.stop();
        Ok(())
    };
    match args[..] {
        [] => all(),
        ["decode"] => running(&Running::decode),
        ["route"] => running(&|running| Ok(running.route())),
        ["digest", tickets] => running(&|running| running.digest(tickets.parse()?)),
        ["decide", tickets] => time("decide", decide(tickets.parse()?)?),
        ["encode"] => running(&Running::encode),
        ["commit"] => commit(),
        ["publish"] => publish(),
        ["hand-over"] => hand_over(),
        ["listen", device, secret, topic, port, each] => {
            listen(device, secret, topic, port.parse()?, each.parse()?)
        }
        _ => Err(format!("one of: {}", CASES.join(" | ")).into()),
    }
}

fn all() -> Outcome {
    println!("| step | what | median ns | smallest ns |\n| --- | --- | --- | --- |");
    for case in CASES {
        if *case == "commit" {
            println!("\n| step | what | p50 µs | p99 µs | processor µs | of these, by thread |");
            println!("| --- | --- | --- | --- | --- | --- |");
        }
        let status = Command::new(std::env::current_exe()?).args(case.split(' ')).status()?;
        if !status.success() {
            return Err(format!("{case}: {status}").into());
        }
    }
    Ok(())
}

/// Times steps that stay on this thread.
fn time(case: &str, steps: Vec<Step>) -> Outcome {
    for Step { name, mut once } in steps {
        let mut batches = Vec::new();
        for _ in 0..ROUNDS / BATCH {
            let watch = Stopwatch::start();
            let good = (0..BATCH).filter(|_| once()).count();
            batches.push(watch.seconds() * 1e9 / BATCH as f64);
            if good as u64 != BATCH {
                return Err(format!("{case}, {name}: {good} of {BATCH} rounds went well").into());
            }
        }
        let timed = &mut batches[1..];
        let (median, smallest) = (quantile(timed, 0.5), quantile(timed, 0.0));
        println!("| {case} | {name} | {median:.0} | {smallest:.0} |");
    }
    Ok(())
}

/// Real records into a ledger on the disk, one at a time and many.
fn commit() -> Outcome {
    // Each record is of a ticket of its own: all that follow, and those that warm up.
    const TICKETS: u64 = 10_000;
    let folder = tempfile::tempdir()?;
    let mut commits = Commits::open(folder.path(), TICKETS)?;
    let mut settled = 0;
    for (what, name) in [(What::Decided, "a decision"), (What::Settled, "a passage")] {
        settled = 500;
        commits.append(what, settled, 8)?;
        for (in_flight, count) in [(1, 1_000), (8, 4_000), (64, 4_000)] {
            let before = Spent::now()?;
            let mut waits = commits.append(what, count, in_flight)?;
            row("commit", &format!("{name}, {in_flight} in flight"), &mut waits, count, &before)?;
            settled += waits.len();
        }
    }
    let found = commits.stop()?;
    if found != settled {
        return Err(format!("the books have {found} of {settled} passages").into());
    }
    Ok(())
}

/// Decisions into the broker, while their device reads them in a process of its own.
fn publish() -> Outcome {
    let folder = tempfile::tempdir()?;
    let running = Running::start(folder.path())?;
    for (name, burst, bursts) in [("one at a time", 1, 5_000), ("in bursts", BURST, 200)] {
        let listener = running.listener()?;
        let mut reader = Reader::start(&listener, burst)?;
        let mut burst_of = |bursts: usize| {
            let once = |_| {
                let seconds = running.publish(&listener, burst)?;
                reader.heard()?;
                Ok(seconds / burst as f64)
            };
            (0..bursts).map(once).collect::<Made<Vec<f64>>>()
        };
        burst_of(bursts / 10)?;
        let before = Spent::now()?;
        let mut waits = burst_of(bursts)?;
        let count = bursts * usize::try_from(burst)?;
        row("publish", &format!("a decision, {name}"), &mut waits, count, &before)?;
    }
    running.stop();
    Ok(())
}

/// A message to another thread and back.
fn hand_over() -> Outcome {
    type Way = fn(&Hops, usize, Duration) -> Made<Vec<f64>>;
    let ways: [(&str, Way); 2] =
        [("a mailbox on another arbiter", Hops::mailbox), ("a queue to a thread", Hops::queue)];
    let hops = Hops::start()?;
    for (name, way) in ways {
        let pauses = [("at once again", 0, 10_000), ("after 1 ms of rest", 1, 2_000)];
        for (rest, pause_ms, rounds) in pauses {
            let before = Spent::now()?;
            let mut waits = way(&hops, rounds, Duration::from_millis(pause_ms))?;
            let name = format!("{name} and back, {rest}");
            row("hand-over", &name, &mut waits, rounds, &before)?;
        }
    }
    hops.stop();
    Ok(())
}

fn row(case: &str, name: &str, waits: &mut [f64], count: usize, before: &Spent) -> Outcome {
    let spent = Spent::now()?.since(before, count);
    let (p50, p99) = (quantile(waits, 0.5) * 1e6, quantile(waits, 0.99) * 1e6);
    println!("| {case} | {name} | {p50:.1} | {p99:.1} | {spent} |");
    Ok(())
}

/// The value below which that share of the values lies.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (0..last).filter(|n| (*n as f64) < share * last as f64).count();
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds on the processor of each thread of this process that is there, by its name.
struct Spent(BTreeMap<String, u64>);

impl Spent {
    fn now() -> Made<Self> {
        let mut spent = BTreeMap::new();
        let me = std::process::id().to_string();
        for thread in fs::read_dir("/proc/self/task")? {
            let thread = thread?;
            let read = |what| fs::read_to_string(thread.path().join(what));
            // One that has ended since it was listed is not counted.
            let (Ok(stat), Ok(name)) = (read("schedstat"), read("comm")) else { continue };
            let is_main = thread.file_name() == me.as_str();
            let name = if is_main { "the caller" } else { name.trim() };
            let on_core: u64 = stat.split(' ').next().ok_or("no such field")?.parse()?;
            *spent.entry(name.to_owned()).or_default() += on_core;
        }
        Ok(Self(spent))
    }

    /// Microseconds since then for each of so many: all, and where they went.
    fn since(&self, before: &Self, count: usize) -> String {
        let each = |name: &String, now: &u64| {
            let before = before.0.get(name).copied().unwrap_or_default();
            now.saturating_sub(before) as f64 / 1e3 / count as f64
        };
        let spent = self.0.iter().map(|(name, now)| (name, each(name, now)));
        let spent: Vec<_> = spent.filter(|(_, micros)| 0.05 <= *micros).collect();
        let all: f64 = spent.iter().map(|(_, micros)| micros).sum();
        let threads: Vec<_> =
            spent.iter().map(|(name, micros)| format!("{name} {micros:.1}")).collect();
        format!("{all:.1} | {}", threads.join(", "))
    }
}

/// A device in a process of its own that reads what it is sent.
struct Reader {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Reader {
    /// Starts it; it tells of each so-many-th message.
    fn start(listener: &Listener, each: u64) -> Made<Self> {
        let Listener { device, secret, topic, port, .. } = listener;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["listen", device, secret, topic.as_ref(), &port.to_string(), &each.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut reader = Self { process, lines };
        reader.heard()?;
        Ok(reader)
    }

    /// Waits for its word.
    fn heard(&mut self) -> Outcome {
        self.lines.next().ok_or("the reader has ended")??;
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            println!("the reader did not end: {error}");
        }
    }
}

/// The device's side of [`Reader`]: a line once it hears, and one for each so-many-th message.
fn listen(device: &str, secret: &str, topic: &str, port: u16, each: u64) -> Outcome {
    let id = format!("reader-{}", std::process::id());
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_credentials(device, secret);
    let (client, mut connection) = Client::new(options, 8);
    client.subscribe(topic, QoS::AtMostOnce)?;
    let mut heard = 0;
    for event in connection.iter() {
        match event? {
            Event::Incoming(Packet::SubAck(_)) => println!("0"),
            Event::Incoming(Packet::Publish(_)) => {
                heard += 1;
                if heard % each == 0 {
                    println!("{heard}");
                }
            }
            _ => {}
        }
    }
    Ok(())
}
