//! Moments in HTTP bodies: RFC 3339 with the site's own offset. On MQTT and on the feed they are
//! plain milliseconds; here people and foreign systems read them.

use jiff::{Timestamp, tz::TimeZone};
use shanmen_protocols::time::UnixMs;

/// Writes moments as the site's clock shows them.
#[derive(Clone, Debug)]
pub(super) struct Times(TimeZone);

impl Times {
    /// Of an IANA time zone; UTC where the name is none.
    pub(super) fn of(zone: &str) -> Self {
        Self(TimeZone::get(zone).unwrap_or(TimeZone::UTC))
    }

    /// A moment, as `2026-10-01T09:00:00.250+08:00`.
    pub(super) fn text(&self, at: UnixMs) -> String {
        let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
        at.display_with_offset(self.0.to_offset(at)).to_string()
    }

    /// A moment that may be missing.
    pub(super) fn maybe(&self, at: Option<UnixMs>) -> Option<String> {
        at.map(|at| self.text(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_the_sites_offset() {
        let at = UnixMs(1_790_816_400_250);
        assert_eq!(Times::of("Asia/Shanghai").text(at), "2026-10-01T09:00:00.25+08:00");
        assert_eq!(Times::of("nowhere").text(UnixMs(0)), "1970-01-01T00:00:00+00:00");
    }
}
