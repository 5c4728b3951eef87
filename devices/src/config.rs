//! The file that a device is told by: TOML, read key by key, with all its faults told at once.
//!
//! ```toml
//! site = "huangshan"
//! device = "n1"
//! data = "/var/lib/shanmen-device"   # what is kept over a restart
//! serial = "A-0001"                  # optional: the device's name by default
//! clock = "synced"                   # synced (by default), free, or none without a clock
//! queue_max = 10000                  # facts kept while nobody acknowledges them, 2 or more
//!
//! [broker]
//! url = "mqtts://gates.example:8883" # or mqtt://, in clear text
//! username = "n1"                    # the device's name by default
//! password_file = "n1.secret"        # or password = "…"
//! ca = "ca.pem"                      # with mqtts: whom to trust
//! cert = "n1.cert.pem"               # with key, where devices have certificates
//! key = "n1.key.pem"
//!
//! [machine]
//! reboot = ["/sbin/reboot"]          # optional: without it the order is refused
//!
//! [firmware]                         # optional: whoever starts the device starts its `current`
//! folder = "/opt/shanmen-device"
//! key = "8f3c…"                      # the vendor's public key, Ed25519, 32 bytes in hex
//!
//! [settings]                         # until the control plane sends others: see its `config`
//! ttl_ms = 1500
//! ```
//!
//! Paths are relative to the file. What a kind of device needs besides is asked for by its own
//! program; a key that nobody asks for is a fault. It refuses a wrong file as a whole. Nothing of
//! what it reads is shown but names of keys.

use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::VerifyingKey;
use serde::de::DeserializeOwned;
use shanmen_protocols::{
    device::DeviceSettings,
    ids::{DeviceId, SiteId},
    privacy::without_values,
    time::ClockState,
};
use toml::{Table, Value};

use crate::{
    agent::{AgentConfig, BrokerAddress, queue::QUEUE_MAX_EVENTS},
    firmware::{FileSlot, Firmware, Machine, SystemMachine, Upkeep},
    tls::DeviceTls,
};

/// All that is wrong with a file, one fault a line, each with its place and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    file: PathBuf,
    faults: Vec<String>,
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// What every kind of device is told.
#[derive(Clone, Debug)]
pub struct Common {
    /// For the agent.
    pub agent: AgentConfig,
    /// The folder of what is kept; there by now.
    pub data: PathBuf,
    /// How far the machine's clock can be trusted.
    pub clock: ClockState,
}

/// A file that is being read.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    table: Table,
    faults: Vec<String>,
}

