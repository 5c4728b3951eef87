//! What comes before the clock starts: login, enrolment of the lanes, issue of the tickets.
//!
//! All of it over the public API, as an installer and a ticket system would do it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shanmen_devices::{
    agent::AgentConfig,
    turnstile::{BrokerAddress, TurnstileConfig},
};
use shanmen_protocols::{
    feed::{LaneCondition, Snapshot},
    ids::{DeviceId, LaneId, SiteId},
};
use tokio::task::JoinSet;

use crate::{
    http::Connection,
    park::{self, Sold},
    server::Login,
};

/// Tickets in one request.
const TICKETS_EACH: usize = 500;

/// Connections that issue tickets.
const ISSUERS: usize = 2;

/// How long a claim is good for, in minutes.
const CLAIM_MINUTES: u32 = 30;

/// Where the park is, and who we are there.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port` of the API.
    pub http: String,
    /// The broker.
    pub mqtt: BrokerAddress,
    /// The token of an admin.
    pub token: String,
    /// Whether the park is the load test's own.
    pub own_park: bool,
    /// The product of all tickets, in a park that is not our own.
    pub product: Option<String>,
}

/// A lane with its device's secret.
#[derive(Clone)]
pub struct Enrolled {
    /// What the turnstile is told.
    pub config: TurnstileConfig,
    /// The number of its gate, in the load test's own park.
    pub gate: usize,
}

/// Logs in; gives the token.
pub async fn login(http: &str, login: &Login) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct LoggedIn {
        token: String,
    }
    let mut connection = Connection::open(http, None).await?;
    let body = json!({ "user": login.user, "password": login.password });
    let answer: LoggedIn = connection.post("/api/v1/login", &body).await?;
    Ok(answer.token)
}

