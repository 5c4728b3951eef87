//! MQTT topics: the only place where one is written or taken apart.
//!
//! `sm/1/{site}/{device}/up/{suffix}` from a device, `sm/1/{site}/{device}/down` and
//! `sm/1/{site}/_all/down` to it. The device's identity is its topic, never its payload.

use crate::ids::{DeviceId, SiteId, is_name};

/// The topic level of the contract's major version.
pub const PREFIX: &str = "sm/1";

/// The pseudo device that stands for every device of a site.
pub const ALL: &str = "_all";

/// The largest payload either way, in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 32 * 1024;

/// What an uplink is about, by the last level of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpKind {
    /// `up/state`: online or not, retained; also the will.
    State,
    /// `up/hello`: the handshake.
    Hello,
    /// `up/scan`: a presentation.
    Scan,
    /// `up/event`: a durable fact, live.
    Event,
    /// `up/log`: durable facts in batches, after an outage.
    Log,
    /// `up/request`: a question.
    Request,
    /// `up/ack`: the answer to a command.
    Ack,
    /// `up/config`: the configuration in force.
    Config,
    /// `up/telemetry`: health and counters.
    Telemetry,
}

impl UpKind {
    /// All kinds.
    pub const ALL: &[UpKind] = &[
        Self::State,
        Self::Hello,
        Self::Scan,
        Self::Event,
        Self::Log,
        Self::Request,
        Self::Ack,
        Self::Config,
        Self::Telemetry,
    ];

    /// The topic suffix after `up/`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Hello => "hello",
            Self::Scan => "scan",
            Self::Event => "event",
            Self::Log => "log",
            Self::Request => "request",
            Self::Ack => "ack",
            Self::Config => "config",
            Self::Telemetry => "telemetry",
        }
    }

    fn from_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == suffix)
    }
}

/// An uplink's topic, taken apart without copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uplink<'a> {
    /// The site level.
    pub site: &'a str,
    /// The device level: the sender's identity.
    pub device: &'a str,
    /// What it is about.
    pub kind: UpKind,
}

/// Why a topic is not an uplink of this contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnUplink {
    /// Not below `sm/1/`, or with too few or too many levels.
    #[error("not a topic of this contract: expected sm/1/{{site}}/{{device}}/up/{{suffix}}")]
    Foreign,
    /// The site or device level is not an id.
    #[error("the site or device level is not an id ([a-z0-9-], 1 to 32)")]
    BadId,
    /// A suffix that this version does not know; it is ignored, and counted.
    #[error("unknown suffix")]
    UnknownSuffix,
}

/// Takes an uplink's topic apart.
///
/// # Errors
/// [`NotAnUplink`] says which part is wrong.
pub fn parse_uplink(topic: &str) -> Result<Uplink<'_>, NotAnUplink> {
    let rest = topic
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or(NotAnUplink::Foreign)?;
    let mut levels = rest.split('/');
    let (Some(site), Some(device), Some("up"), Some(suffix), None) =
        (levels.next(), levels.next(), levels.next(), levels.next(), levels.next())
    else {
        return Err(NotAnUplink::Foreign);
    };
    if !is_name(site) || !is_name(device) {
        return Err(NotAnUplink::BadId);
    }
    let kind = UpKind::from_suffix(suffix).ok_or(NotAnUplink::UnknownSuffix)?;
    Ok(Uplink { site, device, kind })
}

/// A device's base: `sm/1/{site}/{device}`.
pub fn base(site: &SiteId, device: &DeviceId) -> String {
    format!("{PREFIX}/{site}/{device}")
}

/// The topic of an uplink of a device.
pub fn up(site: &SiteId, device: &DeviceId, kind: UpKind) -> String {
    format!("{PREFIX}/{site}/{device}/up/{}", kind.as_str())
}

/// The topic of a device's downlinks.
pub fn down(site: &SiteId, device: &DeviceId) -> String {
    format!("{PREFIX}/{site}/{device}/down")
}

/// The topic of downlinks to every device of a site.
pub fn all_down(site: &SiteId) -> String {
    format!("{PREFIX}/{site}/{ALL}/down")
}

