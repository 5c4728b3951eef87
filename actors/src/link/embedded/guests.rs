//! Who is at the broker: which device each connection is, by which credential it was let in, and
//! what it may say and hear.
//!
//! Owns the answers to the broker's questions; the registry owns what is right. Each connection has
//! a guest of its own, so that a certificate is never taken for another connection's. A connection
//! whose credential is no longer right is cut, at once when it is told, or at the next look.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use mqtt5::{
    QoS,
    broker::{
        auth::{AuthProvider, AuthResult},
        events::{BrokerEventHandler, ClientPublishEvent, PublishAction, RetainedSetEvent},
    },
    packet::connect::ConnectPacket,
    types::ReasonCode,
};
use shanmen_protocols::{
    ids::SiteId,
    topic::{self, UpKind},
};
use tokio::sync::broadcast;

use super::super::{Qos, Uplinks};
use crate::{
    certificates::{Holder, SOON_MS},
    clock::Clock,
    registry::{Registry, Shown},
    security::Profile,
};

/// How many connections one device may have.
const CONNECTIONS_OF_DEVICE_MAX: usize = 8;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// All connections.
pub(super) struct Guests {
    pub(super) profile: Profile,
    pub(super) site: SiteId,
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Clock,
    pub(super) uplinks: Arc<dyn Uplinks>,
    /// Which connection of which device holds a client id: another device must not take it over.
    client_ids: DashMap<String, (String, u64)>,
    /// The connections that were let in, by device.
    inside: DashMap<String, Vec<Inside>>,
    next: AtomicU64,
}

/// A connection that was let in.
struct Inside {
    number: u64,
    shown: Shown,
    cut: broadcast::Sender<()>,
}

impl Guests {
    pub(super) fn new(
        profile: Profile,
        site: SiteId,
        registry: Arc<Registry>,
        clock: Clock,
        uplinks: Arc<dyn Uplinks>,
    ) -> Self {
        Self {
            profile,
            site,
            registry,
            clock,
            uplinks,
            client_ids: DashMap::new(),
            inside: DashMap::new(),
            next: AtomicU64::new(0),
        }
    }

    /// Counts a connection that did not come as far as a login.
    pub(super) fn turned_away(&self, why: &'static str) {
        self.uplinks.refused(None, why);
    }

    /// Ends all connections of a device; how many were told to.
    pub(super) fn cut(&self, device: &str) -> usize {
        let Some(inside) = self.inside.get(device) else { return 0 };
        inside.iter().filter(|one| one.cut()).count()
    }

    /// Ends the connections that would not be let in now: by an old secret whose grace is over, a
    /// certificate that has run out, or of a device that was enrolled anew.
    pub(super) fn look_again(&self) {
        let now = self.clock.now();
        for device in &self.inside {
            for one in device.value() {
                if let Err(why) = self.registry.admits(device.key(), &one.shown, now)
                    && one.cut()
                {
                    self.uplinks.refused(Some(device.key()), why);
                    tracing::warn!(device = device.key(), why, "a connection was cut");
                }
            }
        }
    }

    /// Notes a connection; false when the device has too many.
    fn enter(&self, device: &str, number: u64, shown: Shown, cut: broadcast::Sender<()>) -> bool {
        let mut inside = self.inside.entry(device.to_owned()).or_default();
        let room = inside.len() < CONNECTIONS_OF_DEVICE_MAX;
        if room {
            inside.push(Inside { number, shown, cut });
        }
        room
    }

    /// Notes who holds a client id; false when it is another device's.
    fn hold(&self, client_id: &str, device: &str, number: u64) -> bool {
        let mut held = self
            .client_ids
            .entry(client_id.to_owned())
            .or_insert_with(|| (device.to_owned(), number));
        let own = held.0 == device;
        if own {
            held.1 = number;
        }
        own
    }

    fn leave(&self, device: &str, client_id: &str, number: u64) {
        // After a takeover the id is the newer connection's.
        self.client_ids.remove_if(client_id, |_, held| held.1 == number);
        let last = self.inside.get_mut(device).is_some_and(|mut inside| {
            let before = inside.len();
            inside.retain(|one| one.number != number);
            inside.len() < before && inside.is_empty()
        });
        // It may have come back in between.
        if last && self.inside.remove_if(device, |_, inside| inside.is_empty()).is_some() {
            self.uplinks.gone(device);
        }
    }
}

impl Inside {
    /// Tells the connection to end; false when it was told before.
    fn cut(&self) -> bool {
        self.cut.is_empty() && self.cut.send(()).is_ok()
    }
}

/// One connection, as the broker asks about it.
pub(super) struct Guest {
    guests: Arc<Guests>,
    holder: Option<Holder>,
    number: u64,
    cut: broadcast::Sender<()>,
    /// Its device and its client id, once it is let in.
    entered: OnceLock<(String, String)>,
}

