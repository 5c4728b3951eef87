//! The control plane as a whole: started, asked and stopped here.

use std::{net::SocketAddr, sync::Arc};

use shanmen_protocols::{
    device::Decision,
    feed::{Delta, Snapshot},
    ids::{DeviceId, GrantId, TicketId},
    time::UnixMs,
};
use shanmen_rules::{Park, Status};
use tokio::sync::broadcast;

use crate::{
    api::{
        Account, AdmissionRequest, AuditLine, Claim, ClaimRequest, DeviceView, EnrolRequest,
        Enrolled, Fault, GrantView, IssuedTicket, NewTicket, PassageRequest, PassageResult,
        Readiness, RejectedLine, Settings, TicketView,
    },
    clock::Clock,
    keys::KeyRing,
};

/// A running control plane; cheap to clone.
#[derive(Clone)]
pub struct ControlPlane;

/// Takes tickets in bulk, in batches that are all in or all out, without stalling the gates.
pub struct Importer;

impl Importer {
    /// Takes one batch of parsed lines (at most 1,000): all of it, or none with the reasons.
    pub async fn push(&mut self, batch: Vec<(u64, NewTicket)>) -> Result<u64, Vec<RejectedLine>> {
        todo!()
    }
}

impl ControlPlane {
    /// Opens the ledger, loads the hot state, starts the broker and the actors.
    pub async fn start(settings: Settings) -> Result<Self, Fault> { todo!() }
    /// The park in force.
    pub fn park(&self) -> &Arc<Park> { todo!() }
    /// The one clock.
    pub fn clock(&self) -> &Clock { todo!() }
    /// The keys.
    pub fn keys(&self) -> &KeyRing { todo!() }
    /// Where devices connect: the embedded broker's address, or the outside one's.
    pub fn broker_address(&self) -> (String, u16) { todo!() }
    /// Whether visitors can be taken.
    pub fn readiness(&self) -> Readiness { todo!() }
    /// Stops in order: no new scans, open grants kept, ledger flushed.
    pub async fn stop(&self) { todo!() }

    /// Issues tickets, all or none. The same `idempotency` key gives the first answer again.
    pub async fn issue(&self, tickets: Vec<NewTicket>, actor: &str, idempotency: Option<String>) -> Result<Vec<IssuedTicket>, Fault> { todo!() }
    /// Begins an import.
    pub fn importer(&self, actor: &str) -> Importer { todo!() }
    /// A ticket with its history.
    pub async fn ticket(&self, id: TicketId) -> Result<TicketView, Fault> { todo!() }
    /// The signed code of a ticket, for its picture.
    pub fn code(&self, id: TicketId) -> Result<String, Fault> { todo!() }
    /// Voids, freezes or unfreezes a ticket, with a reason on the audit trail.
    pub async fn set_status(&self, id: TicketId, status: Status, reason: &str, actor: &str) -> Result<(), Fault> { todo!() }
    /// Raises the issue number: the old code is superseded; gives the new one.
    pub async fn reissue(&self, id: TicketId, reason: &str, actor: &str) -> Result<IssuedTicket, Fault> { todo!() }

    /// A presentation by a system without MQTT: the same path as a lane's scan.
    pub async fn admit(&self, request: AdmissionRequest) -> Result<Decision, Fault> { todo!() }
    /// The end of such a grant.
    pub async fn passage(&self, grant: GrantId, request: PassageRequest) -> Result<PassageResult, Fault> { todo!() }
    /// Grants without an outcome yet.
    pub fn open_grants(&self) -> Vec<GrantView> { todo!() }
    /// An operator ends a grant, not taken.
    pub async fn release(&self, grant: GrantId, reason: &str, actor: &str) -> Result<(), Fault> { todo!() }

    /// The fleet.
    pub fn devices(&self) -> Vec<DeviceView> { todo!() }
    /// One device.
    pub fn device(&self, id: &DeviceId) -> Result<DeviceView, Fault> { todo!() }
    /// A person lets a pending device work.
    pub async fn approve(&self, id: &DeviceId, actor: &str) -> Result<(), Fault> { todo!() }
    /// Makes a one-time claim code.
    pub async fn claim(&self, request: ClaimRequest, actor: &str) -> Result<Claim, Fault> { todo!() }
    /// Trades a claim for a login, once.
    pub async fn enrol(&self, request: EnrolRequest) -> Result<Enrolled, Fault> { todo!() }

    /// The feed's state now, and what follows it.
    pub async fn feed(&self) -> (Snapshot, broadcast::Receiver<Arc<Delta>>) { todo!() }
    /// The feed's state now.
    pub async fn feed_snapshot(&self) -> Snapshot { todo!() }

    /// An account by its name.
    pub async fn account(&self, user: &str) -> Result<Option<Account>, Fault> { todo!() }
    /// All accounts, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>, Fault> { todo!() }
    /// Adds or replaces an account.
    pub async fn put_account(&self, account: Account) -> Result<(), Fault> { todo!() }
    /// Keeps a token: its digest (BLAKE3, 32 bytes), whose it is, its roles and its end.
    pub async fn put_token(&self, digest: [u8; 32], user: &str, roles: &[String], expires: UnixMs) -> Result<(), Fault> { todo!() }
    /// Whose token it is: user, roles, end. In memory: no I/O. None when unknown or over.
    pub fn token(&self, digest: &[u8; 32]) -> Option<(String, Vec<String>, UnixMs)> { todo!() }
    /// Writes to the audit trail.
    pub async fn audit(&self, line: AuditLine) -> Result<(), Fault> { todo!() }
}
