//! Hardware as lines of JSON on a pipe: a tester drives a real device by its standard input and
//! reads from its standard output what it does.
//!
//! In, one object a line:
//!
//! | line | what happens |
//! | --- | --- |
//! | `{"read":{"type":"qr","data":"ABC-123"},"direction":"in"}` | the scanner reads something; `direction` and `confirm` may be left out |
//! | `{"sense":"passed","direction":"in"}` | somebody went through; `turned_back` likewise |
//! | `{"sense":"beam","beam":"a","on":true}` | a light barrier is broken (`on`), or clear again |
//! | `{"sense":"fire","on":true}` | the fire input; `jam` and `tamper` likewise |
//! | `{"sense":"climb"}` | somebody climbs over |
//!
//! Out, one object a line: `{"barrier":"open","direction":"in"}`, `{"barrier":"release"}`,
//! `{"barrier":"close"}`, `{"show":{…}}`, `{"rest":true}`, and for each reading
//! `{"answer":{"scan":…,"result":"grant","reason":"ok","by":"server",…}}`, then
//! `{"ended":{"outcome":"taken","passed":1}}`. A line that is none of these is answered
//! `{"error":"line 3: …"}` and changes nothing. The device program calls it.

use std::{
    io::{self, BufRead as _, Write as _},
    sync::mpsc as std_mpsc,
    thread,
};

use serde::Deserialize;
use serde_json::{Value, json};
use shanmen_protocols::{
    device::{Confirm, Credential, Show},
    ids::Direction,
    privacy::without_values,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    hardware::{
        Answered, Barrier, Beam, Display, Hardware, PassageSensor, Reading, Scanner, Signal,
        Watcher,
    },
    lane::Ended,
};

