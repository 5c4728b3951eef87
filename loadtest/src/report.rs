//! What is told in the end: tables for people on standard output, JSON for machines in a file, and
//! a page with charts made from that same JSON.

mod charts;
pub mod compare;
pub mod html;

use std::{fs, io::Write, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use shanmen_devices::turnstile::TurnstileStats;

use crate::{
    callers,
    echo::Form,
    figures::{Latencies, Quantiles, Round, ratio},
    metrics::Measured,
    oracle::Broken,
    run::{Options, Outcome, SegmentLine, Told, Used},
    usage::ThreadUsed,
};

const HEAD: &str =
    "                          count     p50 ms     p90 ms     p99 ms   p99.9 ms     max ms";

/// Reports a run.
pub fn run(outcome: &Outcome, out: &mut dyn Write) -> anyhow::Result<()> {
    let Outcome { options, visitors, .. } = outcome;
    let scenario = &options.scenario;
    writeln!(
        out,
        "{}: {} lanes, {:.1} s, at most {:.0} scans/s (seed {}), {} × {:.1} s, the first {} s of \
         each not measured",
        scenario.name,
        scenario.lanes,
        scenario.seconds(),
        scenario.peak(),
        scenario.seed,
        options.rounds,
        options.each_s(),
        scenario.warmup_s
    )?;
    writeln!(out, "\n{HEAD}")?;
    row(out, "scan → decision", &visitors.intended)?;
    row(out, "  from the sending", &visitors.sent)?;
    row(out, "  sending late by", &visitors.late)?;
    row(out, "passage → ack", &visitors.acked)?;
    if let Some(echo) = &outcome.echo {
        row(out, "raw echo", &echo.intended)?;
        row(out, "  from the sending", &echo.sent)?;
        row(out, "  sending late by", &echo.late)?;
        ratios(out, visitors, echo)?;
        each(out, &outcome.segments)?;
    }
    writeln!(out)?;
    let answered = visitors.answered;
    writeln!(
        out,
        "visitors      {} planned, {answered} answered; at most {} waited for a free lane",
        outcome.planned, outcome.queue_longest
    )?;
    used(out, "server", outcome.server, answered)?;
    threads(out, outcome)?;
    if scenario.ends_server() {
        writeln!(out, "              (the server's figures here and below: since its last start)")?;
    }
    used(out, "fleet", outcome.fleet, answered)?;
    told(out, &outcome.told)?;
    let d = &outcome.devices;
    writeln!(
        out,
        "devices       {} scans sent again, {} facts sent again, {} decided alone, {} reconnects",
        d.resends,
        d.fact_resends,
        d.decided_alone,
        d.connects.saturating_sub(u64::try_from(scenario.lanes).unwrap_or(u64::MAX))
    )?;
    company(out, outcome)?;
    verdict(out, outcome)?;
    write_json(options.json.as_deref(), || json_of(outcome))?;
    let Some(path) = options.html.as_deref() else { return Ok(()) };
    fs::write(path, html::page(&json_of(outcome)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Kiosks, viewers, faults and what was there before.
fn company(out: &mut dyn Write, outcome: &Outcome) -> anyhow::Result<()> {
    let ms = |us: f64| us / 1000.0;
    let Outcome { sales, viewed, recovered, .. } = outcome;
    if sales.kiosks > 0 {
        let q = sales.sale;
        writeln!(
            out,
            "kiosks        {} sold {} tickets, p50 {:.1} ms, p99 {:.1} ms; {} sales failed in a fault",
            sales.kiosks,
            q.count,
            ms(q.p50_us),
            ms(q.p99_us),
            sales.failed
        )?;
    }
    if viewed.viewers > 0 {
        let q = viewed.age;
        writeln!(
            out,
            "viewers       {} saw {} frames; from commit to glass p50 {:.0} ms, p99 {:.0} ms; inside \
             and gates at most {} apart in a frame",
            viewed.viewers,
            viewed.frames,
            ms(q.p50_us),
            ms(q.p99_us),
            viewed.apart_max
        )?;
    }
    for fault in &outcome.suffered {
        let q = fault.back;
        writeln!(
            out,
            "fault         {:?} of {} lanes at {:.1} s, over at {:.1} s; back after p50 {:.2} s, \
             the last after {:.2} s",
            fault.kind,
            fault.lanes,
            fault.at_s,
            fault.over_s,
            q.p50_us / 1e6,
            q.max_us / 1e6
        )?;
    }
    if recovered.count > 0 {
        writeln!(
            out,
            "came again    {} visitors, served after p50 {:.1} s, at most {:.1} s",
            recovered.count,
            recovered.p50_us / 1e6,
            recovered.max_us / 1e6
        )?;
    }
    if let Some(p) = outcome.preloaded {
        let mib = |mib: Option<f64>| mib.map_or("?".to_owned(), |mib| format!("{mib:.0} MiB"));
        writeln!(
            out,
            "tickets       {} imported in {:.1} s ({:.0} a second), {} → {}; a start with them took \
             {:.2} s, {}",
            p.tickets,
            p.import_s,
            p.per_s,
            mib(p.mib[0]),
            mib(p.mib[1]),
            p.start_s.unwrap_or(0.0),
            mib(p.start_mib)
        )?;
    }
    Ok(())
}

fn verdict(out: &mut dyn Write, outcome: &Outcome) -> anyhow::Result<()> {
    let (counts, allowed) = (&outcome.counts, outcome.allowances);
    writeln!(
        out,
        "oracle        {} entries ({} of them again on the same ticket), {} exits, {} refusals, {} \
         visits not as planned; {} scans sent twice",
        counts.entries,
        counts.reentries,
        counts.exits,
        counts.refusals(),
        allowed.replaced,
        outcome.twice
    )?;
    if allowed.alone > 0 {
        writeln!(
            out,
            "in faults     {} answers by lanes alone, {} of them let in, {} conflicts, {} came again",
            allowed.alone, allowed.alone_granted, allowed.conflicts, allowed.again
        )?;
    }
    broken(out, outcome.broken, &outcome.broken_words)
}

pub(crate) fn broken(out: &mut dyn Write, count: u64, words: &[Broken]) -> anyhow::Result<()> {
    for Broken { what, trail } in words {
        writeln!(out, "  broken: {what}")?;
        for step in trail {
            writeln!(out, "    {step}")?;
        }
    }
    match count {
        0 => writeln!(out, "verdict       every answer and every count as expected")?,
        n => writeln!(out, "verdict       {n} BROKEN EXPECTATIONS")?,
    }
    Ok(())
}

fn row(out: &mut dyn Write, name: &str, latencies: &Latencies) -> anyhow::Result<()> {
    let q = latencies.quantiles();
    let ms = |us: f64| us / 1000.0;
    writeln!(
        out,
        "{name:<20} {:>10} {:>10.3} {:>10.3} {:>10.3} {:>10.3} {:>10.2}",
        q.count,
        ms(q.p50_us),
        ms(q.p90_us),
        ms(q.p99_us),
        ms(q.p999_us),
        ms(q.max_us)
    )?;
    Ok(())
}

fn ratios(out: &mut dyn Write, run: &Round, echo: &Round) -> anyhow::Result<()> {
    for (name, run, echo) in [
        ("measured ÷ echo", run.intended.quantiles(), echo.intended.quantiles()),
        ("  from the sending", run.sent.quantiles(), echo.sent.quantiles()),
    ] {
        let of = |value: fn(&Quantiles) -> f64| ratio(value(&run), value(&echo));
        writeln!(
            out,
            "{name:<20} {:>10} {:>9.2}× {:>9.2}× {:>9.2}× {:>9.2}× {:>9.2}×",
            "",
            of(|q| q.p50_us),
            of(|q| q.p90_us),
            of(|q| q.p99_us),
            of(|q| q.p999_us),
            of(|q| q.max_us)
        )?;
    }
    Ok(())
}

fn each(out: &mut dyn Write, segments: &[SegmentLine]) -> anyhow::Result<()> {
    writeln!(out, "\nround by round        p50 ms     p99 ms   broker CPU s   machine load")?;
    for line in segments {
        writeln!(
            out,
            "  {:<5} {:<10} {:>10.3} {:>10.3} {:>14.2} {:>14.2}",
            line.kind,
            line.number,
            line.intended.p50_us / 1000.0,
            line.intended.p99_us / 1000.0,
            line.cpu_s,
            line.machine_load.unwrap_or(0.0)
        )?;
    }
    Ok(())
}

fn used(out: &mut dyn Write, who: &str, used: Option<Used>, answered: u64) -> anyhow::Result<()> {
    let Some(used) = used else { return Ok(()) };
    writeln!(
        out,
        "{who:<13} {:.2} CPU s in {:.1} s ({:.0} % of one core, {:.0} µs a visitor), {:.0} MiB, \
         at most {:.0} MiB, {} threads",
        used.cpu_s,
        used.of_s,
        100.0 * ratio(used.cpu_s, used.of_s),
        each_us(used.cpu_s, answered),
        used.rss_mib,
        used.peak_mib,
        used.threads
    )?;
    Ok(())
}

/// Processor time of a thread's name for each visitor, in microseconds.
fn each_us(cpu_s: f64, answered: u64) -> f64 {
    ratio(cpu_s * 1e6, f64::from(u32::try_from(answered).unwrap_or(u32::MAX)))
}

/// Where the server's processor time went.
fn threads(out: &mut dyn Write, outcome: &Outcome) -> anyhow::Result<()> {
    let answered = outcome.visitors.answered;
    let busy: Vec<String> = outcome
        .server_threads
        .iter()
        .filter(|one| one.cpu_s > 0.0)
        .map(|one| {
            let several =
                if one.threads > 1 { format!(" ×{}", one.threads) } else { String::new() };
            format!("{}{several} {:.0}", one.name, each_us(one.cpu_s, answered))
        })
        .collect();
    if !busy.is_empty() {
        writeln!(out, "  threads     µs a visitor: {}", busy.join(", "))?;
    }
    Ok(())
}

/// What the server says of itself.
pub(crate) fn told(out: &mut dyn Write, told: &Told) -> anyhow::Result<()> {
    let seconds = |out: &mut dyn Write, name: &str, m: &Measured| {
        writeln!(
            out,
            "{name:<13} {:.0} of them, mean {:.3} ms, p50 {:.3} ms, p99 {:.3} ms (by buckets)",
            m.count,
            m.mean * 1000.0,
            m.p50 * 1000.0,
            m.p99 * 1000.0
        )
    };
    seconds(out, "decisions", &told.decision_s)?;
    seconds(out, "commits", &told.commit_s)?;
    if told.checkpoint_s.count > 0.0 {
        seconds(out, "checkpoints", &told.checkpoint_s)?;
    }
    let group = &told.group;
    writeln!(out, "rows a commit mean {:.1}, p99 {:.0}", group.mean, group.p99)?;
    for (name, count) in &told.troubles {
        writeln!(out, "  trouble: {name} {count:.0}")?;
    }
    Ok(())
}

/// Reports an echo alone.
pub fn echo(
    options: &Options,
    form: Form,
    all: &Round,
    lines: &[SegmentLine],
    lost: u64,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "raw echo: {} connections, {} a second, QoS {}, {} → {} bytes, responder {:?}, {} × {} s",
        form.lanes,
        options.scenario.peak(),
        form.qos,
        form.question_bytes,
        form.answer_bytes,
        form.responder,
        options.rounds,
        options.each_s()
    )?;
    writeln!(out, "\n{HEAD}")?;
    row(out, "raw echo", &all.intended)?;
    row(out, "  from the sending", &all.sent)?;
    row(out, "  sending late by", &all.late)?;
    each(out, lines)?;
    writeln!(out, "\n{} answered, {lost} lost", all.answered)?;
    let value = || {
        json!({ "options": options, "form": form, "echo": round(all), "lost": lost,
        "rounds": lines })
    };
    write_json(options.json.as_deref(), value)
}

/// Reports callers over HTTP.
pub fn callers(outcome: &callers::Outcome, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "callers  decisions/s  requests/s     p50 ms     p99 ms   p99.9 ms     max ms   passage p99 ms"
    )?;
    for stage in &outcome.stages {
        let q = stage.decision;
        writeln!(
            out,
            "{:>7} {:>12.0} {:>11.0} {:>10.3} {:>10.3} {:>10.3} {:>10.2} {:>16.3}",
            stage.callers,
            stage.decisions_per_s,
            stage.requests_per_s,
            q.p50_us / 1000.0,
            q.p99_us / 1000.0,
            q.p999_us / 1000.0,
            q.max_us / 1000.0,
            stage.passage.p99_us / 1000.0
        )?;
        used(out, "  server", stage.server, stage.decision.count)?;
    }
    broken(out, outcome.broken, &outcome.broken_words)?;
    let value = || {
        json!({ "stages": outcome.stages, "counts": outcome.counts,
        "broken": outcome.broken, "broken_words": outcome.broken_words })
    };
    write_json(outcome.json.as_deref(), value)
}

fn json_of(outcome: &Outcome) -> Value {
    let ratios = outcome.echo.as_ref().map(|echo| {
        let (run, echo) = (outcome.visitors.intended.quantiles(), echo.intended.quantiles());
        json!({ "p50": ratio(run.p50_us, echo.p50_us), "p99": ratio(run.p99_us, echo.p99_us) })
    });
    json!({
        "options": outcome.options,
        "machine_load_before": outcome.load_before,
        "planned": outcome.planned,
        "visitors": round(&outcome.visitors),
        "echo": outcome.echo.as_ref().map(round),
        "measured_to_echo": ratios,
        "rounds": outcome.segments,
        "queue_longest": outcome.queue_longest,
        "echo_lost": outcome.echo_lost,
        "server": outcome.server,
        "server_threads": server_threads(outcome),
        "fleet": outcome.fleet,
        "told": outcome.told,
        "devices": devices(&outcome.devices),
        "counts": outcome.counts,
        "sent_twice": outcome.twice,
        "allowances": outcome.allowances,
        "came_again": outcome.recovered,
        "faults": outcome.suffered,
        "viewers": outcome.viewed,
        "kiosks": outcome.sales,
        "preloaded": outcome.preloaded,
        "percentiles": outcome.visitors.intended.curve(),
        "series": outcome.series,
        "broken": outcome.broken,
        "broken_words": outcome.broken_words,
    })
}

fn server_threads(outcome: &Outcome) -> Vec<Value> {
    let answered = outcome.visitors.answered;
    let told = |one: &ThreadUsed| {
        json!({ "name": one.name, "threads": one.threads, "cpu_s": one.cpu_s,
        "us_a_visitor": each_us(one.cpu_s, answered) })
    };
    outcome.server_threads.iter().map(told).collect()
}

fn round(round: &Round) -> Value {
    json!({
        "answered": round.answered,
        "from_intended": round.intended.quantiles(),
        "from_sending": round.sent.quantiles(),
        "sending_late": round.late.quantiles(),
        "passage_to_ack": round.acked.quantiles(),
    })
}

fn devices(stats: &TurnstileStats) -> Value {
    json!({
        "presentations": stats.presentations,
        "grants": stats.grants,
        "refusals": stats.refusals,
        "decided_alone": stats.decided_alone,
        "resends": stats.resends,
        "stale_decisions": stats.stale_decisions,
        "facts": stats.facts,
        "fact_resends": stats.fact_resends,
        "facts_lost": stats.facts_lost,
        "unacknowledged": stats.unacknowledged,
        "not_sent": stats.not_sent,
        "connects": stats.connects,
        "disconnects": stats.disconnects,
    })
}

pub(crate) fn write_json(path: Option<&Path>, value: impl FnOnce() -> Value) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_vec_pretty(&value())?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