impl ConfigFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`Faults`]: it cannot be read, or is no TOML.
    pub fn open(path: &Path) -> Result<Self, Faults> {
        let fault = |why: String| Faults { file: path.to_owned(), faults: vec![why] };
        let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        let table = text.parse::<Table>().map_err(|error| {
            let from = error.span().map_or(0, |span| span.start);
            let line = text.get(..from).map_or(1, |before| before.matches('\n').count() + 1);
            fault(format!("line {line}: {}", error.message()))
        })?;
        Ok(Self { path: path.to_owned(), table, faults: Vec::new() })
    }

    /// Notes a fault of a key.
    pub fn fault(&mut self, key: &str, why: impl fmt::Display) {
        self.faults.push(format!("{key}: {why}"));
    }

    /// Takes a section as it is; empty where there is none.
    pub fn section(&mut self, name: &str) -> Table {
        self.get(name).unwrap_or_default()
    }

    /// Takes a key that may be left out: `broker.url` is `url` of `[broker]`.
    pub fn get<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = match key.split_once('.') {
            None => self.table.remove(key)?,
            Some((section, inner)) => match self.table.get_mut(section)? {
                Value::Table(table) => table.remove(inner)?,
                _ => return None, // Told by `finish`.
            },
        };
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(key, without_values(error.message()));
                None
            }
        }
    }

    /// Takes a key that has to be there.
    pub fn need<T: DeserializeOwned>(&mut self, key: &str, example: &str) -> Option<T> {
        let faults = self.faults.len();
        let value = self.get(key);
        if value.is_none() && faults == self.faults.len() {
            self.fault(key, format!("missing: add {key} = {example}"));
        }
        value
    }

    /// Takes what every kind of device is told; `None` with faults.
    pub fn common(&mut self) -> Option<Common> {
        let site = self.need::<SiteId>("site", "\"huangshan\"");
        let device = self.need::<DeviceId>("device", "\"n1\"");
        let data = self.data();
        let clock = self.get::<String>("clock");
        let clock = match clock.as_deref() {
            None | Some("synced") => ClockState::Synced,
            Some("free") => ClockState::Free,
            Some("none") => ClockState::None,
            Some(_) => {
                self.fault("clock", "one of \"synced\", \"free\" and \"none\" is wanted");
                ClockState::None
            }
        };
        let serial = self.get::<String>("serial");
        let queue_max = self.get::<usize>("queue_max").unwrap_or(QUEUE_MAX_EVENTS);
        if queue_max < 2 {
            self.fault("queue_max", "2 or more is wanted");
        }
        let settings = self.settings();
        let (broker, tls) = self.broker();
        let username = self.get::<String>("broker.username");
        let password = self.password();
        let (min, max) = (self.get("broker.reconnect_min_ms"), self.get("broker.reconnect_max_ms"));
        let mut agent = AgentConfig::new(site?, device?, broker?);
        agent.tls = tls;
        agent.queue_max = queue_max;
        agent.settings = settings;
        agent.password = password;
        agent.username = username.unwrap_or(agent.username);
        agent.serial = serial.unwrap_or(agent.serial);
        agent.reconnect_min_ms = min.unwrap_or(agent.reconnect_min_ms);
        agent.reconnect_max_ms = max.unwrap_or(agent.reconnect_max_ms);
        Some(Common { agent, data: data?, clock })
    }

    /// Takes what keeps the machine and the program going.
    pub fn upkeep(&mut self) -> Upkeep {
        let machine = SystemMachine::new(self.get("machine.reboot").unwrap_or_default());
        let machine = machine.map(|machine| -> Box<dyn Machine> { Box::new(machine) });
        let (folder, key) =
            (self.get::<PathBuf>("firmware.folder"), self.get::<String>("firmware.key"));
        let firmware = match (folder, key) {
            (None, None) => None,
            (Some(folder), Some(key)) => self.firmware(&folder, &key),
            _ => {
                self.fault("firmware", "folder and key belong together: name both or none");
                None
            }
        };
        Upkeep { machine, firmware }
    }

    fn firmware(&mut self, folder: &Path, key: &str) -> Option<Firmware> {
        let bytes = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let Some(vendor) = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()) else {
            self.fault("firmware.key", "an Ed25519 public key is wanted: 32 bytes in hex");
            return None;
        };
        match FileSlot::new(self.beside(folder)) {
            Ok(slot) => Some(Firmware::new(Box::new(slot), vendor)),
            Err(error) => {
                self.fault("firmware.folder", error);
                None
            }
        }
    }

    fn data(&mut self) -> Option<PathBuf> {
        let folder = self.need::<PathBuf>("data", "\"/var/lib/shanmen-device\"")?;
        let folder = self.beside(&folder);
        if let Err(error) = fs::create_dir_all(&folder) {
            self.fault("data", format!("{}: {error}", folder.display()));
            return None;
        }
        Some(folder)
    }

    fn settings(&mut self) -> DeviceSettings {
        let read = |table: Table| serde_json::to_value(table).ok()?.as_object().cloned();
        let Some(settings) = self.get::<Table>("settings").and_then(read) else {
            return DeviceSettings::default();
        };
        DeviceSettings::read(&settings).unwrap_or_else(|rejects| {
            for (key, why) in rejects {
                self.fault(&format!("settings.{key}"), why);
            }
            DeviceSettings::default()
        })
    }

    fn broker(&mut self) -> (Option<BrokerAddress>, Option<DeviceTls>) {
        let for_tls = self.table.get("broker").and_then(Value::as_table).is_some_and(|section| {
            ["ca", "cert", "key"].iter().any(|key| section.contains_key(*key))
        });
        let url = self.need::<String>("broker.url", "\"mqtts://gates.example:8883\"");
        let (ca, cert, key) =
            (self.pem("broker.ca"), self.pem("broker.cert"), self.pem("broker.key"));
        let Some(url) = url else { return (None, None) };
        let Some((address, is_tls)) = read_url(&url) else {
            self.fault("broker.url", "mqtt://host:port or mqtts://host:port is wanted");
            return (None, None);
        };
        if !is_tls {
            if for_tls {
                self.fault("broker.url", "with ca, cert or key it has to begin with mqtts://");
            }
            return (Some(address), None);
        }
        let Some(ca) = ca else {
            let why =
                "missing or unreadable: the file of the authority to trust, as ca = \"ca.pem\"";
            self.fault("broker.ca", why);
            return (Some(address), None);
        };
        let own = match (&cert, &key) {
            (Some(cert), Some(key)) => Some((cert.as_slice(), key.as_slice())),
            (None, None) => None,
            _ => {
                self.fault("broker.cert", "cert and key belong together: name both or none");
                None
            }
        };
        match DeviceTls::new(&ca, own) {
            Ok(tls) => (Some(address), Some(tls)),
            Err(error) => {
                self.fault("broker", error);
                (Some(address), None)
            }
        }
    }

    fn password(&mut self) -> String {
        let plain = self.get::<String>("broker.password");
        let Some(file) = self.get::<PathBuf>("broker.password_file") else {
            return plain.unwrap_or_default();
        };
        if plain.is_some() {
            self.fault("broker.password", "name it here or in password_file, not both");
        }
        let file = self.beside(&file);
        fs::read_to_string(&file).map_or_else(
            |error| {
                self.fault("broker.password_file", format!("{}: {error}", file.display()));
                String::new()
            },
            |text| text.trim_end_matches(['\r', '\n']).to_owned(),
        )
    }

    fn pem(&mut self, key: &str) -> Option<Vec<u8>> {
        let file = self.get::<PathBuf>(key)?;
        let file = self.beside(&file);
        fs::read(&file)
            .inspect_err(|error| self.faults.push(format!("{key}: {}: {error}", file.display())))
            .ok()
    }

    /// A path as it is meant: relative to the file.
    pub fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Everything is read.
    ///
    /// # Errors
    /// [`Faults`]: all that was found, and the keys that nobody asked for.
    pub fn finish(mut self) -> Result<(), Faults> {
        for (name, value) in std::mem::take(&mut self.table) {
            match value {
                Value::Table(section) => {
                    for key in section.keys() {
                        self.fault(&format!("{name}.{key}"), "unknown key: remove it");
                    }
                }
                _ => self.fault(&name, "unknown key, or one of a section: remove it"),
            }
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Faults { file: self.path, faults: self.faults })
    }
}

