//! Who a device is and how it stands: its handshake, presence and lane, what it reports of itself, and
//! what its answers to commands change.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use shanmen_protocols::{
    device::{
        Ack, AckStatus, ConfigReport, Down, Hello, HelloDown, HelloStatus, LaneMode,
        Order as DeviceOrder,
    },
    feed::LaneCondition,
    ids::{DeviceId, Epoch},
    time::UnixMs,
};

use super::{Back, Numbers, Twin, clones::Machine, tell};
use crate::{
    alerts::Cause,
    api::Reported,
    flow::{Fact, LaneChange},
    link::Qos,
};

/// When a device that may not work yet says hello again, in seconds.
const RETRY_S: u32 = 10;
/// How long the answer to a hello is worth anything.
const HELLO_TTL: Duration = Duration::from_secs(30);

impl Twin {
    pub(super) fn look_for_clones(&mut self, hello: &Hello, now: UnixMs) {
        let machine = Machine { epoch: hello.epoch.clone(), boot: hello.time.boot };
        if self.clones.hello(machine, now) {
            tracing::warn!(device = %self.id, "two machines take turns under one id");
            let lane = self.core.device.row().lane.clone();
            self.shared.alerts.set(&Cause::device("clone", self.id.clone(), lane), true);
        }
    }

    pub(super) fn hello(&mut self, hello: &Hello, me: &Addr<Self>) {
        let now = self.shared.clock.now();
        let (status, changed) = self.core.hello(hello, now);
        if changed {
            self.presence_changed();
        }
        self.look_for_clones(hello, now);
        tracing::info!(device = %self.id, ?status, firmware = hello.firmware, "hello");
        let epoch = hello.epoch.clone();
        let read = match &epoch {
            Some(epoch) if self.core.numbers(epoch).is_none() => Some(self.numbers_of(epoch)),
            _ => None,
        };
        let acked = epoch.as_ref().and_then(|epoch| self.core.numbers(epoch)).map(|n| n.upto());
        let (shared, down) = (Arc::clone(&self.shared), Arc::clone(&self.down));
        let (session, me) = (hello.session.clone(), me.clone());
        let answer = move |acked: u64| HelloDown {
            session,
            status,
            reason: reason_of(status).map(str::to_owned),
            server_time: now,
            heartbeat_s: shared.heartbeat_s,
            acked,
            retry_s: RETRY_S,
        };
        let shared = Arc::clone(&self.shared);
        let (id, about) = (self.id.clone(), hello.session.clone());
        let has_config = hello.config_version.as_ref().and_then(serde_json::Value::as_u64);
        let wants_lists = !hello.lists.is_empty() || hello.limits.list.is_some_and(|most| most > 0);
        self.core.device.live().wants_lists = wants_lists;
        actix::spawn(async move {
            let mut acked = acked.unwrap_or(0);
            if let (Some(read), Some(epoch)) = (read, epoch) {
                let numbers = read.await;
                if let Ok(numbers) = &numbers {
                    acked = numbers.upto();
                }
                tell(&me, Back::Numbers(epoch, numbers)).await;
            }
            shared.send(&down, &Down::Hello(answer(acked)), Qos::One, HELLO_TTL).await;
            if status == HelloStatus::Accepted {
                shared.bring_up_to_date(&down, &id, &about, has_config).await;
            }
        });
    }

    /// A device answers a command: what is done by it is seen at once.
    pub(super) fn command_answered(&mut self, ack: Ack) {
        let status = ack.status;
        let Some(row) = self.shared.commands.answered(&self.id, ack) else { return };
        if status == AckStatus::Done
            && let Ok(DeviceOrder::Mode { mode }) = DeviceOrder::read(&row.op, &row.args)
        {
            self.mode(mode);
        }
    }

    pub(super) fn reported(&mut self, report: ConfigReport, now: UnixMs) {
        let mode = report.mode;
        let mut live = self.core.device.live();
        live.last_seen = Some(now);
        let before = live.reported.mode;
        live.reported = Reported {
            at: Some(now),
            version: report.version,
            refused: report.refused,
            rejects: report.rejects,
            lists: report.lists,
            mode: mode.or(before),
        };
        drop(live);
        if mode.is_some_and(|mode| Some(mode) != before) {
            self.show_lane();
        }
    }

    /// The lane works so from now on.
    pub(super) fn mode(&mut self, mode: LaneMode) {
        self.core.device.live().reported.mode = Some(mode);
        self.show_lane();
    }

    pub(super) fn numbers_of(
        &self,
        epoch: &Epoch,
    ) -> impl Future<Output = Result<Numbers, String>> + use<> {
        let (ledger, device, epoch) =
            (Arc::clone(&self.shared.ledger), self.id.clone(), epoch.clone());
        async move {
            tokio::task::spawn_blocking(move || ledger.seen_events(&device, epoch.as_str()))
                .await
                .map_err(|error| error.to_string())?
                .map(Numbers::of)
                .map_err(|error| error.to_string())
        }
    }

    pub(super) fn presence_changed(&self) {
        self.shared.registry.recount();
        self.show_lane();
    }

    pub(super) fn show_lane(&self) {
        let row = self.core.device.row();
        let Some(lane) =
            row.lane.as_ref().and_then(|lane| self.shared.park.now().lane_ix(lane.as_str()))
        else {
            return;
        };
        let live = self.core.device.live();
        let condition = match (live.online, live.reported.mode) {
            (false, _) => LaneCondition::Offline,
            (true, Some(LaneMode::Locked | LaneMode::Maintenance)) => LaneCondition::Closed,
            (true, _) => LaneCondition::Online,
        };
        drop(live);
        let at = self.shared.clock.now();
        let change = LaneChange { lane, device: Some(row.id.clone()), condition, at };
        self.shared.flow.tell(Fact::Lane(Box::new(change)));
    }
}

fn reason_of(status: HelloStatus) -> Option<&'static str> {
    match status {
        HelloStatus::Accepted => None,
        HelloStatus::Pending => Some("a person has to approve this device first"),
        HelloStatus::Rejected => Some("this device was revoked"),
    }
}

/// What of a device's telemetry is a metric: numbers that the contract names.
const MEASURED: [&str; 9] = [
    "temperature_c",
    "uptime_s",
    "cpu",
    "memory",
    "paper_percent",
    "battery_percent",
    "rssi_dbm",
    "queue",
    "queue_lost",
];

pub(super) fn measure(device: &DeviceId, values: &serde_json::Map<String, serde_json::Value>) {
    for name in MEASURED {
        if let Some(value) = values.get(name).and_then(serde_json::Value::as_f64) {
            metrics::gauge!(
                "shanmen_device_telemetry", "device" => device.to_string(), "name" => name
            )
            .set(value);
        }
    }
}
