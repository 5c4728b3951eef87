//! What devices ask of the office: lists, look-ups, overrides, orders. And what is told them of the
//! lists when something changes.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use shanmen_protocols::{
    device::{Down, ListDown, What},
    ids::{Channel, DeviceId, DeviceKind, TicketId},
    time::UnixMs,
};
use tokio::sync::watch;

use super::{ControlPlane, Inner, to_the_end};
use crate::{
    api::{Fault, Logins},
    ledger::{self, DeviceRow},
    link::Qos,
    lists::Built,
    orders::At,
    registry::Shown,
    twin::{RequestAnswers, ResponseBody, fault},
};

/// How old `tickets` may be when it is told or fetched, in milliseconds.
const TICKETS_AGE_MS: i64 = 10 * 60_000;
/// How long changes of `deny` are gathered before they are told.
const GATHER: Duration = Duration::from_millis(100);
/// How long the word of a changed list is worth anything.
const LIST_TTL: Duration = Duration::from_mins(1);
/// How many times longer than the heartbeat a device may be silent before it counts as gone.
const SILENT_BEATS: i64 = 3;

/// Answers requests for as long as the control plane runs.
pub(super) struct ForDevices(pub(super) Weak<Inner>);

impl RequestAnswers for ForDevices {
    fn answer(&self, device: DeviceRow, what: What) -> BoxFuture<'_, Result<ResponseBody, Fault>> {
        Box::pin(async move {
            let plane = ControlPlane(self.0.upgrade().ok_or(Fault::Busy("the program"))?);
            // What was begun is finished, even when the twin begins anew meanwhile.
            to_the_end(async move { plane.answer_device(device, what).await }).await?
        })
    }

    fn who(&self, operator: &str) -> String {
        let digest = *blake3::hash(operator.as_bytes()).as_bytes();
        let token = self.0.upgrade().and_then(|inner| ControlPlane(inner).token(&digest));
        token.map_or_else(|| "unknown".to_owned(), |(user, _, _)| user)
    }

    fn lists(&self) -> BoxFuture<'_, Vec<ListDown>> {
        Box::pin(async move {
            let Some(inner) = self.0.upgrade() else { return Vec::new() };
            ControlPlane(inner).manifests().await
        })
    }
}

impl ControlPlane {
    /// Who checks passwords for operators at handhelds. Set once, by the program.
    pub fn set_logins(&self, logins: Arc<dyn Logins>) {
        if self.0.logins.set(logins).is_err() {
            tracing::error!("the logins were set twice");
        }
    }

    async fn answer_device(&self, device: DeviceRow, what: What) -> Result<ResponseBody, Fault> {
        may_ask(device.kind, &what)?;
        let now = self.0.clock.now();
        let seller = device.id.to_string();
        let office = &self.0.office;
        let channel = Channel::of(device.kind);
        let at = At { desk: &office.desk, catalogue: &office.catalogue, seller: &seller, channel };
        match what {
            What::Time => Ok(body(&json!({ "server_time": now }))),
            What::List { name, offset, version } => {
                if !self.0.shared.decides_by_lists(&device.id) {
                    let how =
                        "set offline.policy in its configuration, or limits.list in its hello";
                    return Err(Fault::Forbidden(format!("this device decides by no list: {how}")));
                }
                written(&self.list(&name).await?.chunk(&name, offset, version)?)
            }
            What::Login { user, password } => {
                let logins = self.0.logins.get().ok_or(Fault::Busy("the program"))?;
                let login = logins.login(seller, user, password).await?;
                let (operator, roles) = (login.token, login.roles);
                Ok(body(&json!({ "operator": operator, "roles": roles, "expires": login.expires })))
            }
            What::Lookup { operator, credential, ticket } => {
                self.operator(&operator, LOOK_UP)?;
                let ticket = match (ticket, credential) {
                    (Some(ticket), _) => ticket,
                    (None, Some(shown)) => self.ticket_shown(&shown)?,
                    (None, None) => {
                        return Err(Fault::Invalid("credential: missing, and no ticket".into()));
                    }
                };
                written(&self.ticket(ticket).await?)
            }
            What::Override { .. } | What::Undo { .. } => self.at_handheld(device, what).await,
            What::Quote { lines } => written(&office.orders.quote(&at, lines).await?),
            What::Order { order, lines } => written(&office.orders.order(&at, order, lines).await?),
            What::Pay { order, payment, amount } => {
                written(&office.orders.pay(&at, order, payment, amount).await?)
            }
            What::CancelOrder { order } => written(&office.orders.cancel(&at, order).await?),
            What::Collected { order } => written(&office.orders.collected(&at, order).await?),
            What::Redeem { order, credential, confirm } => {
                let shared = &self.0.shared;
                written(&office.orders.redeem(&at, shared, order, &credential, confirm).await?)
            }
            What::Other => Err(Fault::Invalid("what: this version knows no such request".into())),
        }
    }

