//! The configuration: one TOML file, the environment and the command line over it.
//!
//! Owns its form, its defaults and its checks. Everything is checked at load, and all faults are
//! told at once with their places. Refuses unknown keys, and listening in clear text on anything
//! but the machine's own loopback unless `[security] insecure_listen` says so. Without a file it
//! is the sample park. Called by the command line.

mod broker_url;
mod fault;
mod security;
mod tree;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use shanmen_actors::{
    api::{BrokerChoice, DeviceSpec, Durability},
    security::Profile,
};
use shanmen_rules::{Park, ParkDefinition};

use self::{broker_url::outside, tree::Tree};
pub use self::{
    fault::{Fault, Faults, Place},
    security::{OutsideFiles, PairFiles, Security},
    tree::Override,
};
use crate::logging::LogForm;

/// The park of a program without a configuration.
pub const SAMPLE_PARK: &str = include_str!("sample-park.toml");

/// How the sample park is named in faults.
const SAMPLE_NAME: &str = "the sample park";

/// What an environment override begins with: `SHANMEN_SECTION_KEY`.
const PREFIX: &str = "SHANMEN_";

/// The sections with single values, which the environment can override.
const SECTIONS: [&str; 6] = ["server", "broker", "ledger", "site", "dashboards", "security"];

/// The lists of a park.
const LISTS: [&str; 4] = ["areas", "gates", "lanes", "products"];

/// All that a run of the program needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[broker]`: embedded, or an outside one.
    pub broker: BrokerChoice,
    /// What enrolled devices are told to connect to, as `mqtts://gate-server:8883`; none: where
    /// the broker listens.
    pub advertise: Option<String>,
    /// How often a device shows that it lives, in seconds.
    pub heartbeat_s: u32,
    /// How the program speaks TLS to an outside broker; none: in clear text.
    pub outside_tls: Option<OutsideFiles>,
    /// `[security]`
    pub security: Security,
    /// What the pages and the API are served with; none: in clear text.
    pub http_tls: Option<PairFiles>,
    /// `[ledger]`
    pub ledger: Ledger,
    /// `[dashboards]`
    pub dashboards: Dashboards,
    /// `[[devices]]`: approved from the start, each bound to its place.
    pub devices: Vec<DeviceSpec>,
    /// The site, its areas, gates and lanes, and its products.
    pub park: ParkDefinition,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where the pages and the API listen; port 0 takes a free one.
    pub http: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// The form of the log.
    pub log: LogForm,
    /// What is logged, in the words of `RUST_LOG`, which goes before it.
    pub log_filter: Option<String>,
    /// How long an HTTP request may take, in seconds; the feed and imports are free of it.
    pub request_timeout_s: u32,
    /// HTTP connections at one time; the next ones wait to be accepted.
    pub connections_max: usize,
    /// The certificate of the pages and the API, in PEM: HTTPS then. None: the one of
    /// `[security]`, unless the profile is `lab`.
    pub cert: Option<PathBuf>,
    /// Its key, in PEM; only its owner may be able to read it.
    pub key: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("shanmen-data"),
            log: LogForm::default(),
            log_filter: None,
            request_timeout_s: 30,
            connections_max: 4096,
            cert: None,
            key: None,
        }
    }
}

/// `[broker]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Broker {
    /// Where the embedded broker listens; port 0 takes a free one.
    listen: SocketAddr,
    /// An outside broker instead: `mqtt://user:password@host:1883`, or `mqtts://` with `ca`.
    url: Option<String>,
    /// The authority of the outside broker's certificate, in PEM.
    ca: Option<PathBuf>,
    /// The program's own certificate at the outside broker, in PEM.
    cert: Option<PathBuf>,
    /// Its key, in PEM.
    key: Option<PathBuf>,
    /// What enrolled devices are told to connect to.
    advertise: Option<String>,
    /// How often a device shows that it lives, in seconds.
    heartbeat_s: u32,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            url: None,
            ca: None,
            cert: None,
            key: None,
            advertise: None,
            heartbeat_s: 30,
        }
    }
}

/// `[ledger]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// The ledger's folder; the data folder by default.
    pub path: Option<PathBuf>,
    /// When a grant may leave: `commit` or `relaxed`.
    pub durability: Durability,
}

