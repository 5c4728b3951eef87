//! Moments on the wire. This file has no clock: time is always an argument.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// On the wire it is a plain JSON number, as in `at` and `server_time`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The moment `ms` milliseconds later (earlier when negative); saturates at the ends.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this moment; negative when `earlier` is later.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a device says of its wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// Disciplined by NTP or the like.
    Synced,
    /// Running freely; may be off.
    Free,
    /// Not set, or a value that this version does not know.
    #[default]
    #[serde(other)]
    None,
}

/// The time block that every uplink but the will carries.
///
/// Each field is optional on input, since a device with a broken clock must still open its lane;
/// a block that cannot be anchored is flagged by the server, never guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeBlock {
    /// The device's wall clock, or null when it has none.
    #[serde(default, deserialize_with = "lenient")]
    pub at: Option<UnixMs>,
    /// Milliseconds since the device booted; monotonic within one `boot`.
    #[serde(default, deserialize_with = "lenient")]
    pub up_ms: Option<u64>,
    /// A number that changes at each boot.
    #[serde(default, deserialize_with = "lenient")]
    pub boot: Option<u64>,
    /// How far `at` can be trusted.
    #[serde(default, deserialize_with = "lenient")]
    pub clock: ClockState,
}

/// Reads what can be read, and anything else as nothing: for fields without which a lane must open
/// all the same.
pub(crate) fn lenient<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read<T> {
        Good(T),
        Bad(IgnoredAny),
    }
    Ok(match Read::deserialize(from)? {
        Read::Good(value) => value,
        Read::Bad(IgnoredAny) => T::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_block_that_makes_no_sense_is_none() {
        let block: TimeBlock =
            serde_json::from_str(r#"{"at":"noon","up_ms":-5,"boot":1.5,"clock":null}"#).unwrap();
        assert_eq!(block, TimeBlock::default());
    }
}
