//! What the hot state holds and how fast the pool decides on it:
//! `cargo bench -p shanmen-actors --bench hot`. Each case runs in a process of its own; one case
//! alone: `-- decide`, `-- hold 5000000 leads`, `-- hold 5000000 bare`, `-- pause 10000000`,
//! `-- load 1000000`. `TMPDIR` says where `load` writes its ledger.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    error::Error,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use hdrhistogram::Histogram;
use shanmen_actors::measure::{Kind, Measured, fill, mixed};

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
    let measured = filled(TICKETS, true)?;
    for (name, granted) in [("grant and passage", true), ("refusal (used)", false)] {
        let begun = Instant::now();
        let grants = (0..TICKETS).filter(|n| measured.present(scattered(*n, TICKETS))).count();
        let seconds = begun.elapsed().as_secs_f64();
        if grants as u64 != if granted { TICKETS } else { 0 } {
            return Err(format!("{name}: {grants} grants").into());
        }
        println!("decide 1000000: {name}: {:.0} decisions/s", TICKETS as f64 / seconds);
    }
    Ok(())
}

/// What the tickets take, and how fast they are put and found.
fn hold(tickets: u64, leads: bool) -> Outcome {
    let before = resident_bytes()?;
    let begun = Instant::now();
    let measured = filled(tickets, leads)?;
    let put = tickets as f64 / begun.elapsed().as_secs_f64();
    let bytes = (resident_bytes()? - before) as f64 / tickets as f64;
    let begun = Instant::now();
    let found = (0..LOOKUPS).filter(|n| measured.ticket(mixed(*n) % tickets)).count();
    let by_id = begun.elapsed().as_nanos() as f64 / LOOKUPS as f64;
    let begun = Instant::now();
    let led = (0..LOOKUPS).filter(|n| measured.leads(mixed(*n) % tickets)).count();
    let by_credential = begun.elapsed().as_nanos() as f64 / LOOKUPS as f64;
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
            for n in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                let granted = measured.present(mixed(n) % SHOWN);
                presentations.record(nanos(begun))?;
                assert!(granted, "a pass is good");
            }
            Ok::<_, hdrhistogram::RecordError>(())
        });
        for n in SHOWN..tickets {
            let begun = Instant::now();
            measured.put(n, Kind::Single);
            measured.lead(n);
            puts.record(nanos(begun))?;
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
        let (loaded, seconds) = measured.load(folder.path())?;
        if loaded as u64 != tickets {
            return Err(format!("{loaded} of {tickets} loaded").into());
        }
        println!(
            "load {tickets}: {seconds:.2} s, {:.0} tickets/s with a credential each (written in \
             {filled:.0} s)",
            tickets as f64 / seconds
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

/// Another order of `0..count`: neighbours come apart, each number comes once.
fn scattered(n: u64, count: u64) -> u64 {
    // A prime that does not divide a power of ten.
    n * 611_953 % count
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// What the process holds of the memory, in bytes (`/proc/self/statm`, pages of 4 KiB).
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).ok_or("no resident pages")?.parse()?;
    Ok(pages * 4096)
}
