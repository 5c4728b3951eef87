//! From key presses to text: what a keyboard scanner types.
//!
//! Pure: the key codes of Linux (`input-event-codes.h`) and whether a key goes down go in, lines
//! come out. Read below every input method, so that a Chinese one cannot swallow or widen letters;
//! what remains is the scanner's own typing: Shift and Caps Lock, the keypad, and the `Alt` +
//! decimal way of typing, with which scanners send each byte whatever the layout. The layout is the
//! American one, which is also the Chinese one.

use shanmen_protocols::code::CODE_MAX_BYTES;

/// The longest line.
const LINE_MAX: usize = CODE_MAX_BYTES * 2 + 64;

const TAB: u16 = 15;
const ENTER: u16 = 28;
const KEYPAD_ENTER: u16 = 96;
const LEFT_SHIFT: u16 = 42;
const RIGHT_SHIFT: u16 = 54;
const LEFT_ALT: u16 = 56;
const RIGHT_ALT: u16 = 100;
const CAPS_LOCK: u16 = 58;

/// Rows of the keyboard: the first code, without and with Shift.
const ROWS: [(u16, &str, &str); 4] = [
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
];

/// The keypad, from code 71 on; a dot stands for a key without a digit.
const KEYPAD: &str = "789-456+1230.";
const KEYPAD_FIRST: u16 = 71;

const SPACE: u16 = 57;
const KEYPAD_STAR: u16 = 55;
const KEYPAD_SLASH: u16 = 98;

/// The line that is being typed.
#[derive(Default)]
pub struct Keys {
    line: Vec<u8>,
    shift: u8,
    alt: u8,
    caps: bool,
    /// The decimal typed while Alt is down.
    decimal: Option<u32>,
}

/// Never shows what was typed.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} bytes)", self.line.len())
    }
}

impl Keys {
    /// Nothing typed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A key went down (`value` 1), up (0), or repeats (2). A line that ends with it.
    pub fn key(&mut self, code: u16, value: i32) -> Option<String> {
        let (down, up) = (value == 1, value == 0);
        match code {
            LEFT_SHIFT | RIGHT_SHIFT => {
                let bit = if code == LEFT_SHIFT { 1 } else { 2 };
                self.shift = if up { self.shift & !bit } else { self.shift | bit };
            }
            LEFT_ALT | RIGHT_ALT => {
                let bit = if code == LEFT_ALT { 1 } else { 2 };
                self.alt = if up { self.alt & !bit } else { self.alt | bit };
                if self.alt == 0
                    && let Some(decimal) = self.decimal.take()
                {
                    self.typed(decimal);
                }
            }
            CAPS_LOCK if down => self.caps = !self.caps,
            ENTER | KEYPAD_ENTER | TAB if down => return self.take(),
            // A scanner's keys do not repeat by themselves: a stuck one would.
            _ if down => self.press(code),
            _ => {}
        }
        None
    }

    /// What was typed without an end; the scanner fell silent.
    pub fn take(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        // Bytes typed by decimals may be UTF-8; what is neither is noise.
        String::from_utf8(line).ok().filter(|line| !line.is_empty() && line.len() <= LINE_MAX)
    }

    /// Whether something was typed.
    pub fn is_typing(&self) -> bool {
        !self.line.is_empty()
    }

    fn press(&mut self, code: u16) {
        if self.alt != 0 {
            let digit = keypad(code).and_then(|c| c.to_digit(10));
            if let Some(digit) = digit {
                let decimal = self.decimal.unwrap_or(0) * 10 + digit;
                self.decimal = Some(decimal.min(99_999));
            }
            return;
        }
        if let Some(c) = self.character(code) {
            self.typed(u32::from(c));
        }
    }

    fn character(&self, code: u16) -> Option<char> {
        for (first, plain, shifted) in ROWS {
            let Some(at) = code.checked_sub(first).map(usize::from) else { continue };
            let Some(c) = plain.chars().nth(at) else { continue };
            // Caps Lock turns letters only.
            let upper = (self.shift != 0) != (self.caps && c.is_ascii_alphabetic());
            return if upper { shifted.chars().nth(at) } else { Some(c) };
        }
        match code {
            SPACE => Some(' '),
            KEYPAD_STAR => Some('*'),
            KEYPAD_SLASH => Some('/'),
            _ => keypad(code),
        }
    }

    fn typed(&mut self, decimal: u32) {
        if LINE_MAX < self.line.len() {
            return;
        }
        match u8::try_from(decimal) {
            Ok(byte) => self.line.push(byte),
            Err(_) => {
                if let Some(c) = char::from_u32(decimal) {
                    self.line.extend(c.encode_utf8(&mut [0; 4]).bytes());
                }
            }
        }
    }
}

fn keypad(code: u16) -> Option<char> {
    KEYPAD.chars().nth(usize::from(code.checked_sub(KEYPAD_FIRST)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses and releases each key; a negative one only goes down, and up with its second time.
    fn typed(keys: &[i32]) -> Vec<String> {
        let mut state = Keys::new();
        let mut held = std::collections::HashSet::new();
        let mut lines = Vec::new();
        for key in keys {
            let code = u16::try_from(key.abs()).unwrap();
            let values: &[i32] = if *key > 0 {
                &[1, 0]
            } else if held.remove(key) {
                &[0]
            } else {
                held.insert(*key);
                &[1]
            };
            lines.extend(values.iter().filter_map(|value| state.key(code, *value)));
        }
        lines
    }

    const SHIFT: i32 = -42;
    const ALT: i32 = -56;

    #[test]
    fn shift_and_caps_lock_are_the_scanners_own() {
        // S M 1 - a b, once with Shift, once with Caps Lock on.
        let with_shift = [SHIFT, 31, 50, SHIFT, 2, 12, 30, 48, 28];
        assert_eq!(typed(&with_shift), ["SM1-ab"]);
        let with_caps = [58, 31, 50, 2, 12, SHIFT, 30, 48, SHIFT, 28];
        assert_eq!(typed(&with_caps), ["SM1-ab"]);
    }

    #[test]
    fn all_letters_digits_and_the_keypad_are_typed() {
        let row: Vec<i32> = (2..=11).chain(16..=25).chain(30..=38).chain(44..=50).collect();
        assert_eq!(typed(&[&row[..], &[28]].concat()), ["1234567890qwertyuiopasdfghjklzxcvbnm"]);
        assert_eq!(typed(&[79, 80, 81, 82, 71, 96]), ["12307"]);
    }

    #[test]
    fn decimals_under_alt_are_bytes_whatever_the_layout() {
        // 083 077 049: S M 1.
        let decimals = [ALT, 82, 72, 81, ALT, ALT, 82, 71, 71, ALT, ALT, 82, 75, 73, ALT, 28];
        assert_eq!(typed(&decimals), ["SM1"]);
        // 31080: U+7968, a ticket.
        assert_eq!(typed(&[ALT, 81, 79, 82, 72, 82, ALT, 28]), ["票"]);
    }

    #[test]
    fn a_stuck_key_and_a_line_without_end_take_no_room() {
        let mut keys = Keys::new();
        for _ in 0..LINE_MAX * 2 {
            assert_eq!(keys.key(30, 1), None);
            assert_eq!(keys.key(30, 2), None);
        }
        assert!(keys.line.len() <= LINE_MAX + 1);
        assert_eq!(keys.key(28, 1), None, "too long to be a code");
        assert_eq!(keys.key(30, 1), None);
        assert_eq!(keys.key(28, 1).as_deref(), Some("a"));
        assert_eq!(keys.key(28, 1), None, "an empty line");
    }
}