/// `[dashboards]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dashboards {
    /// Whether anyone who reaches the port may watch the feed. By default as the profile: yes in
    /// `lab`, no in `tls` and `mtls`.
    pub open: Option<bool>,
    /// Viewers of the feed at one time.
    pub viewers_max: usize,
    /// Viewers of the feed from one address; the loopback, where a proxy may stand, is not
    /// counted.
    pub viewers_per_address_max: usize,
}

impl Default for Dashboards {
    fn default() -> Self {
        let limits = shanmen_dashboards::Limits::default();
        Self {
            open: None,
            viewers_max: limits.viewers_max,
            viewers_per_address_max: limits.viewers_per_address_max,
        }
    }
}

impl Config {
    /// Whether anyone who reaches the port may watch the feed.
    pub fn watching_is_open(&self) -> bool {
        self.dashboards.open.unwrap_or(self.security.profile == Profile::Lab)
    }
}

/// Reads a configuration file, or the sample park without one, with `overrides` over it (the last
/// one goes before the others).
///
/// # Errors
/// All faults at once.
pub fn load(path: Option<&Path>, overrides: &[Override]) -> Result<Config, Faults> {
    let Some(path) = path else { return parse(SAMPLE_NAME, "", overrides) };
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&file, &text, overrides),
        Err(error) => {
            let hint = "name a readable TOML file with --config".to_owned();
            let problem = format!("cannot be read: {error}");
            Err(Faults { file, list: vec![Fault { place: Place::Whole, problem, hint }] })
        }
    }
}

/// Reads a configuration's text. A text without `[site]` gets the sample park.
///
/// # Errors
/// All faults at once.
pub fn parse(file: &str, text: &str, overrides: &[Override]) -> Result<Config, Faults> {
    let mut tree = Tree::parse(text, overrides);
    let known = [&SECTIONS[..], &LISTS[..], &["devices"]].concat();
    tree.only(&known);
    let server: Server = tree.section("server");
    let broker: Broker = tree.section("broker");
    let ledger = tree.section("ledger");
    let dashboards: Dashboards = tree.section("dashboards");
    let security: Security = tree.section("security");
    check_server(&mut tree, &server);
    check_dashboards(&mut tree, dashboards);
    let (choice, outside_tls) = check_broker(&mut tree, &broker, &security);
    let http_tls = security::check_http(&mut tree, &server, &security);
    let devices = tree.list("devices");
    let park = park(&mut tree, overrides);
    if let Some(park) = &park {
        check_devices(&mut tree, &devices, park);
    }
    let mut list = tree.faults;
    if let (Some(park), true) = (park, list.is_empty()) {
        return Ok(Config {
            server,
            broker: choice,
            outside_tls,
            security,
            http_tls,
            advertise: broker.advertise,
            heartbeat_s: broker.heartbeat_s,
            ledger,
            dashboards,
            devices,
            park,
        });
    }
    list.sort();
    list.dedup();
    Err(Faults { file: file.to_owned(), list })
}

