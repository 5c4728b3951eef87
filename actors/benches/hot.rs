//! What the hot state holds and how fast the pool decides on it:
//! `cargo bench -p shanmen-actors --bench hot`. Each case runs in a process of its own; one case
//! alone: `-- decide`, `-- hold 5000000 leads`, `-- hold 5000000 bare`, `-- pause 10000000`,
//! `-- load 1000000`. `TMPDIR` says where `load` writes its ledger.
//!
//! Rates are of one core: time on the processor counts, not the time when another process had it
//! (Linux: `/proc/thread-self/schedstat`). Pauses are what a thread really waited, less the time
//! when it could run and no core was free.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    error::Error,
    fs::File,
    os::unix::fs::FileExt as _,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use hdrhistogram::Histogram;
use shanmen_actors::measure::{Kind, Measured, fill, mixed, scattered};

type Outcome = Result<(), Box<dyn Error>>;

const CASES: &[&str] = &[
    "decide",
    "hold 1000000 bare",
    "hold 1000000 leads",
    "hold 5000000 bare",
    "hold 5000000 leads",
    "hold 10000000 bare",
    "hold 10000000 leads",
    "pause 1000000",
    "pause 10000000",
    "load 1000000",
];

/// How many tickets are presented while others are put.
const SHOWN: u64 = 100_000;
/// How many look-ups are timed.
const LOOKUPS: u64 = 2_000_000;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => all(),
        ["decide"] => decide(),
        ["hold", tickets, what] => hold(tickets.parse()?, what == "leads"),
        ["pause", tickets] => pause(tickets.parse()?),
        ["load", tickets] => load(tickets.parse()?),
        _ => Err("decide | hold N bare | hold N leads | pause N | load N".into()),
    }
}

fn all() -> Outcome {
    for case in CASES {
        let status = Command::new(std::env::current_exe()?).args(case.split(' ')).status()?;
        if !status.success() {
            return Err(format!("{case}: {status}").into());
        }
    }
    Ok(())
}

/// One thread decides: a million tickets, each shown once and passed, then each shown again.
fn decide() -> Outcome {
    const TICKETS: u64 = 1_000_000;
    const BATCH: u64 = 1_000;
    let measured = filled(TICKETS, true)?;
    let (mut deciding, mut passing) = (0.0, 0.0);
    for first in (0..TICKETS).step_by(usize::try_from(BATCH)?) {
        let begun = Ran::now()?;
        let shown = (first..first + BATCH).map(|n| measured.ask(scattered(n, TICKETS)));
        let grants: Vec<_> = shown.flatten().collect();
        deciding += begun.seconds()?;
        let begun = Ran::now()?;
        let passed = grants.into_iter().filter(|grant| measured.pass(*grant)).count();
        passing += begun.seconds()?;
        if passed as u64 != BATCH {
            return Err(format!("{passed} of {BATCH} passed").into());
        }
    }
    let begun = Ran::now()?;
    let refused = (0..TICKETS).filter(|n| measured.ask(scattered(*n, TICKETS)).is_none()).count();
    let refusing = begun.seconds()?;
    if refused as u64 != TICKETS {
        return Err(format!("{refused} of {TICKETS} refused").into());
    }
    for (name, seconds) in [
        ("grants", deciding),
        ("passages", passing),
        ("grants with their passages", deciding + passing),
        ("refusals (used)", refusing),
    ] {
        println!("decide {TICKETS}: {:.0} {name}/s", TICKETS as f64 / seconds);
    }
    Ok(())
}

/// What the tickets take, and how fast they are put and found.
fn hold(tickets: u64, leads: bool) -> Outcome {
    let before = resident_bytes()?;
    let begun = Ran::now()?;
    let measured = filled(tickets, leads)?;
    let put = tickets as f64 / begun.seconds()?;
    let bytes = (resident_bytes()? - before) as f64 / tickets as f64;
    let begun = Ran::now()?;
    let found = (0..LOOKUPS).filter(|n| measured.ticket(mixed(*n) % tickets)).count();
    let by_id = begun.seconds()? * 1e9 / LOOKUPS as f64;
    let begun = Ran::now()?;
    let led = (0..LOOKUPS).filter(|n| measured.leads(mixed(*n) % tickets)).count();
    let by_credential = begun.seconds()? * 1e9 / LOOKUPS as f64;
    if found as u64 != LOOKUPS || led as u64 != if leads { LOOKUPS } else { 0 } {
        return Err(format!("{found} found, {led} led to").into());
    }
    println!(
        "hold {tickets}{}: {bytes:.1} bytes a ticket, {put:.0} put/s, {by_id:.0} ns by id, \
         {by_credential:.0} ns by credential",
        if leads { " with a credential each" } else { "" }
    );
    Ok(())
}