/// The filter with which the control plane takes the uplinks of a site from an outside broker.
pub fn uplinks_of_site(site: &SiteId) -> String {
    format!("{PREFIX}/{site}/+/up/+")
}

/// The topics on which the control plane speaks at an outside broker, as a filter.
pub fn downlinks_of_site(site: &SiteId) -> String {
    format!("{PREFIX}/{site}/+/down")
}

/// What a device may do at an outside broker, for that broker's own access list: publish below the
/// first, hear the second and the third. `device` is what stands for its name there, as `%u`.
pub fn access(site: &SiteId, device: &str) -> [String; 3] {
    let base = format!("{PREFIX}/{site}/{device}");
    [format!("{base}/up/#"), format!("{base}/down"), all_down(site)]
}

/// Whether a device may publish to `topic`: only below its own `{base}/up/`, without wildcards.
pub fn device_may_publish(site: &str, device: &str, topic: &str) -> bool {
    below_base(site, device, topic)
        .and_then(|rest| rest.strip_prefix("up/"))
        .is_some_and(|suffix| !suffix.is_empty() && !suffix.contains(['+', '#']))
}

/// Whether a device may subscribe to `filter`: its own `{base}/down` or its site's `_all/down`.
pub fn device_may_subscribe(site: &str, device: &str, filter: &str) -> bool {
    below_base(site, device, filter) == Some("down")
        || below_base(site, ALL, filter) == Some("down")
}

fn below_base<'a>(site: &str, device: &str, topic: &'a str) -> Option<&'a str> {
    topic
        .strip_prefix(PREFIX)?
        .strip_prefix('/')?
        .strip_prefix(site)?
        .strip_prefix('/')?
        .strip_prefix(device)?
        .strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uplink_names_its_sender_by_its_topic() {
        let uplink = parse_uplink("sm/1/huangshan/n1/up/scan").unwrap();
        assert_eq!(uplink, Uplink { site: "huangshan", device: "n1", kind: UpKind::Scan });
    }

    #[test]
    fn what_is_not_an_uplink_is_told_apart() {
        for topic in ["", "sm/1", "sm/2/h/n1/up/scan", "sm/1/h/n1/scan", "sm/1/h/n1/up/scan/x"] {
            assert_eq!(parse_uplink(topic), Err(NotAnUplink::Foreign), "{topic}");
        }
        assert_eq!(parse_uplink("sm/1/h/N1/up/scan"), Err(NotAnUplink::BadId));
        assert_eq!(parse_uplink("sm/1/h/_all/up/scan"), Err(NotAnUplink::BadId));
        assert_eq!(parse_uplink("sm/1/h/n1/up/dance"), Err(NotAnUplink::UnknownSuffix));
    }

    #[test]
    fn a_device_keeps_to_its_own_topics() {
        assert!(device_may_publish("h", "n1", "sm/1/h/n1/up/scan"));
        assert!(device_may_publish("h", "n1", "sm/1/h/n1/up/x-vendor"));
        for topic in ["sm/1/h/n1/down", "sm/1/h/n2/up/scan", "sm/1/h/n1/up/#", "sm/1/h/n1/up/", "x"]
        {
            assert!(!device_may_publish("h", "n1", topic), "{topic}");
        }
        assert!(device_may_subscribe("h", "n1", "sm/1/h/n1/down"));
        assert!(device_may_subscribe("h", "n1", "sm/1/h/_all/down"));
        for filter in ["#", "sm/1/h/+/down", "sm/1/h/n2/down", "sm/1/h/n1/#", "sm/1/h/n1/up/scan"] {
            assert!(!device_may_subscribe("h", "n1", filter), "{filter}");
        }
    }

    #[test]
    fn every_suffix_reads_back() {
        let (site, device) = (SiteId::new("h").unwrap(), DeviceId::new("n1").unwrap());
        for &kind in UpKind::ALL {
            assert_eq!(parse_uplink(&up(&site, &device, kind)).map(|u| u.kind), Ok(kind));
        }
    }
}
