//! What a scanner types and a reader reads, cleaned and checked before anything is looked up.
//!
//! Pure functions; they keep nothing and never print what they read. A signed ticket code is told
//! apart before (`shanmen_protocols::code`): it is verified, never looked up. Called at the edge of the
//! server, of an offline gate and of the scenario checker.

use std::borrow::Cow;

pub use shanmen_protocols::device::CredentialKind;
use shanmen_protocols::reason::Reason;

/// The longest credential in bytes, after cleaning.
pub const CREDENTIAL_MAX_BYTES: usize = 4_096;

/// A credential that may be looked up. Its `Debug` never shows the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParsedCredential<'a> {
    /// What it is.
    pub kind: CredentialKind,
    /// Its text in the one form that is looked up.
    text: &'a str,
    upper: [u8; ID_LENGTH],
}

impl std::fmt::Debug for ParsedCredential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ParsedCredential({}, {} bytes)", self.kind.as_str(), self.text.len())
    }
}

impl ParsedCredential<'_> {
    /// The text in the one form that is looked up: an ID number's check letter is `X`.
    pub fn text(&self) -> &str {
        if self.kind == CredentialKind::IdCard {
            std::str::from_utf8(&self.upper).unwrap_or(self.text)
        } else {
            self.text
        }
    }
}

/// What a scanner typed, cleaned: control characters (CR, LF, tab …) and spaces at the ends, byte
/// order marks, AIM symbology and ECI prefixes (`]Q2\000026`), and output that was typed twice.
/// Borrowed when a part of the input is the answer, which is always so today.
pub fn clean(raw: &str) -> Cow<'_, str> {
    let mut text = trim(raw);
    loop {
        let shorter = trim(without_prefix(text));
        if shorter.len() == text.len() {
            break;
        }
        text = shorter;
    }
    if let Some(once) = half(text) {
        text = once;
    }
    Cow::Borrowed(text)
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

/// Without an AIM symbology identifier (`]Q2`, ISO/IEC 15424) or an ECI designator (`\000026`).
fn without_prefix(text: &str) -> &str {
    let bytes = text.as_bytes();
    match bytes {
        [b'\\', digits @ ..] if digits.len() > 6 && digits[..6].iter().all(u8::is_ascii_digit) => {
            &text[7..]
        }
        [b']', letter, digit, _, ..]
            if letter.is_ascii_alphabetic() && digit.is_ascii_alphanumeric() =>
        {
            &text[3..]
        }
        _ => text,
    }
}

/// The first copy of a text that a scanner typed twice, with or without a line break between.
/// Short texts may repeat by nature (`11`, `ABAB`), so only eight characters and more count.
fn half(text: &str) -> Option<&str> {
    const SHORTEST: usize = 8;
    let middle = text.len() / 2;
    if let Some((first, rest)) = text.split_once(['\r', '\n']) {
        let (first, rest) = (trim(first), trim(without_prefix(trim(rest))));
        return (first == rest && !first.is_empty()).then_some(first);
    }
    if !text.len().is_multiple_of(2) || middle < SHORTEST || !text.is_char_boundary(middle) {
        return None;
    }
    let (first, second) = text.split_at(middle);
    (first == second).then_some(first)
}

/// Cleans nothing, checks everything: call [`clean`] first for what a scanner typed.
///
/// # Errors
/// [`Reason::Unreadable`] when the text is empty, too long or holds control characters, or when an
/// ID number is none: it is never looked up then.
pub fn parse(kind: CredentialKind, text: &str) -> Result<ParsedCredential<'_>, Reason> {
    let readable = !text.is_empty()
        && text.len() <= CREDENTIAL_MAX_BYTES
        && !text.chars().any(char::is_control);
    if !readable {
        return Err(Reason::Unreadable);
    }
    let mut upper = [0; ID_LENGTH];
    if kind == CredentialKind::IdCard {
        if !is_id_number(text) {
            return Err(Reason::Unreadable);
        }
        upper.copy_from_slice(text.as_bytes());
        upper.make_ascii_uppercase();
    }
    Ok(ParsedCredential { kind, text, upper })
}

const ID_LENGTH: usize = 18;

/// Whether `text` is written like a resident's ID number: 17 digits and a digit or X.
pub fn looks_like_id_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == ID_LENGTH
        && bytes[..17].iter().all(u8::is_ascii_digit)
        && (bytes[17].is_ascii_digit() || bytes[17].eq_ignore_ascii_case(&b'X'))
}

/// Whether `text` is a resident's ID number: 17 digits, a plausible birth date, and the check
/// character of GB 11643-1999 (ISO 7064 MOD 11-2).
pub fn is_id_number(text: &str) -> bool {
    if !looks_like_id_number(text) {
        return false;
    }
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().fold(0_u32, |sum, b| sum * 10 + u32::from(b - b'0'))
    };
    let (year, month, day) = (number(6..10), number(10..12), number(12..14));
    (1850..=2149).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && bytes[17].eq_ignore_ascii_case(&id_check(&bytes[..17]))
}

/// The check character of GB 11643 for 17 digits.
fn id_check(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
    CHECKS[sum as usize % 11]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scanner_adds_is_taken_off() {
        for raw in [
            "ABC-12345",
            "ABC-12345\r\n",
            "  ABC-12345 \t",
            "\u{feff}ABC-12345",
            "\\000026ABC-12345",
            "]Q2\\000026ABC-12345\r",
            "ABC-12345ABC-12345",
            "ABC-12345\r\nABC-12345\r\n",
            "\\000026ABC-12345\r\n\\000026ABC-12345\r\n",
        ] {
            assert_eq!(clean(raw), "ABC-12345", "{raw:?}");
        }
    }

    #[test]
    fn what_belongs_to_the_code_stays() {
        for raw in ["1111", "ABABAB", "A B", "\\00002", "]Q2", "票票"] {
            assert_eq!(clean(raw), raw);
        }
        assert_eq!(clean("\r\n"), "");
    }

    #[test]
    fn an_id_number_is_checked_before_it_is_looked_up() {
        // The example number of GB 11643-1999.
        let id = parse(CredentialKind::IdCard, "11010519491231002x").unwrap();
        assert_eq!(id.text(), "11010519491231002X");
        for wrong in ["110105194912310021", "11010519491331002X", "11010519491231002", ""] {
            assert_eq!(parse(CredentialKind::IdCard, wrong), Err(Reason::Unreadable), "{wrong}");
        }
    }

    #[test]
    fn other_credentials_are_opaque() {
        assert_eq!(parse(CredentialKind::Rfid, "04a1").unwrap().text(), "04a1");
        assert_eq!(parse(CredentialKind::Qr, "a\u{7}b"), Err(Reason::Unreadable));
        let long = "A".repeat(CREDENTIAL_MAX_BYTES + 1);
        assert_eq!(parse(CredentialKind::Qr, &long), Err(Reason::Unreadable));
    }
}