impl Guest {
    pub(super) fn new(
        guests: Arc<Guests>,
        holder: Option<Holder>,
        cut: broadcast::Sender<()>,
    ) -> Self {
        let number = guests.next.fetch_add(1, Ordering::Relaxed);
        Self { guests, holder, number, cut, entered: OnceLock::new() }
    }

    /// Tells the connection to end.
    pub(super) fn cut(&self) {
        if self.cut.send(()).is_err() {
            tracing::debug!("a connection had ended before it was cut");
        }
    }

    /// Whether this login is right, and what is wrong with it otherwise.
    fn admit(&self, connect: &ConnectPacket) -> Result<(), (&'static str, ReasonCode)> {
        let guests = &self.guests;
        let device = connect.username.as_deref().unwrap_or_default();
        let wrong = |why| (why, ReasonCode::BadUsernameOrPassword);
        let shown = match (&self.holder, guests.profile) {
            (Some(holder), _) if holder.name != device => return Err(wrong("certificate_name")),
            (Some(holder), _) => Shown::Certificate { key: holder.key, until: holder.until },
            (None, Profile::Mtls) => return Err(wrong("certificate_name")),
            (None, _) => Shown::secret(connect.password.as_deref().unwrap_or_default()),
        };
        let right = || guests.registry.admits(device, &shown, guests.clock.now()).map_err(wrong);
        right()?;
        if self.entered.set((device.to_owned(), connect.client_id.clone())).is_err() {
            return Err(wrong("login"));
        }
        if !guests.hold(&connect.client_id, device, self.number) {
            return Err(("client_id", ReasonCode::ClientIdentifierNotValid));
        }
        if !guests.enter(device, self.number, shown.clone(), self.cut.clone()) {
            return Err(("connections", ReasonCode::QuotaExceeded));
        }
        // Again, now that the connection can be cut: it may have been revoked in between.
        right()?;
        self.warn_of_end(device);
        Ok(())
    }

    /// Tells operators in time that a device's certificate runs out: it has to be enrolled anew.
    fn warn_of_end(&self, device: &str) {
        let now = self.guests.clock.now();
        let left_ms = self.holder.as_ref().map(|holder| holder.until.0.saturating_sub(now.0));
        if let Some(left_ms) = left_ms.filter(|left_ms| *left_ms < SOON_MS)
            && let Some(known) = self.guests.registry.get(device)
        {
            let days = left_ms / 86_400_000;
            tracing::warn!(device, days, "a device's certificate runs out");
            let problem =
                format!("its certificate runs out in {days} days: make a claim, and enrol it anew");
            known.problem(now, problem);
        }
    }
}

/// The connection has ended, however it did.
impl Drop for Guest {
    fn drop(&mut self) {
        if let Some((device, client_id)) = self.entered.get() {
            self.guests.leave(device, client_id, self.number);
        }
    }
}

impl AuthProvider for Guest {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        let device = connect.username.as_deref().unwrap_or_default();
        let result = match self.admit(connect) {
            Ok(()) => AuthResult::success_with_user(device),
            Err((why, code)) => {
                self.guests.uplinks.refused(Some(device), why);
                let known = self.guests.registry.get(device).map(|_| device);
                tracing::warn!(%client, device = known, why, "a device's login was refused");
                AuthResult::fail(code)
            }
        };
        Box::pin(std::future::ready(Ok(result)))
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        user: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        let site = self.guests.site.as_str();
        let may = user.is_some_and(|device| topic::device_may_publish(site, device, topic));
        if !may {
            self.guests.uplinks.refused(user, "acl_publish");
            tracing::warn!(device = user, "publishing to a topic that is not its own was refused");
        }
        Box::pin(std::future::ready(may))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user: Option<&'a str>,
        filter: &'a str,
    ) -> Answer<'a, bool> {
        let site = self.guests.site.as_str();
        let may = user.is_some_and(|device| topic::device_may_subscribe(site, device, filter));
        if !may {
            self.guests.uplinks.refused(user, "acl_subscribe");
            tracing::warn!(device = user, "subscribing to a topic that is not its own was refused");
        }
        Box::pin(std::future::ready(may))
    }
}

impl BrokerEventHandler for Guests {
    fn on_client_publish(&self, event: ClientPublishEvent) -> Answer<'_, PublishAction> {
        let is_state = topic::parse_uplink(&event.topic).is_ok_and(|up| up.kind == UpKind::State);
        let action = if is_state && event.retain {
            // Retained by the broker; it comes back through `on_retained_set`, as a will does.
            PublishAction::Continue
        } else {
            let qos = if event.qos == QoS::AtMostOnce { Qos::Zero } else { Qos::One };
            self.uplinks.take(&event.topic, &event.payload, qos, false);
            PublishAction::Handled
        };
        Box::pin(std::future::ready(action))
    }

    fn on_retained_set(&self, event: RetainedSetEvent) -> Answer<'_, ()> {
        if !event.cleared {
            self.uplinks.take(&event.topic, &event.payload, Qos::One, true);
        }
        Box::pin(std::future::ready(()))
    }
}