    /// Whose token it is, if it is one of somebody who may do this.
    pub(super) fn operator(&self, token: &str, roles: &[&str]) -> Result<String, Fault> {
        let digest = *blake3::hash(token.as_bytes()).as_bytes();
        let (user, has, _) = self
            .token(&digest)
            .ok_or_else(|| Fault::Forbidden("operator: unknown or over: log in again".into()))?;
        if has.iter().any(|role| role == "admin" || roles.contains(&role.as_str())) {
            Ok(user)
        } else {
            let needed = roles.join(", ");
            Err(Fault::Forbidden(format!("operator: this needs one of the roles admin, {needed}")))
        }
    }

    /// Whether a device's login is right.
    pub fn admits(&self, device: &str, secret: &[u8]) -> bool {
        self.0.registry.admits(device, &Shown::secret(secret), self.0.clock.now()).is_ok()
    }

    /// A list as it is fetched: by its name.
    pub async fn list_content(&self, device: &DeviceId, name: &str) -> Result<Vec<u8>, Fault> {
        if !self.0.shared.decides_by_lists(device) {
            return Err(Fault::Forbidden("this device decides by no list".into()));
        }
        Ok(self.list(name).await?.content().to_vec())
    }

    async fn list(&self, name: &str) -> Result<Built, Fault> {
        let now = self.0.clock.now();
        let lists = &self.0.shared.lists;
        match name {
            "deny" => Ok(lists.deny_list(now)),
            "keys" => match lists.held("keys", now, i64::MAX) {
                Some(built) => Ok(built),
                None => lists.build_keys(now),
            },
            "park" => self.park_list(now).await,
            "tickets" => self.tickets_list(now).await,
            _ => Err(Fault::NotFound("list of this name")),
        }
    }

    async fn park_list(&self, now: UnixMs) -> Result<Built, Fault> {
        let lists = &self.0.shared.lists;
        if let Some(built) = lists.held("park", now, i64::MAX) {
            return Ok(built);
        }
        let mut park = self.0.office.catalogue.for_devices().await;
        lists.build_park(&mut park, now)
    }

    async fn tickets_list(&self, now: UnixMs) -> Result<Built, Fault> {
        let park = self.0.park.full();
        let today = park.business_day(now);
        // One builds, the others wait for it.
        let _alone = self.0.building.lock().await;
        if let Some(built) = self.0.shared.lists.held("tickets", now, TICKETS_AGE_MS)
            && park.business_day(built.at) == today
        {
            return Ok(built);
        }
        let version = self.park_list(now).await?.version;
        let shared = Arc::clone(&self.0.shared);
        tokio::task::spawn_blocking(move || {
            shared.lists.build_tickets(shared.pool.hot(), &park, version, today, now)
        })
        .await
        .map_err(|error| Fault::Internal(error.to_string()))?
    }

    async fn manifests(&self) -> Vec<ListDown> {
        let mut found = Vec::new();
        for name in shanmen_protocols::list::NAMES {
            match self.list(name).await {
                Ok(built) => found.push(built.manifest(name)),
                Err(error) => tracing::error!(%error, name, "a list cannot be built"),
            }
        }
        found
    }

    /// The ticket that a credential leads to, wherever it is shown.
    fn ticket_shown(
        &self,
        shown: &shanmen_protocols::device::Credential,
    ) -> Result<TicketId, Fault> {
        crate::twin::leads(&self.0.shared, shown)
            .first()
            .copied()
            .ok_or(Fault::NotFound("ticket for this credential"))
    }

