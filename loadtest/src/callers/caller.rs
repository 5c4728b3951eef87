//! One caller: presents, sends some scans twice, reports the passage, and presents again.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use anyhow::bail;
use hyper::Method;
use serde::Serialize;
use serde_json::json;
use shanmen_devices::lane::Ended;
use shanmen_protocols::{
    device::{Credential, CredentialKind, Decision, Outcome, PassageBy},
    ids::{Direction, LaneId, ScanId},
};

use super::{Counter, Tally};
use crate::{
    http::Connection,
    oracle::{At, Seen},
    park::gate_of,
    plan::Visit,
    shown::{code_of, direction_of},
};

/// Every so many presentations are sent twice with the same id: `same_answer`.
const REPEAT_EVERY: usize = 25;

#[derive(Serialize)]
struct Admission<'a> {
    id: ScanId,
    lane: &'a LaneId,
    direction: Direction,
    credential: Credential,
}

pub(super) struct Caller {
    counter: Arc<Counter>,
    connection: Connection,
    lane: usize,
    tally: Tally,
}

impl Caller {
    pub(super) async fn open(counter: Arc<Counter>, number: usize) -> anyhow::Result<Self> {
        let connection = counter.target.connect().await?;
        let lane = number % counter.lanes.len();
        Ok(Self { counter, connection, lane, tally: Tally::default() })
    }

    /// Goes on until `until_ns`, or until all has been presented.
    pub(super) async fn run(mut self, until_ns: u64) -> anyhow::Result<Tally> {
        while self.counter.clock.ns() < until_ns {
            let n = self.counter.next.fetch_add(1, Relaxed);
            let Some(arrival) = self.counter.arrivals.get(n).copied() else { break };
            let visit = self.counter.oracle().present(At::lane(self.lane), arrival.visit);
            self.visit(visit, n.is_multiple_of(REPEAT_EVERY)).await?;
        }
        Ok(self.tally)
    }

    async fn visit(&mut self, visit: Visit, twice: bool) -> anyhow::Result<()> {
        let body = serde_json::to_vec(&Admission {
            id: ScanId::fresh(),
            lane: &self.counter.lanes[self.lane],
            direction: direction_of(visit),
            credential: Credential {
                kind: CredentialKind::Qr,
                data: code_of(visit, &self.counter.codes),
            },
        })?;
        let asked_ns = self.counter.clock.ns();
        let decision = self.ask(body.clone()).await?;
        self.tally.decision.record(self.counter.clock.ns() - asked_ns);
        let (at, seen) = (
            At::lane(self.lane),
            Seen {
                by: PassageBy::Server,
                result: decision.result,
                reason: decision.reason,
                grant: decision.grant,
                persons: decision.persons,
            },
        );
        self.counter.oracle().answered(at, visit, seen);
        if twice {
            let again = self.ask(body).await?;
            if again != decision {
                let what = format!("{visit:?}: a repeat got another answer");
                self.counter.oracle().breaks_at(at, visit, what);
            }
        }
        let Some(grant) = decision.grant else { return Ok(()) };
        let reported_ns = self.counter.clock.ns();
        let path = format!("/api/v1/admissions/{grant}/passage");
        let body = serde_json::to_vec(&json!({ "outcome": "taken" }))?;
        let (status, _) = self.connection.call(Method::POST, &path, body).await?;
        self.tally.requests += 1;
        self.tally.passage.record(self.counter.clock.ns() - reported_ns);
        let mut oracle = self.counter.oracle();
        if status.is_success() {
            let ended = Ended { outcome: Some(Outcome::Taken), passed: decision.persons };
            oracle.ended(at, visit, seen, ended);
            oracle.acknowledged(at, visit, gate_of(self.lane), (seen.by, ended.passed));
        } else {
            let what = format!("{visit:?}: the passage was answered {status}");
            oracle.breaks_at(at, visit, what);
        }
        Ok(())
    }

    async fn ask(&mut self, body: Vec<u8>) -> anyhow::Result<Decision> {
        let path = "/api/v1/admissions";
        let (status, answer) = self.connection.call(Method::POST, path, body).await?;
        self.tally.requests += 1;
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}
