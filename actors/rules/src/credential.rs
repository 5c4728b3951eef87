//! What a scanner types and a reader reads, cleaned and checked before anything is looked up.
//!
//! Pure functions; they keep nothing and never print what they read. A signed ticket code is told
//! apart before (`shanmen_protocols::code`): it is verified, never looked up. Called at the edge of the
//! server, of an offline gate and of the scenario checker, when a ticket is issued and when it is
//! shown: [`clean`], then [`parse`], then the digest of [`ParsedCredential::text`].
//!
//! | kind | the one form that is looked up |
//! | --- | --- |
//! | `qr`, `barcode`, `exchange_code`, `face` | as it is: opaque, another case is another code |
//! | `rfid` | hex pairs in upper case without separators; any other text as it is |
//! | `id_card` | letters and digits in upper case; a resident's number only with its check digit |

use std::borrow::Cow;

use shanmen_protocols::code;
pub use shanmen_protocols::device::CredentialKind;
use shanmen_protocols::reason::Reason;

/// The longest credential in bytes, after cleaning.
pub const CREDENTIAL_MAX_BYTES: usize = 4_096;

/// The fewest letters and digits of an identity document's number.
const DOCUMENT_MIN_BYTES: usize = 5;

/// The most of a document's number, and the hex digits of the longest card UID: ten bytes
/// (ISO/IEC 14443-3, triple size).
const SHORT_MAX_BYTES: usize = 20;

/// A signed code in lower case is taken for one from this length on; ours have about 300 bytes.
const SIGNED_MIN_BYTES: usize = 61;

/// A credential that may be looked up. Its `Debug` never shows the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParsedCredential<'a> {
    /// What it is.
    pub kind: CredentialKind,
    written: Written<'a>,
}

impl std::fmt::Debug for ParsedCredential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ParsedCredential({}, {} bytes)", self.kind.as_str(), self.text().len())
    }
}

impl ParsedCredential<'_> {
    /// The text in the one form that is looked up.
    pub fn text(&self) -> &str {
        match &self.written {
            Written::AsShown(text) => text,
            Written::Short(short) => short.text(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written<'a> {
    AsShown(&'a str),
    Short(Short),
}

/// A short ASCII text that was written anew, without the heap.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Short {
    bytes: [u8; SHORT_MAX_BYTES],
    length: usize,
}

impl Short {
    /// Adds a letter or digit in upper case; `None` when there is no room.
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = byte.to_ascii_uppercase();
        self.length += 1;
        Some(())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// What a scanner typed, cleaned of what is not the code's own:
///
/// - control characters (CR, LF, tab …) and spaces at the ends;
/// - AIM symbology identifiers (`]Q2`, ISO/IEC 15424) and ECI designators (`\000026`);
/// - output that was typed twice, with or without a line break;
/// - what a keyboard-wedge scanner types into a Chinese host: full-width letters, digits and
///   punctuation, the ideographic space;
/// - zero-width characters and byte order marks;
/// - the lower case of a signed code, which is Base32 and so has only one case.
///
/// Cleaning twice changes nothing more. Borrowed, without allocation, when a part of the input is
/// the answer, which is so for every ASCII input but a lower-case signed code.
pub fn clean(raw: &str) -> Cow<'_, str> {
    let text = match in_ascii(raw) {
        Cow::Borrowed(text) => Cow::Borrowed(once(text)),
        Cow::Owned(text) => Cow::Owned(once(&text).to_owned()),
    };
    if is_signed_in_lower_case(&text) { Cow::Owned(text.to_ascii_uppercase()) } else { text }
}

/// Without what the keyboard of a Chinese host makes of ASCII, and without invisible characters.
fn in_ascii(raw: &str) -> Cow<'_, str> {
    if raw.chars().all(|c| ascii_of(c) == Some(c)) {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(raw.chars().filter_map(ascii_of).collect())
    }
}

/// The key that was meant; none for what nobody sees, any other character as it is.
fn ascii_of(c: char) -> Option<char> {
    /// From a full-width form to its ASCII character (Unicode, Halfwidth and Fullwidth Forms).
    const TO_ASCII: u32 = 0xFF01 - 0x21;
    match c {
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => None,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - TO_ASCII),
        '\u{3000}' => Some(' '),
        // These have no full-width form: what a pinyin keyboard types for `.`, `\\`, `[` and `]`.
        '。' => Some('.'),
        '、' => Some('\\'),
        '【' => Some('['),
        '】' => Some(']'),
        _ => Some(c),
    }
}