impl Target {
    /// A connection with the token.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.http, Some(&self.token)).await
    }

    /// The feed's state now.
    pub async fn snapshot(&self) -> anyhow::Result<Snapshot> {
        self.connect().await?.get("/api/v1/feed/snapshot").await
    }

    /// The first `count` lanes: all of our own park's, elsewhere those without a device.
    pub async fn lanes(&self, count: usize) -> anyhow::Result<Vec<LaneId>> {
        let lanes: Vec<LaneId> = if self.own_park {
            (0..count).map(|n| LaneId::new(&park::lane_id(n))).collect::<Result<_, _>>()?
        } else {
            let snapshot = self.snapshot().await?;
            let outer =
                |gate| snapshot.gates.iter().any(|g| g.id == gate && g.from.as_str() == "outside");
            snapshot
                .lanes
                .iter()
                .filter(|lane| lane.condition == LaneCondition::Unassigned)
                .filter(|lane| lane.direction == "both" && outer(lane.gate.clone()))
                .map(|lane| lane.id.clone())
                .take(count)
                .collect()
        };
        if lanes.len() < count {
            bail!(
                "the park has {} free lanes for both ways at its outer gates, not {count}; \
                 add lanes, or ask for fewer with --gates",
                lanes.len()
            );
        }
        Ok(lanes)
    }

    /// Makes claims and trades them: one turnstile for each lane. `set` has the last word on how
    /// each is told to be.
    pub async fn enrol(
        &self,
        lanes: &[LaneId],
        set: impl Fn(usize, &mut TurnstileConfig),
    ) -> anyhow::Result<Vec<Enrolled>> {
        let mut connection = self.connect().await?;
        let mut enrolled = Vec::with_capacity(lanes.len());
        for (n, lane) in lanes.iter().enumerate() {
            let secret = trade(&mut connection, lane.as_str(), "turnstile", Some(lane)).await?;
            let mut config =
                TurnstileConfig::new(secret.site, secret.device, lane.clone(), self.mqtt.clone());
            config.agent.username = secret.username;
            config.agent.password = secret.password;
            set(n, &mut config);
            enrolled.push(Enrolled { config, gate: park::gate_of(n) });
        }
        Ok(enrolled)
    }

    /// The same for a device of another kind; what its agent is told.
    pub async fn enrol_one(
        &self,
        device: &str,
        kind: &str,
        lane: Option<&LaneId>,
    ) -> anyhow::Result<AgentConfig> {
        let mut connection = self.connect().await?;
        let secret = trade(&mut connection, device, kind, lane).await?;
        let mut agent = AgentConfig::new(secret.site, secret.device, self.mqtt.clone());
        agent.username = secret.username;
        agent.password = secret.password;
        Ok(agent)
    }

    /// Issues tickets for today, each as it is sold; `first` is the number of the first of
    /// them. Gives their codes in this order.
    pub async fn issue(&self, first: usize, tickets: &[Sold]) -> anyhow::Result<Vec<String>> {
        if self.product.is_some() && tickets.iter().any(|sold| *sold != Sold::ONE) {
            bail!("tickets for groups and re-entries are sold in the load test's own park only");
        }
        let count = tickets.len();
        let date = self.snapshot().await?.today.date;
        let tickets: Arc<[Sold]> = tickets.into();
        let mut issuers = JoinSet::new();
        for issuer in 0..ISSUERS {
            let (target, date, tickets) = (self.clone(), date.clone(), Arc::clone(&tickets));
            issuers.spawn(async move { target.issue_share(first, &tickets, issuer, &date).await });
        }
        let mut codes = vec![String::new(); count];
        while let Some(share) = issuers.join_next().await {
            for (from, issued) in share.context("an issuer failed")?? {
                for (code, issued) in codes[from..].iter_mut().zip(issued) {
                    *code = issued;
                }
            }
        }
        if codes.iter().any(String::is_empty) {
            bail!("fewer tickets were issued than asked for");
        }
        Ok(codes)
    }

    async fn issue_share(
        &self,
        first: usize,
        tickets: &[Sold],
        issuer: usize,
        date: &str,
    ) -> anyhow::Result<Vec<(usize, Vec<String>)>> {
        #[derive(Serialize)]
        struct Line<'a> {
            product: String,
            visit_date: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            persons: Option<u16>,
        }
        #[derive(Deserialize)]
        struct Issued {
            tickets: Vec<Ticket>,
        }
        #[derive(Deserialize)]
        struct Ticket {
            code: String,
        }
        let mut connection = self.connect().await?;
        let mut share = Vec::new();
        let count = tickets.len();
        for from in (0..count).step_by(TICKETS_EACH).skip(issuer).step_by(ISSUERS) {
            let numbers = from..count.min(from + TICKETS_EACH);
            let line = |n: usize| {
                let class = park::class_of(first + n, tickets[n]);
                let product = self.product.clone().unwrap_or_else(|| park::product_of(class));
                let several = Some(tickets[n].persons).filter(|persons| *persons > 1);
                Line { product, visit_date: date, persons: several }
            };
            let body = json!({ "tickets": numbers.map(line).collect::<Vec<_>>() });
            let answer: Issued = connection.post("/api/v1/tickets", &body).await?;
            share.push((from, answer.tickets.into_iter().map(|ticket| ticket.code).collect()));
        }
        Ok(share)
    }
}

/// What a claim is traded for.
#[derive(Deserialize)]
struct Secret {
    site: SiteId,
    device: DeviceId,
    username: String,
    password: String,
}

async fn trade(
    connection: &mut Connection,
    device: &str,
    kind: &str,
    lane: Option<&LaneId>,
) -> anyhow::Result<Secret> {
    #[derive(Deserialize)]
    struct Claim {
        claim: String,
    }
    let mut body = json!({ "device": device, "kind": kind, "minutes": CLAIM_MINUTES });
    if let Some(lane) = lane {
        body["lane"] = json!(lane);
    }
    let claim: Claim = connection.post("/api/v1/devices/claims", &body).await?;
    let body = json!({
        "claim": claim.claim, "serial": format!("LOAD-{device}"), "model": "load test",
    });
    connection.post("/enrol", &body).await
}