/// Host and port of a broker's URL, and whether it is TLS; the usual ports where none is named.
fn read_url(url: &str) -> Option<(BrokerAddress, bool)> {
    let (scheme, rest) = url.split_once("://")?;
    let (is_tls, usual) = match scheme {
        "mqtt" => (false, 1_883),
        "mqtts" => (true, 8_883),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (rest, usual),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(v6) => v6.parse::<IpAddr>().ok()?.to_string(),
        None => host.to_owned(),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    (!host.is_empty() && host.chars().all(is_host))
        .then_some((BrokerAddress { host, port }, is_tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lane.toml");
        fs::write(&path, text).unwrap();
        let mut file = match ConfigFile::open(&path) {
            Ok(file) => file,
            Err(faults) => return faults.to_string(),
        };
        let common = file.common();
        match file.finish() {
            Ok(()) => {
                assert!(common.is_some(), "no fault, and nothing read");
                String::new()
            }
            Err(faults) => faults.to_string(),
        }
    }

    const GOOD: &str = "site = \"s\"\ndevice = \"n1\"\ndata = \"data\"\n\
                        [broker]\nurl = \"mqtt://127.0.0.1:1883\"\npassword = \"secret\"\n";

    #[test]
    fn a_short_file_is_enough() {
        assert_eq!(faults(GOOD), "");
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_places_and_without_values() {
        let told = faults(
            "site = \"Huang Shan\"\nclock = \"sun\"\nfan = 1\n[broker]\nurl = \"http://x\"\n\
             password = 77\nport = 1\n[settings]\nttl_ms = 5\n",
        );
        for place in [
            "site: ",
            "device: missing",
            "data: missing",
            "clock: ",
            "fan: unknown",
            "broker.url: ",
            "broker.password: ",
            "broker.port: unknown",
            "settings.ttl_ms: ",
        ] {
            assert!(told.contains(place), "{place} is not in {told}");
        }
        assert!(!told.contains("77"), "{told}");
    }

    #[test]
    fn what_is_no_toml_is_told_by_its_line() {
        assert!(faults("site = \"s\"\ndevice = = 1\n").contains("line 2"));
    }

    #[test]
    fn over_tls_somebody_has_to_be_trusted() {
        let told = faults(&GOOD.replace("mqtt://", "mqtts://"));
        assert!(told.contains("broker.ca"), "{told}");
        let told = faults(&format!("{GOOD}ca = \"nowhere.pem\"\n"));
        assert!(told.contains("nowhere.pem") && told.contains("mqtts://"), "{told}");
    }

    #[test]
    fn a_url_names_host_and_port() {
        let read = |url: &str| read_url(url).map(|(at, tls)| (at.host, at.port, tls));
        assert_eq!(read("mqtt://gates"), Some(("gates".into(), 1_883, false)));
        assert_eq!(read("mqtts://10.0.0.1:99/"), Some(("10.0.0.1".into(), 99, true)));
        assert_eq!(read("mqtts://[::1]:99"), Some(("::1".into(), 99, true)));
        for wrong in ["gates:1883", "http://gates", "mqtt://", "mqtt://a b", "mqtt://a:x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
