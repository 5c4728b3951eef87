//! From the bytes of a serial line to frames: one code, or one word of a sensor.
//!
//! Pure: bytes and the time go in, frames come out, however the bytes were cut. It refuses a frame
//! longer than any code, and forgets a beginning whose end never came.

use shanmen_protocols::code::CODE_MAX_BYTES;

use super::section::{ConfigError, Section};

/// A frame of a code, with what a scanner may put around it.
const FRAME_MAX: usize = CODE_MAX_BYTES * 2 + 64;

/// A beginning without an end is forgotten after this, in milliseconds.
const STALE_MS: u64 = 1_000;

const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// What ends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// CR, LF or both.
    Line,
    /// CR; LF is a part of the code.
    Cr,
    /// LF; CR is a part of the code.
    Lf,
    /// ETX; what is not between STX and ETX is noise.
    StxEtx,
    /// That nothing came for so many milliseconds.
    Gap(u64),
}

impl End {
    /// Its keys in a driver's section: `end` and `gap_ms`.
    pub(crate) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let gap_ms = section.within("gap_ms", 50, 5..=2_000)?;
        match section.or("end", String::from("line"))?.as_str() {
            "line" => Ok(Self::Line),
            "cr" => Ok(Self::Cr),
            "lf" => Ok(Self::Lf),
            "stx-etx" => Ok(Self::StxEtx),
            "gap" => Ok(Self::Gap(gap_ms)),
            _ => Err(section.wrong("end", "one of line, cr, lf, stx-etx and gap is wanted")),
        }
    }
}

/// The frames of one line.
pub struct Framer {
    end: End,
    frame: Vec<u8>,
    /// Whether what comes belongs to a frame.
    inside: bool,
    last_ms: u64,
}

/// Never shows what was read.
impl std::fmt::Debug for Framer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Framer({:?}, {} bytes)", self.end, self.frame.len())
    }
}

impl Framer {
    /// A line on which nothing came yet.
    pub fn new(end: End) -> Self {
        Self { end, frame: Vec::new(), inside: end != End::StxEtx, last_ms: 0 }
    }

    /// Takes what came at `now_ms`; adds the frames that it ended to `out`.
    pub fn push(&mut self, now_ms: u64, bytes: &[u8], out: &mut Vec<Vec<u8>>) {
        self.tick(now_ms, out);
        self.last_ms = now_ms;
        for byte in bytes {
            match (self.end, *byte) {
                (End::StxEtx, STX) => self.begin(true),
                (End::Line, b'\r' | b'\n')
                | (End::Cr, b'\r')
                | (End::Lf, b'\n')
                | (End::StxEtx, ETX) => self.finish(out),
                // A broken line and a switched-off scanner send zeros.
                (_, 0) => {}
                (_, byte) if self.inside => {
                    self.frame.push(byte);
                    if FRAME_MAX < self.frame.len() {
                        // Noise: nothing of it counts until the next end.
                        self.begin(false);
                    }
                }
                (_, _) => {}
            }
        }
    }

    /// When [`Framer::tick`] is due, in the time of `now_ms`.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let quiet_ms = match self.end {
            End::Gap(ms) => ms,
            _ => STALE_MS,
        };
        let waits = !self.frame.is_empty() || self.inside == (self.end == End::StxEtx);
        waits.then(|| self.last_ms.saturating_add(quiet_ms))
    }

    /// The line has been quiet until `now_ms`.
    pub fn tick(&mut self, now_ms: u64, out: &mut Vec<Vec<u8>>) {
        if self.wake_at_ms().is_none_or(|at| now_ms < at) {
            return;
        }
        if matches!(self.end, End::Gap(_)) {
            self.finish(out);
        } else {
            self.begin(self.end != End::StxEtx);
        }
    }

    fn begin(&mut self, inside: bool) {
        self.frame.clear();
        self.inside = inside;
    }

    fn finish(&mut self, out: &mut Vec<Vec<u8>>) {
        if self.inside && !self.frame.is_empty() {
            out.push(std::mem::take(&mut self.frame));
        }
        self.begin(self.end != End::StxEtx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of what came: each part with its time.
    fn frames(end: End, parts: &[(u64, &[u8])]) -> Vec<String> {
        let mut framer = Framer::new(end);
        let mut out = Vec::new();
        for (at_ms, bytes) in parts {
            framer.push(*at_ms, bytes, &mut out);
        }
        if let Some(at_ms) = framer.wake_at_ms() {
            framer.tick(at_ms, &mut out);
        }
        out.into_iter().map(|frame| String::from_utf8(frame).unwrap()).collect()
    }

    #[test]
    fn every_kind_of_end_cuts_the_same_codes() {
        assert_eq!(frames(End::Line, &[(0, b"A1\r\nB2\rC3\n\n\r")]), ["A1", "B2", "C3"]);
        assert_eq!(frames(End::Cr, &[(0, b"A\n1\rB2\r")]), ["A\n1", "B2"]);
        assert_eq!(frames(End::Lf, &[(0, b"A\r1\nB2\n")]), ["A\r1", "B2"]);
        assert_eq!(frames(End::StxEtx, &[(0, b"x\x02A1\x03y\x02B2\x03z")]), ["A1", "B2"]);
        assert_eq!(frames(End::Gap(50), &[(0, b"A1"), (60, b"B2")]), ["A1", "B2"]);
    }

    #[test]
    fn a_frame_cut_anywhere_is_one_frame() {
        let bytes = b"\x02CODE-77\x03";
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(frames(End::StxEtx, &[(0, first), (9, second)]), ["CODE-77"], "{cut}");
        }
        assert_eq!(frames(End::Gap(50), &[(0, b"CO"), (40, b"DE\r\n-7"), (80, b"7")]).len(), 1);
    }

    #[test]
    fn a_beginning_whose_end_never_came_does_not_spoil_the_next_code() {
        assert_eq!(frames(End::Line, &[(0, b"HALF"), (2_000, b"WHOLE\r\n")]), ["WHOLE"]);
        assert_eq!(frames(End::StxEtx, &[(0, b"\x02HALF\x02WHOLE\x03")]), ["WHOLE"]);
        assert_eq!(frames(End::StxEtx, &[(0, b"\x02HALF"), (2_000, b"\x03")]), [""; 0]);
    }

    #[test]
    fn noise_without_end_takes_no_room_and_ends_with_the_next_end() {
        let noise = vec![b'#'; FRAME_MAX * 3 + 5];
        assert_eq!(frames(End::Line, &[(0, &noise), (1, b"#\r\nA1\r\n")]), ["A1"]);
        assert_eq!(frames(End::Gap(50), &[(0, &noise), (100, b"A1")]), ["A1"]);
        assert_eq!(frames(End::Line, &[(0, b"\0\0A\x001\r\n")]), ["A1"]);
    }
}