    /// Tells devices of changed lists, and counts silent ones as gone, until it is stopped.
    pub(super) async fn keep_devices_current(
        weak: Weak<Inner>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let Some(shared) = weak.upgrade().map(|inner| Arc::clone(&inner.shared)) else { return };
        let (mut day, mut told_at) = (None, None);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            let changed = tokio::select! {
                () = shared.lists.changed() => true,
                _ = tick.tick() => false,
                _ = stopped.changed() => return,
            };
            let Some(inner) = weak.upgrade() else { return };
            let plane = ControlPlane(inner);
            if changed {
                tokio::time::sleep(GATHER).await;
                plane.tell_deny().await;
                continue;
            }
            plane.silent_ones();
            let now = shared.clock.now();
            let today = shared.park.now().business_day(now);
            if told_at.is_none_or(|at| TICKETS_AGE_MS <= now.since_ms(at)) || day != Some(today) {
                told_at = Some(now);
                plane.tell_tickets().await;
            }
            if day.replace(today).is_some_and(|before| before != today) {
                plane.look_through().await;
            }
        }
    }

    /// Who is not let in, of all tickets: before anybody is told, and when the day turns.
    pub(super) async fn look_through(&self) {
        let shared = Arc::clone(&self.0.shared);
        let today = shared.park.now().business_day(shared.clock.now());
        let look = move || shared.lists.look_through(shared.pool.hot(), today);
        if tokio::task::spawn_blocking(look).await.is_err() {
            tracing::error!("the deny list could not be looked through");
        }
    }

    async fn tell_deny(&self) {
        let shared = Arc::clone(&self.0.shared);
        let now = self.0.clock.now();
        let told = tokio::task::spawn_blocking(move || shared.lists.tell_deny(now)).await;
        if let Ok(Some(list)) = told {
            self.tell_list(&list).await;
        }
    }

    /// A product has changed: the park of devices is another one now.
    pub(super) async fn park_changed(&self) {
        let (lists, now) = (&self.0.shared.lists, self.0.clock.now());
        if lists.held("park", now, i64::MAX).is_none() {
            return;
        }
        let mut park = self.0.office.catalogue.for_devices().await;
        match lists.build_park(&mut park, now) {
            Ok(built) => self.tell_list(&built.manifest("park")).await,
            Err(error) => tracing::error!(%error, "the park's list cannot be built"),
        }
        // Its lines name the park that they are read with.
        lists.outdated("tickets");
        self.tell_tickets().await;
    }

    /// Tickets were sold and used since: devices that decide by the list fetch it again.
    async fn tell_tickets(&self) {
        if self.deciders().next().is_none() {
            return;
        }
        match self.list("tickets").await {
            Ok(built) => self.tell_list(&built.manifest("tickets")).await,
            Err(error) => tracing::error!(%error, "the list of tickets cannot be built"),
        }
    }

    /// The devices in reach that decide by lists.
    fn deciders(&self) -> impl Iterator<Item = DeviceId> + '_ {
        let online =
            |id: &DeviceId| self.0.registry.get(id.as_str()).is_some_and(|one| one.live().online);
        let ids = self.0.registry.ids().into_iter();
        ids.filter(move |id| online(id) && self.0.shared.decides_by_lists(id))
    }

    async fn tell_list(&self, list: &ListDown) {
        let message = Down::List(list.clone());
        for id in self.deciders() {
            self.0.shared.send(&self.down_of(&id), &message, Qos::One, LIST_TTL).await;
        }
    }

    /// With an outside broker nobody tells of a connection that has died without its will: a device
    /// that misses its heartbeats is gone.
    fn silent_ones(&self) {
        let now = self.0.clock.now();
        for id in self.0.registry.ids() {
            let Some(device) = self.0.registry.get(id.as_str()) else { continue };
            let settings = self.0.shared.configs.settings(&id);
            let configured = settings.and_then(|settings| settings.heartbeat_s);
            let seconds = configured.unwrap_or(0).max(self.0.shared.heartbeat_s);
            let beat_ms = i64::from(seconds) * 1_000;
            let live = device.live();
            let silent = live.online
                && live.last_seen.is_some_and(|seen| SILENT_BEATS * beat_ms < now.since_ms(seen));
            drop(live);
            if silent
                && let Some(twin) = self.0.intake.twin(id.as_str())
                && twin.try_send(crate::twin::Heard::Gone).is_ok()
            {
                metrics::counter!("shanmen_devices_silent_total").increment(1);
                tracing::warn!(device = %id, "no sign of life: it counts as gone");
            }
        }
    }

    /// A grant that a device got for a scan, with its outcome.
    pub(super) async fn closed_by_scan(
        &self,
        device: &DeviceId,
        scan: shanmen_protocols::ids::ScanId,
    ) -> Result<crate::ledger::ClosedGrant, Fault> {
        let device = device.clone();
        ledger::read(&self.0.ledger, move |books| {
            ledger::Ledger::closed_by_scan(books, &device, scan)
        })
        .await
        .map_err(fault)?
        .ok_or(Fault::NotFound("passage of this scan"))
    }
}

/// Who sells is a kiosk, who checks for an operator is a handheld.
fn may_ask(kind: DeviceKind, what: &What) -> Result<(), Fault> {
    let needed = match what {
        What::Time | What::List { .. } | What::Other => return Ok(()),
        What::Login { .. } | What::Lookup { .. } | What::Override { .. } | What::Undo { .. } => {
            DeviceKind::Handheld
        }
        What::Quote { .. }
        | What::Order { .. }
        | What::Pay { .. }
        | What::CancelOrder { .. }
        | What::Collected { .. }
        | What::Redeem { .. } => DeviceKind::Kiosk,
    };
    if kind == needed {
        return Ok(());
    }
    let (what, needed, kind) = (what.as_str(), needed.as_str(), kind.as_str());
    Err(Fault::Forbidden(format!("what: {what} is for a {needed}, this is a {kind}")))
}

/// Who may look a ticket up at a handheld.
const LOOK_UP: &[&str] = &["seller", "operator", "manager", "finance", "auditor"];

fn body(value: &Value) -> ResponseBody {
    value.as_object().cloned().unwrap_or_default()
}

pub(super) fn written(value: &impl Serialize) -> Result<ResponseBody, Fault> {
    let json = serde_json::to_value(value).map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(body(&json))
}