/// One thread presents while another puts tickets with a credential each: what either waits.
fn pause(tickets: u64) -> Outcome {
    let measured = Measured::new()?;
    for n in 0..SHOWN {
        measured.put(n, Kind::Pass);
        measured.lead(n);
    }
    let done = AtomicBool::new(false);
    let (mut puts, mut presentations) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    std::thread::scope(|scope| {
        let presenter = scope.spawn(|| {
            let ran = Ran::now().map_err(|error| error.to_string())?;
            for n in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let mut granted = false;
                ran.wait_of(&mut presentations, || granted = measured.present(mixed(n) % SHOWN))
                    .map_err(|error| error.to_string())?;
                assert!(granted, "a pass is good");
            }
            Ok::<_, String>(())
        });
        let ran = Ran::now()?;
        for n in SHOWN..tickets {
            ran.wait_of(&mut puts, || {
                measured.put(n, Kind::Single);
                measured.lead(n);
            })?;
        }
        done.store(true, Ordering::Relaxed);
        presenter.join().map_err(|_| "the presenter failed")??;
        Ok::<_, Box<dyn Error>>(())
    })?;
    for (name, waits) in [("put and lead", puts), ("presentation meanwhile", presentations)] {
        println!(
            "pause {tickets}: {name}: p50 {:.1}, p99.99 {:.0}, longest {:.0} µs of {}",
            waits.value_at_quantile(0.5) as f64 / 1e3,
            waits.value_at_quantile(0.9999) as f64 / 1e3,
            waits.max() as f64 / 1e3,
            waits.len()
        );
    }
    Ok(())
}

/// From the opening of a ledger with tickets and credentials until they are in memory.
fn load(tickets: u64) -> Outcome {
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    fill(folder.path(), tickets)?;
    let filled = begun.elapsed().as_secs_f64();
    for _ in 0..2 {
        let measured = Measured::new()?;
        let ran = Ran::now()?;
        let (loaded, seconds) = measured.load(folder.path())?;
        let on_core = ran.seconds()?;
        if loaded as u64 != tickets {
            return Err(format!("{loaded} of {tickets} loaded").into());
        }
        println!(
            "load {tickets} with a credential each: {seconds:.2} s, {on_core:.2} of them on the core: \
             {:.0} tickets/s (written in {filled:.0} s)",
            tickets as f64 / on_core
        );
    }
    Ok(())
}

fn filled(tickets: u64, leads: bool) -> Result<Measured, Box<dyn Error>> {
    let measured = Measured::new()?;
    for n in 0..tickets {
        measured.put(n, Kind::Single);
        if leads {
            measured.lead(n);
        }
    }
    Ok(measured)
}

/// How long this thread ran since a moment, and how long it stood in line for a core.
struct Ran {
    schedstat: File,
    at_first: (u64, u64),
}

/// What may be a pause, in nanoseconds: shorter waits are taken as they are.
const LONG_NS: u64 = 20_000;

impl Ran {
    fn now() -> Result<Self, Box<dyn Error>> {
        let schedstat = File::open("/proc/thread-self/schedstat")?;
        let at_first = Self::read(&schedstat)?;
        Ok(Self { schedstat, at_first })
    }

    /// Nanoseconds on a core, and in line for one.
    fn read(schedstat: &File) -> Result<(u64, u64), Box<dyn Error>> {
        let mut buffer = [0; 64];
        let length = schedstat.read_at(&mut buffer, 0)?;
        let text = std::str::from_utf8(&buffer[..length])?;
        let mut fields = text.split(' ');
        let mut next = || fields.next().ok_or("no such field").map(str::parse::<u64>);
        Ok((next()??, next()??))
    }

    /// Seconds on a core since then.
    fn seconds(&self) -> Result<f64, Box<dyn Error>> {
        Ok((Self::read(&self.schedstat)?.0 - self.at_first.0) as f64 / 1e9)
    }

    /// Records what the caller of `work` waits, in nanoseconds.
    fn wait_of(&self, waits: &mut Histogram<u64>, work: impl FnOnce()) -> Outcome {
        let in_line = Self::read(&self.schedstat)?.1;
        let begun = Instant::now();
        work();
        let mut waited = u64::try_from(begun.elapsed().as_nanos())?;
        if LONG_NS < waited {
            waited = waited.saturating_sub(Self::read(&self.schedstat)?.1 - in_line);
        }
        waits.record(waited)?;
        Ok(())
    }
}

/// What the process holds of the memory, in bytes (`/proc/self/statm`, pages of 4 KiB).
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).ok_or("no resident pages")?.parse()?;
    Ok(pages * 4096)
}
