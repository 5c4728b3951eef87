//! Reads ESC/POS as a printer does: bytes in, commands out.
//!
//! It knows what [`crate::print::escpos`] writes, and the paper's and the printer's status. It
//! refuses a picture of more than [`PENDING_MAX_BYTES`]; bytes that are no command are text.

/// The most bytes of a command that is not whole yet: a picture of 80 mm by half a metre.
pub(super) const PENDING_MAX_BYTES: usize = 320 * 1024;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// `ESC @`.
    Start,
    /// `DLE EOT n`, answered at once.
    Status(u8),
    /// `GS r n`, answered in its turn.
    Behind(u8),
    /// Rows of a picture.
    Band { row_bytes: usize, bits: Vec<u8> },
    /// Text bytes and line ends.
    Text(Vec<u8>),
    /// What a QR code of the printer's own says.
    QrText(Vec<u8>),
    /// The QR code is drawn.
    QrDrawn,
    /// The ticket ends: cut, moved on to its mark, or moved on to be torn off.
    End,
    /// Something that changes only how text looks.
    Look,
}

/// What has come and is no whole command yet.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pending: Vec<u8>,
}

/// How far a look at the pending bytes got.
enum Look {
    Whole(Heard, usize),
    More,
}

impl Reader {
    /// Takes bytes in; none when they are more than a printer holds.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Vec<Heard>> {
        self.pending.extend(bytes);
        let mut heard = Vec::new();
        let mut from = 0;
        while let Some(Look::Whole(command, length)) =
            (from < self.pending.len()).then(|| look(&self.pending[from..]))
        {
            heard.push(command);
            from += length;
        }
        self.pending.drain(..from);
        (self.pending.len() <= PENDING_MAX_BYTES).then_some(heard)
    }
}

fn look(bytes: &[u8]) -> Look {
    let after = |length: usize, heard: Heard| {
        if bytes.len() < length { Look::More } else { Look::Whole(heard, length) }
    };
    let number = |at: usize| {
        usize::from(bytes.get(at).copied().unwrap_or_default())
            + 256 * usize::from(bytes.get(at + 1).copied().unwrap_or_default())
    };
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    match bytes {
        [0x10, 0x04, ..] => after(3, Heard::Status(byte(2))),
        [0x1B, b'@', ..] => after(2, Heard::Start),
        [0x1B, b'J', ..] => after(3, Heard::End),
        [0x1B, b'a' | b'!' | b'd', ..] | [0x1D, b'!', ..] => after(3, Heard::Look),
        [0x1C, b'&' | b'.', ..] => after(2, Heard::Look),
        [0x1D, 0x0C, ..] => after(2, Heard::End),
        [0x1D, b'V', ..] => after(if byte(2) < 48 { 3 } else { 4 }, Heard::End),
        [0x1D, b'r', ..] => after(3, Heard::Behind(byte(2))),
        [0x1D, b'(', b'k', ..] => {
            let length = 5 + number(3);
            if bytes.len() < 5.max(length) {
                return Look::More;
            }
            let heard = match &bytes[5..length] {
                [b'1', b'P', b'0', text @ ..] => Heard::QrText(text.to_vec()),
                [b'1', b'Q', ..] => Heard::QrDrawn,
                _ => Heard::Look,
            };
            Look::Whole(heard, length)
        }
        [0x1D, b'v', b'0', ..] => {
            let row_bytes = number(4);
            let length = 8 + row_bytes * number(6);
            if bytes.len() < length.max(8) {
                return Look::More;
            }
            Look::Whole(Heard::Band { row_bytes, bits: bytes[8..length].to_vec() }, length)
        }
        // The beginning of any of the above.
        [] | [0x10 | 0x1B | 0x1C | 0x1D] | [0x1D, b'(' | b'v'] => Look::More,
        [_, rest @ ..] => {
            let more = rest.iter().take_while(|byte| !matches!(byte, 0x10 | 0x1B..=0x1D)).count();
            Look::Whole(Heard::Text(bytes[..=more].to_vec()), more + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::{
        escpos::{self, Ending},
        raster::Raster,
    };

    #[test]
    fn commands_are_the_same_however_they_are_cut_on_the_way() {
        let mut bytes = escpos::raster(&Raster::blank(64, 300).unwrap(), Ending::Cut);
        bytes.extend(b"\x10\x04\x02");
        bytes.extend(escpos::text(&crate::print::ticket::tests::ticket(), Ending::MarkAndCut));
        bytes.extend(escpos::BEHIND_THE_JOB);
        let whole = Reader::default().take(&bytes).unwrap();
        assert!(whole.contains(&Heard::Status(2)) && whole.last() == Some(&Heard::Behind(1)));
        let mut reader = Reader::default();
        let text = |heard: Vec<Heard>| -> Vec<u8> {
            heard
                .into_iter()
                .flat_map(|heard| match heard {
                    Heard::Text(text) => text,
                    other => format!("{other:?}").into_bytes(),
                })
                .collect()
        };
        let cut = bytes.chunks(1).flat_map(|byte| reader.take(byte).unwrap()).collect();
        assert_eq!(text(cut), text(whole));
    }

    #[test]
    fn a_picture_without_end_is_refused() {
        let mut reader = Reader::default();
        assert!(reader.take(b"\x1Dv0\0\xFF\xFF\xFF\xFF").is_some());
        assert!(reader.take(&vec![0; PENDING_MAX_BYTES + 1]).is_none());
    }
}
