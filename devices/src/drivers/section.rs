//! One section of a device's configuration, read key by key.
//!
//! Owns the table, and the list of the keys that were asked for: what is left over in the end is an
//! unknown key, and is refused with the ones that are known. Every driver reads its section so.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What is wrong with a configuration, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct ConfigError {
    /// The section or key: `hardware.scanner.baud`.
    pub at: String,
    /// Why it cannot be taken, and what would be.
    pub why: String,
}

/// A section that is being read.
#[derive(Debug)]
pub struct Section {
    at: String,
    table: Table,
    asked: Vec<&'static str>,
}

impl Section {
    /// The section at `at`.
    ///
    /// # Errors
    /// When `value` is no table.
    pub fn new(at: String, value: &Value) -> Result<Self, ConfigError> {
        match value {
            Value::Table(table) => Ok(Self { at, table: table.clone(), asked: Vec::new() }),
            other => Err(ConfigError {
                why: format!("a section [{at}] is wanted, not a {}", other.type_str()),
                at,
            }),
        }
    }

    /// Where it stands.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// A key that may be left out.
    ///
    /// # Errors
    /// When its value is of another kind.
    pub fn get<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        self.asked.push(key);
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        value
            .try_into()
            .map(Some)
            .map_err(|error: toml::de::Error| self.wrong(key, error.message()))
    }

    /// A key with a default.
    ///
    /// # Errors
    /// As [`Section::get`].
    pub fn or<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        default: T,
    ) -> Result<T, ConfigError> {
        Ok(self.get(key)?.unwrap_or(default))
    }

    /// A key that has to be there.
    ///
    /// # Errors
    /// As [`Section::get`], and when it is missing: `example` says what it looks like.
    pub fn need<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Result<T, ConfigError> {
        self.get(key)?.ok_or_else(|| ConfigError {
            at: self.at.clone(),
            why: format!("`{key}` is missing: add {key} = {example}"),
        })
    }

    /// A number with a default and bounds.
    ///
    /// # Errors
    /// As [`Section::get`], and when it lies outside.
    pub fn within(
        &mut self,
        key: &'static str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let number = self.or(key, default)?;
        if bounds.contains(&number) {
            return Ok(number);
        }
        let (least, most) = bounds.into_inner();
        Err(self.wrong(key, &format!("{number} is not within {least} and {most}")))
    }

    /// A key whose value cannot be taken.
    pub fn wrong(&self, key: &str, why: &str) -> ConfigError {
        ConfigError { at: format!("{}.{key}", self.at), why: why.to_owned() }
    }

    /// All keys are read.
    ///
    /// # Errors
    /// When there is one that nobody asked for.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Some(key) = self.table.keys().next() else { return Ok(()) };
        let mut known = self.asked;
        known.sort_unstable();
        known.dedup();
        Err(ConfigError {
            why: format!("unknown key `{key}`: remove it, or use one of {}", known.join(", ")),
            at: self.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Section {
        Section::new("hardware.scanner".into(), &Value::Table(text.parse().unwrap())).unwrap()
    }

    #[test]
    fn each_fault_is_told_with_its_place_and_what_would_be_right() {
        let mut read = section("baud = \"fast\"\nbauds = 1\ngap_ms = 9");
        let error = read.or("baud", 9_600_u32).unwrap_err().to_string();
        assert!(error.starts_with("hardware.scanner.baud: "), "{error}");
        let error = read.within("gap_ms", 100, 10..=1_000).unwrap_err().to_string();
        assert_eq!(error, "hardware.scanner.gap_ms: 9 is not within 10 and 1000");
        let error = read.need::<String>("port", "\"/dev/ttyS1\"").unwrap_err().to_string();
        assert_eq!(error, "hardware.scanner: `port` is missing: add port = \"/dev/ttyS1\"");
        let error = read.finish().unwrap_err().to_string();
        let why = "unknown key `bauds`: remove it, or use one of baud, gap_ms, port";
        assert_eq!(error, format!("hardware.scanner: {why}"));
    }
}
