//! The configuration in force: taken as a whole or not at all, kept over restarts.
//!
//! Pure. It refuses a document with a key that is wrong, and says for each why; then nothing of it
//! is in force. The agent calls it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shanmen_protocols::device::{ConfigDown, DeviceSettings};

/// The document as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u64,
    config: Map<String, Value>,
}

/// What came of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in force; this is to be kept.
    Changed(String),
    /// It was in force already.
    Unchanged,
    /// Nothing of it is in force: for each key that is wrong, why.
    Refused(BTreeMap<String, String>),
}

/// The settings in force, and where they come from.
#[derive(Clone, Debug)]
pub struct Settings {
    in_force: DeviceSettings,
    version: Option<u64>,
}

impl Settings {
    /// The settings of the kept document, else `first`. A document that this version of the
    /// program does not understand any more is left: the control plane will send its own.
    pub fn new(first: DeviceSettings, kept: Option<&str>) -> Self {
        let kept = kept.and_then(|json| serde_json::from_str::<Document>(json).ok());
        let read =
            kept.and_then(|kept| Some((DeviceSettings::read(&kept.config).ok()?, kept.version)));
        match read {
            Some((in_force, version)) => Self { in_force, version: Some(version) },
            None => Self { in_force: first, version: None },
        }
    }

    /// The settings in force.
    pub fn in_force(&self) -> &DeviceSettings {
        &self.in_force
    }

    /// The version in force; none before the first.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// A document came.
    pub fn take(&mut self, down: &ConfigDown) -> Taken {
        if self.version == Some(down.version) {
            return Taken::Unchanged;
        }
        match DeviceSettings::read(&down.config) {
            Err(rejects) => Taken::Refused(rejects),
            Ok(settings) => {
                (self.in_force, self.version) = (settings, Some(down.version));
                let document = Document { version: down.version, config: down.config.clone() };
                Taken::Changed(serde_json::to_string(&document).unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shanmen_protocols::ids::Session;

    use super::*;

    fn down(version: u64, config: &Value) -> ConfigDown {
        let config = config.as_object().unwrap().clone();
        ConfigDown { session: Session::new("1").unwrap(), version, config }
    }

    #[test]
    fn a_document_is_in_force_as_a_whole_and_after_a_restart() {
        let mut settings = Settings::new(DeviceSettings::default(), None);
        let Taken::Changed(kept) = settings.take(&down(4, &json!({ "ttl_ms": 800, "x-a": 1 })))
        else {
            panic!("a good document")
        };
        let again = Settings::new(DeviceSettings::default(), Some(&kept));
        assert_eq!((again.in_force().ttl_ms, again.version()), (800, Some(4)));
        assert_eq!(settings.take(&down(4, &json!({ "ttl_ms": 900 }))), Taken::Unchanged);
        assert_eq!(settings.in_force().ttl_ms, 800);
    }

    #[test]
    fn nothing_of_a_document_with_a_fault_is_in_force() {
        let mut settings = Settings::new(DeviceSettings::default(), None);
        let faulty = down(5, &json!({ "ttl_ms": 800, "volume": 500 }));
        let Taken::Refused(rejects) = settings.take(&faulty) else { panic!("a faulty document") };
        assert_eq!(rejects.keys().collect::<Vec<_>>(), ["volume"]);
        assert_eq!((settings.in_force(), settings.version()), (&DeviceSettings::default(), None));
    }

    #[test]
    fn what_is_kept_and_not_understood_is_left() {
        for kept in ["", "{}", r#"{"version":1,"config":{"ttl_ms":1}}"#] {
            let settings = Settings::new(DeviceSettings::default(), Some(kept));
            assert_eq!(settings.version(), None, "{kept}");
        }
    }
}
