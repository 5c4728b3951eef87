//! The keys of a device's configuration that the contract knows. All are optional: a key left out
//! has its default. Vendor keys begin `x-`; another unknown key is refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::reason::Lang;

/// What a lane decides without the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfflineMode {
    /// Nothing: everybody is refused, `busy`.
    #[default]
    Deny,
    /// Tickets of its list, by the rules.
    List,
    /// Tickets of its list, and signed codes that are not on it.
    Signed,
    /// Whoever presents something readable that is not on the deny list.
    Open,
}

/// What a turnstile does offline, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OfflineSettings {
    /// What it decides.
    pub policy: OfflineMode,
    /// The age up to which its lists may be used, in seconds; a day by default.
    pub max_age_s: u32,
    /// How many it admits in one outage; 10,000 by default.
    pub max_count: u32,
}

impl Default for OfflineSettings {
    fn default() -> Self {
        Self { policy: OfflineMode::Deny, max_age_s: 86_400, max_count: 10_000 }
    }
}

/// A device's configuration, read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("patternProperties" = { "^x-": {} }))]
pub struct DeviceSettings {
    /// How long a decision may take, 200 to 10,000 ms.
    #[schemars(range(min = 200, max = 10_000))]
    pub ttl_ms: u32,
    /// What is decided without the control plane.
    pub offline: OfflineSettings,
    /// The language of the device's own lines.
    pub lang: Lang,
    /// How loud it speaks, 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub volume: u8,
    /// How closely behind a passage another one is tailgating, 0 to 10,000 ms.
    #[schemars(range(min = 0, max = 10_000))]
    pub tailgate_ms: u32,
    /// How long somebody may stand in the lane, 1,000 to 600,000 ms.
    #[schemars(range(min = 1_000, max = 600_000))]
    pub loiter_ms: u32,
    /// How often the device shows that it lives, 1 to 3,600 s; none for what the hello says.
    #[schemars(range(min = 1, max = 3_600))]
    pub heartbeat_s: Option<u32>,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self {
            ttl_ms: super::TTL_DEFAULT_MS,
            offline: OfflineSettings::default(),
            lang: Lang::Zh,
            volume: 70,
            tailgate_ms: 1_500,
            loiter_ms: 20_000,
            heartbeat_s: None,
        }
    }
}

impl DeviceSettings {
    /// Reads a configuration, each key by itself.
    ///
    /// # Errors
    /// For each key that is refused, why: nothing of the document may be applied.
    pub fn read(
        config: &Map<String, Value>,
    ) -> Result<Self, std::collections::BTreeMap<String, String>> {
        let mut rejects = std::collections::BTreeMap::new();
        for (key, value) in config.iter().filter(|(key, _)| !key.starts_with("x-")) {
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            let read = serde_json::from_value::<Self>(Value::Object(alone))
                .map_err(|error| crate::privacy::without_values(&error.to_string()))
                .and_then(|settings| settings.check(key));
            if let Err(why) = read {
                rejects.insert(key.clone(), why);
            }
        }
        if !rejects.is_empty() {
            return Err(rejects);
        }
        let known = config.iter().filter(|(key, _)| !key.starts_with("x-"));
        let known: Map<_, _> = known.map(|(key, value)| (key.clone(), value.clone())).collect();
        serde_json::from_value(Value::Object(known))
            .map_err(|error| [(String::new(), error.to_string())].into())
    }

    fn check(&self, key: &str) -> Result<(), String> {
        let within = |value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("{value} is not within {least} and {most}"))
            }
        };
        match key {
            "ttl_ms" => within(self.ttl_ms, 200, 10_000),
            "volume" => within(self.volume.into(), 0, 100),
            "tailgate_ms" => within(self.tailgate_ms, 0, 10_000),
            "loiter_ms" => within(self.loiter_ms, 1_000, 600_000),
            "heartbeat_s" => self.heartbeat_s.map_or(Ok(()), |s| within(s, 1, 3_600)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(config: &Value) -> Result<DeviceSettings, std::collections::BTreeMap<String, String>> {
        DeviceSettings::read(config.as_object().unwrap())
    }

    #[test]
    fn what_is_left_out_has_its_default_and_vendor_keys_pass() {
        let settings = read(&json!({ "ttl_ms": 800, "x-fan": true })).unwrap();
        assert_eq!(settings, DeviceSettings { ttl_ms: 800, ..DeviceSettings::default() });
    }

    #[test]
    fn every_key_that_is_wrong_is_named_with_its_reason() {
        let rejects =
            read(&json!({ "ttl_ms": 5, "volume": "loud", "fan": 1, "lang": "en" })).unwrap_err();
        assert_eq!(rejects.keys().collect::<Vec<_>>(), ["fan", "ttl_ms", "volume"]);
        assert_eq!(rejects["ttl_ms"], "5 is not within 200 and 10000");
        assert!(!rejects["volume"].contains("loud"), "{}", rejects["volume"]);
    }
}
