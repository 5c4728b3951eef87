//! From what a reader typed or sent to a credential, once.
//!
//! Owns what all readers have to put up with: blanks and control characters, a scanner's own
//! prefix, full-width letters of a Chinese input method, the same code twice in one line, and the
//! same code again a moment later. It refuses what is empty or longer than any ticket code. Pure;
//! every reader calls it.

use shanmen_protocols::{
    code::CODE_MAX_BYTES,
    device::{Credential, CredentialKind},
    ids::Direction,
};

use super::section::{ConfigError, Section};
use crate::hardware::Reading;

/// The shortest half of a doubled line: `1212` is a code, not `12` twice.
const HALF_MIN: usize = 8;

/// What a reader's texts are taken for: the same keys for every reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SieveSettings {
    /// How its codes are presented: `qr` (the default), `barcode`, `rfid`, `exchange_code`.
    pub credential: CredentialKind,
    /// Which way its holders want to go: `in` (the default) or `out`.
    pub direction: Direction,
    /// For how long the same code again is the same presentation, in milliseconds; 2,000 by
    /// default, 0 for never.
    pub repeat_ms: u64,
    /// Whether a line that is one code twice is that code.
    pub undouble: bool,
    /// What the scanner puts before each code: `]Q1`, say.
    pub strip_prefix: String,
}

impl Default for SieveSettings {
    fn default() -> Self {
        Self {
            credential: CredentialKind::Qr,
            direction: Direction::In,
            repeat_ms: 2_000,
            undouble: false,
            strip_prefix: String::new(),
        }
    }
}

impl SieveSettings {
    /// Its keys in a reader's section.
    pub(crate) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        let settings = Self {
            credential: section.or("credential", default.credential)?,
            direction: section.or("direction", default.direction)?,
            repeat_ms: section.within("repeat_ms", default.repeat_ms, 0..=60_000)?,
            undouble: section.or("undouble", default.undouble)?,
            strip_prefix: section.or("strip_prefix", default.strip_prefix)?,
        };
        if settings.credential == CredentialKind::Other {
            let kinds = "one of qr, barcode, rfid, id_card, face and exchange_code is wanted";
            return Err(section.wrong("credential", kinds));
        }
        Ok(settings)
    }
}

/// One reader's sieve.
pub struct Sieve {
    settings: SieveSettings,
    last: Option<(u64, String)>,
}

/// Never shows the last code.
impl std::fmt::Debug for Sieve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sieve").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Sieve {
    /// A sieve that has seen nothing.
    pub fn new(settings: SieveSettings) -> Self {
        Self { settings, last: None }
    }

    /// The presentation that `text`, read at `now_ms`, stands for; `None` for noise, and for a
    /// repetition of the last one.
    pub fn pass(&mut self, now_ms: u64, text: &str) -> Option<Reading> {
        let text: String = text.chars().map(half_width).filter(|c| !c.is_control()).collect();
        let text = text.trim();
        let text = text.strip_prefix(&self.settings.strip_prefix).unwrap_or(text).trim_start();
        let text = if self.settings.undouble { undoubled(text) } else { text };
        if text.is_empty() || CODE_MAX_BYTES < text.len() {
            return None;
        }
        let repeated = self.last.as_ref().is_some_and(|(at_ms, last)| {
            last == text && now_ms < at_ms.saturating_add(self.settings.repeat_ms)
        });
        // A code held before the scanner goes on being the same presentation.
        self.last = Some((now_ms, text.to_owned()));
        (!repeated).then(|| Reading {
            credential: Credential { kind: self.settings.credential, data: text.to_owned() },
            direction: self.settings.direction,
            confirm: None,
            watcher: None,
        })
    }
}

/// A full-width letter, digit or sign as its plain one.
fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

fn undoubled(text: &str) -> &str {
    match text.split_at_checked(text.len() / 2) {
        Some((first, second)) if first == second && HALF_MIN <= first.len() => first,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(settings: SieveSettings, texts: &[(u64, &str)]) -> Vec<String> {
        let mut sieve = Sieve::new(settings);
        let passed = texts.iter().filter_map(|(at_ms, text)| sieve.pass(*at_ms, text));
        passed.map(|reading| reading.credential.data).collect()
    }

    #[test]
    fn a_code_held_before_the_scanner_is_one_presentation() {
        let texts = [(0, "T-1"), (1_500, "T-1"), (3_000, "T-1"), (5_000, "T-1"), (5_001, "T-2")];
        assert_eq!(passed(SieveSettings::default(), &texts), ["T-1", "T-1", "T-2"]);
        let never = SieveSettings { repeat_ms: 0, ..SieveSettings::default() };
        assert_eq!(passed(never, &texts).len(), 5);
    }

    #[test]
    fn noise_and_a_text_too_long_are_no_presentation() {
        let long = "7".repeat(CODE_MAX_BYTES + 1);
        let texts = [(0, ""), (1, " \t\r\n"), (2, "\0\0"), (3, long.as_str()), (4, " T\0-1 ")];
        assert_eq!(passed(SieveSettings::default(), &texts), ["T-1"]);
    }

    #[test]
    fn full_width_letters_of_an_input_method_are_plain_ones() {
        assert_eq!(passed(SieveSettings::default(), &[(0, "ＳＭ１－ａ　")]), ["SM1-a"]);
    }

    #[test]
    fn a_doubled_line_is_one_code_where_the_scanner_is_known_for_it() {
        let settings = SieveSettings { undouble: true, ..SieveSettings::default() };
        let texts = [(0, "ABCD1234ABCD1234"), (1, "12341234"), (2, "ABCD1234ABCD1235")];
        let texts_read = passed(settings, &texts);
        assert_eq!(texts_read, ["ABCD1234", "12341234", "ABCD1234ABCD1235"]);
        assert_eq!(passed(SieveSettings::default(), &texts[..1]), ["ABCD1234ABCD1234"]);
    }

    #[test]
    fn a_scanner_s_own_prefix_is_taken_off() {
        let settings = SieveSettings { strip_prefix: "]Q1".into(), ..SieveSettings::default() };
        assert_eq!(passed(settings, &[(0, "]Q1T-1"), (1, "T-2")]), ["T-1", "T-2"]);
    }

    #[test]
    fn no_code_is_ever_shown() {
        let mut sieve = Sieve::new(SieveSettings::default());
        let reading = sieve.pass(0, "SECRET-77").unwrap();
        assert!(!format!("{sieve:?} {reading:?}").contains("SECRET"));
    }
}
