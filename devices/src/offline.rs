//! What a lane decides without the control plane, and what it remembers for it.
//!
//! Offline means: no connection, or two decisions in a row that did not come in time; the
//! [lane](crate::lane) says when. The policy of the configuration says how far: `deny` refuses
//! everybody, `list` admits the tickets of the list by the very rules of the control plane, `signed`
//! also codes with a good signature, `open` whoever shows something readable. Each has its cap: the
//! age of what the lane knows, and how many it admits in one outage. The deny list stands above all
//! of them, and so does what this lane has let in itself: no ticket is good twice here for one use,
//! also after a restart.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `judge.rs` | the order of the checks: pure |
//! | `knowledge.rs` | the lists as they are looked up |
//! | `own.rs` | what this device let in itself |
//!
//! The turnstile calls it; a handheld may.

mod judge;
mod knowledge;
mod own;

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use shanmen_protocols::{
    device::{Confirm, Credential, DecisionResult, Passage},
    digest::DigestKey,
    ids::{Direction, LaneId},
    time::UnixMs,
};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use self::{
    judge::Ground,
    knowledge::{Knowledge, Texts},
    own::{OwnUses, Use},
};
use crate::{agent::Agent, lane::OwnVerdict};

/// The lists that a device needs to decide by itself.
pub const LISTS: &[&str] = &["deny", "keys", "park", "tickets"];

/// The shelf of what is kept.
const SHELF: &str = "offline";

/// The shelf of what this device let in.
const OWN_SHELF: &str = "own";

/// What is shown at a lane.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What.
    pub credential: &'a Credential,
    /// Which way.
    pub direction: Direction,
    /// What has been confirmed.
    pub confirm: Option<Confirm>,
}

/// What a lane needs to decide by itself.
pub struct Offline {
    lane: LaneId,
    knowledge: Arc<Knowledge>,
    building: Option<JoinHandle<Knowledge>>,
    /// Lists that came while others were being read.
    next: Option<Texts>,
    own: OwnUses,
    /// For digests where the site has sent no key.
    local_key: DigestKey,
    /// Persons let in since the control plane was last in reach.
    admitted: u32,
    /// When the lists were last known to be current, by the true time.
    current_at: Option<UnixMs>,
}

impl Offline {
    /// Knows nothing; call [`Offline::started`] before anything else.
    pub fn new(lane: LaneId) -> Self {
        Self {
            lane,
            knowledge: Arc::default(),
            building: None,
            next: None,
            own: OwnUses::default(),
            local_key: DigestKey(rand::random()),
            admitted: 0,
            current_at: None,
        }
    }

    /// Takes what the storage held.
    pub fn started(&mut self, agent: &mut Agent) {
        let kept = agent.shelf(SHELF);
        let number = |key: &str| kept.get(key).and_then(|text| text.parse::<i64>().ok());
        self.admitted = number("admitted").and_then(|n| n.try_into().ok()).unwrap_or(0);
        self.current_at = number("current_at").map(UnixMs);
        match kept.get("key").and_then(|hex| key_of(hex)) {
            Some(key) => self.local_key = key,
            None => agent.keep(SHELF, "key", data_encoding::HEXLOWER.encode(&self.local_key.0)),
        }
        self.own = OwnUses::read(agent.shelf(OWN_SHELF));
        self.lists_changed(agent);
    }

    /// The control plane is in reach again, or no longer.
    pub fn online(&mut self, agent: &mut Agent, online: bool) {
        if online && 0 < self.admitted {
            self.admitted = 0;
            agent.keep(SHELF, "admitted", "0");
        }
        // What was current when the connection went is as old as that moment. At a hello it is
        // not yet known whether there are newer lists.
        if !online && agent.lists_are_current() {
            self.are_current(agent);
        }
    }

    fn are_current(&mut self, agent: &mut Agent) {
        self.current_at = agent.true_time();
        if let Some(at) = self.current_at {
            agent.keep(SHELF, "current_at", at.0.to_string());
        }
    }

    /// A list was swapped: all are read anew, beside the lane's work.
    pub fn lists_changed(&mut self, agent: &mut Agent) {
        let texts = Texts {
            deny: agent.list("deny").map(|list| Arc::clone(&list.text)),
            keys: agent.list("keys").map(|list| Arc::clone(&list.text)),
            park: agent.list("park").map(|list| Arc::clone(&list.text)),
            tickets: agent.list("tickets").map(|list| Arc::clone(&list.text)),
        };
        if agent.is_online() {
            self.are_current(agent);
        }
        let acked = agent.acknowledged_upto();
        for gone in self.own.prune(acked, agent.true_time()) {
            agent.forget(OWN_SHELF, gone);
        }
        if texts.is_empty() {
            return;
        }
        if self.building.is_some() {
            self.next = Some(texts);
        } else {
            self.build(texts);
        }
    }

    fn build(&mut self, texts: Texts) {
        self.building = Some(tokio::task::spawn_blocking(move || Knowledge::read(&texts)));
    }

    /// Takes lists that have been read. Call it from the task's poll.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        while let Some(building) = &mut self.building {
            let Poll::Ready(read) = Pin::new(building).poll(cx) else { return };
            self.building = None;
            match read {
                Ok(knowledge) => {
                    let (tickets, denied) = knowledge.size();
                    info!(lane = %self.lane, tickets, denied, "lists for offline decisions read");
                    self.knowledge = Arc::new(knowledge);
                }
                Err(error) => warn!(lane = %self.lane, %error, "lists could not be read"),
            }
            if let Some(texts) = self.next.take() {
                self.build(texts);
            }
        }
    }

    /// Decides. What a grant counts is kept in the same step.
    pub fn judge(&mut self, agent: &mut Agent, shown: &Shown<'_>) -> OwnVerdict {
        if agent.is_online() && agent.lists_are_current() {
            self.are_current(agent); // It is only slow.
        }
        let now = agent.true_time();
        let ground = Ground {
            settings: agent.settings().offline,
            lane: &self.lane,
            now,
            current_at: self.current_at,
            admitted: self.admitted,
            acked: agent.acknowledged_upto(),
            local_key: &self.local_key,
        };
        let mut verdict = judge::decide(&self.knowledge, &self.own, &ground, shown);
        if verdict.result == DecisionResult::Grant {
            self.admitted = self.admitted.saturating_add(verdict.persons);
            agent.keep(SHELF, "admitted", self.admitted.to_string());
            verdict.credential = Some(shown.credential.clone());
        }
        verdict
    }

    /// People passed here on `credential`, on whoever's word; `seq` is the number of the fact.
    pub fn used(
        &mut self,
        agent: &mut Agent,
        credential: &Credential,
        passage: &Passage,
        seq: u64,
    ) {
        if agent.config_lists().is_empty() {
            return; // It never decides by itself.
        }
        let Some(key) = judge::key_of(&self.knowledge, &self.local_key, credential) else { return };
        let one = Use {
            key,
            direction: passage.direction,
            count: passage.count.unwrap_or(0).try_into().unwrap_or(u16::MAX),
            at: agent.true_time(),
            seq,
        };
        agent.keep(OWN_SHELF, seq.to_string(), one.write());
        for gone in self.own.add(one) {
            agent.forget(OWN_SHELF, gone);
        }
    }
}

fn key_of(hex: &str) -> Option<DigestKey> {
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?;
    Some(DigestKey(bytes.try_into().ok()?))
}