/// Lines that wait on either side. A tester that does not read holds up the device's words, and
/// never the device: what has no room is left out, and said to be.
const LINES_MAX: usize = 1_024;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sense {
    Passed,
    TurnedBack,
    Beam,
    Fire,
    Climb,
    Jam,
    Tamper,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BeamName {
    A,
    B,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    read: Option<Credential>,
    confirm: Option<Confirm>,
    sense: Option<Sense>,
    #[serde(default)]
    direction: Direction,
    beam: Option<BeamName>,
    on: Option<bool>,
}

enum Told {
    Read { credential: Credential, direction: Direction, confirm: Option<Confirm> },
    Sensed(Signal),
}

fn read_line(line: &str) -> Result<Told, String> {
    let line: Line =
        serde_json::from_str(line).map_err(|error| without_values(&error.to_string()))?;
    let on = line.on.ok_or("`on` is missing: true or false");
    let sense = match (line.read, line.sense) {
        (Some(credential), None) => {
            let (direction, confirm) = (line.direction, line.confirm);
            return Ok(Told::Read { credential, direction, confirm });
        }
        (None, Some(sense)) => sense,
        _ => return Err("either `read` or `sense` is wanted".into()),
    };
    Ok(Told::Sensed(match sense {
        Sense::Passed => Signal::Passed(line.direction),
        Sense::TurnedBack => Signal::TurnedBack(line.direction),
        Sense::Climb => Signal::Climb,
        Sense::Fire => Signal::Fire(on?),
        Sense::Jam => Signal::Jam(on?),
        Sense::Tamper => Signal::Tamper(on?),
        Sense::Beam => {
            let beam = match line.beam.ok_or("`beam` is missing: \"a\" or \"b\"")? {
                BeamName::A => Beam::A,
                BeamName::B => Beam::B,
            };
            Signal::Beam { beam, broken: on? }
        }
    }))
}

/// Where lines go out.
#[derive(Clone)]
struct Out(std_mpsc::SyncSender<Value>);

impl Out {
    fn say(&self, line: Value) {
        if self.0.try_send(line).is_err() {
            tracing::warn!("nobody reads what the virtual hardware does: a line is left out");
        }
    }
}

impl Barrier for Out {
    fn open(&mut self, direction: Direction) {
        self.say(json!({ "barrier": "open", "direction": direction }));
    }

    fn close(&mut self) {
        self.say(json!({ "barrier": "close" }));
    }

    fn release(&mut self) {
        self.say(json!({ "barrier": "release" }));
    }
}

impl Display for Out {
    fn show(&mut self, show: &Show) {
        self.say(json!({ "show": show }));
    }

    fn rest(&mut self) {
        self.say(json!({ "rest": true }));
    }
}

struct Readings(mpsc::Receiver<Reading>);

impl Scanner for Readings {
    fn poll_reading(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Reading>> {
        self.0.poll_recv(cx)
    }
}

struct Signals(mpsc::Receiver<Signal>);

impl PassageSensor for Signals {
    fn poll_signal(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Signal>> {
        self.0.poll_recv(cx)
    }
}

/// Virtual hardware on the standard streams. Call it on a runtime, once.
///
/// # Errors
/// The system gives no thread.
pub fn on_standard_streams() -> io::Result<Hardware> {
    let (out, lines) = std_mpsc::sync_channel::<Value>(LINES_MAX);
    thread::Builder::new().name("pipe-out".into()).spawn(move || {
        for line in lines {
            let mut stdout = io::stdout().lock();
            if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
                return; // The tester has gone; the device works on.
            }
        }
    })?;
    let out = Out(out);
    let (readings, readings_rx) = mpsc::channel(LINES_MAX);
    let (signals, signals_rx) = mpsc::channel(LINES_MAX);
    let (runtime, said) = (tokio::runtime::Handle::current(), out.clone());
    thread::Builder::new().name("pipe-in".into()).spawn(move || {
        for (number, line) in (1..).zip(io::stdin().lock().lines()) {
            let Ok(line) = line else { return };
            let sent = match read_line(&line) {
                Ok(Told::Read { credential, direction, confirm }) => {
                    let (answered, answer) = oneshot::channel();
                    let (ended, end) = oneshot::channel();
                    runtime.spawn(follow(said.clone(), answer, end));
                    let watcher = Some(Watcher { answered, ended, twice: None });
                    readings
                        .blocking_send(Reading { credential, direction, confirm, watcher })
                        .is_ok()
                }
                Ok(Told::Sensed(signal)) => signals.blocking_send(signal).is_ok(),
                Err(why) => {
                    said.say(json!({ "error": format!("line {number}: {why}") }));
                    true
                }
            };
            if !sent {
                return;
            }
        }
    })?;
    Ok(Hardware {
        barrier: Box::new(out.clone()),
        display: Box::new(out),
        scanner: Box::new(Readings(readings_rx)),
        sensor: Box::new(Signals(signals_rx)),
    })
}

/// Says what came of a reading.
async fn follow(out: Out, answer: oneshot::Receiver<Answered>, end: oneshot::Receiver<Ended>) {
    let Ok(Answered { answer, latency }) = answer.await else {
        out.say(json!({ "answer": { "result": "not_free" } }));
        return;
    };
    out.say(json!({ "answer": {
        "scan": answer.scan,
        "result": answer.result,
        "reason": answer.reason,
        "grant": answer.grant,
        "persons": answer.persons,
        "needs": answer.needs,
        "by": answer.by,
        "latency_ms": crate::clock::whole_ms(latency),
    } }));
    if let Ok(Ended { outcome, passed }) = end.await {
        out.say(json!({ "ended": { "outcome": outcome, "passed": passed } }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(line: &str) -> Option<Signal> {
        match read_line(line) {
            Ok(Told::Sensed(signal)) => Some(signal),
            _ => None,
        }
    }

    #[test]
    fn every_line_of_the_table_is_understood() {
        let line = r#"{"read":{"type":"qr","data":"ABC-123"},"direction":"out"}"#;
        assert!(matches!(read_line(line), Ok(Told::Read { direction: Direction::Out, .. })));
        let passed = signal(r#"{"sense":"passed","direction":"in"}"#);
        assert_eq!(passed, Some(Signal::Passed(Direction::In)));
        let beam = signal(r#"{"sense":"beam","beam":"a","on":true}"#);
        assert_eq!(beam, Some(Signal::Beam { beam: Beam::A, broken: true }));
        assert_eq!(signal(r#"{"sense":"fire","on":false}"#), Some(Signal::Fire(false)));
        assert_eq!(signal(r#"{"sense":"climb"}"#), Some(Signal::Climb));
    }

    #[test]
    fn a_wrong_line_is_told_without_what_was_read() {
        for line in [
            "",
            "{}",
            r#"{"sense":"fire"}"#,
            r#"{"sense":"beam","on":true}"#,
            r#"{"read":{"type":"qr","data":11010519491231002}}"#,
        ] {
            let Err(why) = read_line(line) else { panic!("{line}") };
            assert!(!why.contains("1101"), "{why}");
        }
    }
}