/// The text once, without what stands around it.
fn once(text: &str) -> &str {
    let mut text = trim(text);
    loop {
        let shorter = trim(without_prefix(half(one_line(text))));
        if shorter.len() == text.len() {
            return text;
        }
        text = shorter;
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

/// Without an AIM symbology identifier or an ECI designator.
fn without_prefix(text: &str) -> &str {
    match text.as_bytes() {
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

/// The first line, when all lines are the same.
fn one_line(text: &str) -> &str {
    let mut lines = text.split(['\r', '\n']).map(trim).filter(|line| !line.is_empty());
    match lines.next() {
        Some(first) if lines.all(|line| line == first) => first,
        _ => text,
    }
}

/// The first copy of a text that was typed twice without a break. Short texts may repeat by nature
/// (`11`, `ABAB`), so only eight bytes and more count.
fn half(text: &str) -> &str {
    const SHORTEST: usize = 8;
    match text.split_at_checked(text.len() / 2) {
        Some((first, second)) if first == second && first.len() >= SHORTEST => first,
        _ => text,
    }
}

/// Whether this is a signed code that a phone or a pressed caps lock has put into lower case.
fn is_signed_in_lower_case(text: &str) -> bool {
    text.len() >= SIGNED_MIN_BYTES
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.as_bytes()[..code::PREFIX.len()].eq_ignore_ascii_case(code::PREFIX.as_bytes())
}

/// The half of a text that a scanner typed twice without a break, however short: `ABAB` may be a
/// code of its own, so it is looked up first as it is.
pub fn doubled(text: &str) -> Option<&str> {
    let (first, second) = text.split_at_checked(text.len() / 2)?;
    (!first.is_empty() && first == second).then_some(first)
}

/// Cleans nothing, checks everything: call [`clean`] first for what a scanner typed.
///
/// # Errors
/// [`Reason::Unreadable`] when the text is empty, too long or holds control characters, or when it
/// is no number of an identity document: it is never looked up then.
pub fn parse(kind: CredentialKind, text: &str) -> Result<ParsedCredential<'_>, Reason> {
    let readable = !text.is_empty()
        && text.len() <= CREDENTIAL_MAX_BYTES
        && !text.chars().any(char::is_control);
    if !readable {
        return Err(Reason::Unreadable);
    }
    let written = match kind {
        CredentialKind::IdCard => Written::Short(document(text).ok_or(Reason::Unreadable)?),
        CredentialKind::Rfid => uid(text).map_or(Written::AsShown(text), Written::Short),
        _ => Written::AsShown(text),
    };
    Ok(ParsedCredential { kind, written })
}

/// The number of an identity document: 5 to 20 letters and digits, in upper case, without the
/// spaces, hyphens and `<` (the filler of ICAO Doc 9303) between them.
///
/// More than 15 digits are a resident's number or a foreigner's of 2023 (which begins with 9),
/// and must be a right one: a digit lost or read wrongly is a misreading, not an unknown ticket.
/// Anything else is a passport, a travel permit, a permanent residence card or a resident's number
/// of the first generation (15 digits), of which nothing can be checked.
fn document(text: &str) -> Option<Short> {
    let mut short = Short::default();
    for byte in text.bytes() {
        match byte {
            b' ' | b'-' | b'<' => {}
            _ if byte.is_ascii_alphanumeric() => short.push(byte)?,
            _ => return None,
        }
    }
    let number = short.text();
    let resident = number.len() > 15 && is_digits_and_check(number.as_bytes());
    let good = number.len() >= DOCUMENT_MIN_BYTES && (!resident || is_id_number(number));
    good.then_some(short)
}

/// A card's UID as readers write it: `04a1b2c3`, `04:A1:B2:C3`, `04-A1-B2-C3`, `04 A1 B2 C3`.
fn uid(text: &str) -> Option<Short> {
    let mut short = Short::default();
    let mut rest = text.as_bytes();
    loop {
        let [high, low, after @ ..] = rest else { return None };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return None;
        }
        short.push(*high)?;
        short.push(*low)?;
        rest = match after {
            [] => return Some(short),
            [b':' | b'-' | b' ', next @ ..] | next => next,
        };
    }
}

const ID_LENGTH: usize = 18;

/// Whether `text` is written like a resident's ID number: 17 digits and a digit or X.
pub fn looks_like_id_number(text: &str) -> bool {
    text.len() == ID_LENGTH && is_digits_and_check(text.as_bytes())
}

fn is_digits_and_check(bytes: &[u8]) -> bool {
    bytes.split_last().is_some_and(|(last, digits)| {
        digits.iter().all(u8::is_ascii_digit)
            && (last.is_ascii_digit() || last.eq_ignore_ascii_case(&b'X'))
    })
}

/// Whether `text` is a resident's ID number: 17 digits, a plausible birth date, and the check
/// character of GB 11643-1999 (ISO 7064 MOD 11-2). A permanent residence card of 2023 follows the
/// same rule (National Immigration Administration, machine-readable rules of October 2023).
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