/// The overrides that an environment holds. Variables of no section, as `SHANMEN_TOKEN`, are
/// somebody else's.
pub fn environment(vars: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<_> = vars
        .into_iter()
        .filter_map(|(name, value)| {
            let rest = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
            let (section, key) = rest.split_once('_')?;
            let (section, key) = (section.to_owned(), key.to_owned());
            SECTIONS.contains(&section.as_str()).then_some(Override { name, section, key, value })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn check_server(tree: &mut Tree<'_>, server: &Server) {
    if !(1..=600).contains(&server.request_timeout_s) {
        let problem = "a request may take 1 to 600 seconds".to_owned();
        tree.fault_at("server.request_timeout_s", problem, String::new());
    }
    if !(1..=100_000).contains(&server.connections_max) {
        let problem = "there may be 1 to 100,000 connections".to_owned();
        tree.fault_at("server.connections_max", problem, String::new());
    }
}

fn check_dashboards(tree: &mut Tree<'_>, dashboards: Dashboards) {
    let bounds = [
        ("viewers_max", dashboards.viewers_max),
        ("viewers_per_address_max", dashboards.viewers_per_address_max),
    ];
    for (key, viewers) in bounds {
        if !(1..=20_000).contains(&viewers) {
            let problem = "there may be 1 to 20,000 viewers".to_owned();
            tree.fault_at(&format!("dashboards.{key}"), problem, String::new());
        }
    }
}

fn check_broker(
    tree: &mut Tree<'_>,
    broker: &Broker,
    security: &Security,
) -> (BrokerChoice, Option<OutsideFiles>) {
    if !(5..=3_600).contains(&broker.heartbeat_s) {
        let problem = "a heartbeat is 5 to 3,600 seconds".to_owned();
        tree.fault_at("broker.heartbeat_s", problem, String::new());
    }
    if let Some(Err(problem)) = broker.advertise.as_deref().map(outside) {
        let hint = "write mqtts://host:port or mqtt://host:port".to_owned();
        tree.fault_at("broker.advertise", problem, hint);
    }
    let embedded = BrokerChoice::Embedded(broker.listen);
    let Some(url) = &broker.url else {
        security::check_embedded(tree, broker, security);
        return (embedded, None);
    };
    match outside(url) {
        Ok((outside, tls)) => {
            let files = security::check_outside(tree, broker, (&outside.host, tls), security);
            (BrokerChoice::Outside(outside), files)
        }
        Err(problem) => {
            let hint = "write mqtts://user:password@host:8883 or mqtt://…:1883".to_owned();
            tree.fault_at("broker.url", problem, hint);
            (embedded, None)
        }
    }
}

fn check_devices(tree: &mut Tree<'_>, devices: &[DeviceSpec], park: &ParkDefinition) {
    for (n, device) in devices.iter().enumerate() {
        if devices[..n].iter().any(|other| other.id == device.id) {
            let problem = format!("there are two devices {}", device.id);
            tree.fault_at(&format!("devices[{n}].id"), problem, "give it another id".to_owned());
        }
        if let Some(gate) = &device.gate
            && !park.gates.iter().any(|one| one.id == gate.as_str())
        {
            let hint = "name a gate of [[gates]]".to_owned();
            tree.fault_at(&format!("devices[{n}].gate"), format!("there is no gate {gate}"), hint);
        }
        if let Some(lane) = &device.lane
            && !park.lanes.iter().any(|one| one.id == lane.as_str())
        {
            let hint = "name a lane of [[lanes]]".to_owned();
            tree.fault_at(&format!("devices[{n}].lane"), format!("there is no lane {lane}"), hint);
        }
    }
}

/// The park of the file; the sample park where the file names none.
fn park(tree: &mut Tree<'_>, overrides: &[Override]) -> Option<ParkDefinition> {
    let lists = LISTS.into_iter().any(|list| tree.has(list));
    let site_only_outside = overrides.iter().any(|item| item.section == "site");
    if !tree.has("site") && !lists {
        return sample(tree);
    }
    if !tree.has("site") {
        let hint = "begin with [site] and its id".to_owned();
        tree.fault(None, "a park needs a [site]".to_owned(), hint);
    } else if site_only_outside && !lists {
        let hint = "name a file with the whole park by --config".to_owned();
        tree.fault_at("site", "the sample park's site cannot be changed".to_owned(), hint);
    }
    let before = tree.faults.len();
    let site = tree.required("site");
    let park = ParkDefinition {
        areas: tree.list("areas"),
        gates: tree.list("gates"),
        lanes: tree.list("lanes"),
        products: tree.list("products"),
        site: site?,
    };
    // References to what could not be read would be told as faults of their own.
    if tree.faults.len() > before {
        return None;
    }
    for fault in Park::compile(&park).err().unwrap_or_default() {
        tree.fault_at(&fault.path, format!("{}: {}", fault.path, fault.problem), fault.hint);
    }
    Some(park)
}

fn sample(tree: &mut Tree<'_>) -> Option<ParkDefinition> {
    let park = toml::from_str(SAMPLE_PARK);
    if let Err(error) = &park {
        tree.fault(None, format!("the sample park cannot be read: {error}"), String::new());
    }
    park.ok()
}

#[cfg(test)]
mod tests;
