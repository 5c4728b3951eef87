//! What each step of a scan's path takes from the allocator:
//! `cargo bench -p shanmen-actors --bench allocations`. The same steps as in `path.rs`, whose times
//! a counting allocator would spoil.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::error::Error;

use shanmen_actors::measure::steps::{ROUNDS, Running, Step, decide};

/// Among how many tickets.
const TICKETS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| step | what | allocations | bytes |\n| --- | --- | --- | --- |");
    let folder = tempfile::tempdir()?;
    let running = Running::start(folder.path())?;
    print("decode", running.decode()?)?;
    print("route", running.route())?;
    print("digest", running.digest(TICKETS)?)?;
    print("decide", decide(TICKETS)?)?;
    print("encode", running.encode()?)?;
    running.stop();
    Ok(())
}

fn print(case: &str, steps: Vec<Step>) -> Result<(), Box<dyn Error>> {
    for Step { name, mut once } in steps {
        let mut good = 0;
        let taken = allocation_counter::measure(|| good = (0..ROUNDS).filter(|_| once()).count());
        if good as u64 != ROUNDS {
            return Err(format!("{case}, {name}: {good} of {ROUNDS} rounds went well").into());
        }
        let each = |sum: u64| sum as f64 / ROUNDS as f64;
        let (count, bytes) = (each(taken.count_total), each(taken.bytes_total));
        println!("| {case} | {name} | {count:.1} | {bytes:.0} |");
    }
    Ok(())
}
