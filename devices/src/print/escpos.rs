//! ESC/POS: a raster or lines of text as a printer's bytes, and what it answers of its status.
//!
//! The commands are those of Epson's "ESC/POS Command Reference" that cheap printers share: `ESC @`,
//! `GS v 0`, `ESC J`, `GS V`, `GS FF`, `DLE EOT`, `GS r`, `FS &`, `GS ( k`. It refuses nothing: what
//! a printer cannot do it ignores. [`super::driver`] sends these, [`super::virtual_printer`] reads
//! them.

use super::{
    raster::Raster,
    status::Status,
    ticket::{TicketText, yuan},
};

/// Rows of one `GS v 0`: small enough for the receive buffer of a small printer (18 KB at 72 mm).
pub const BAND_ROWS: usize = 256;

/// How a job ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The paper is cut.
    #[default]
    Cut,
    /// The stock is moved on to its next black mark, and not cut.
    Mark,
    /// The stock is moved on to its next black mark, and cut there.
    MarkAndCut,
    /// Neither: the visitor tears it off.
    Tear,
}

/// A raster, from `ESC @` to the end of the job.
pub fn raster(picture: &Raster, ending: Ending) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(picture.bits().len() + 256);
    bytes.extend(b"\x1B@");
    for band in picture.bits().chunks(picture.row_bytes() * BAND_ROWS) {
        let rows = band.len() / picture.row_bytes();
        bytes.extend(b"\x1Dv0\0");
        bytes.extend(little(picture.row_bytes()));
        bytes.extend(little(rows));
        bytes.extend(band);
    }
    end(&mut bytes, ending);
    bytes
}

/// A ticket as lines of text in GB 18030 and a QR code that the printer draws itself: for a printer
/// with a Chinese font, where speed matters more than looks. A character that GB 18030 has but the
/// printer's font has not is the printer's affair.
pub fn text(ticket: &TicketText, ending: Ending) -> Vec<u8> {
    let mut bytes = b"\x1B@\x1C&\x1Ba\x01".to_vec();
    let mut line = |prefix: &[u8], text: &str| {
        if !text.is_empty() {
            bytes.extend(prefix);
            bytes.extend(gb18030(text));
            bytes.push(b'\n');
        }
    };
    line(b"\x1D!\x11", &ticket.site);
    line(b"\x1D!\0", &ticket.site_en);
    line(b"\x1D!\x11", &ticket.name);
    line(b"\x1D!\0", &ticket.name_en);
    bytes.extend(qr(&ticket.code));
    bytes.extend(b"\x1Ba\0");
    let labelled = [
        ("票价 Price", yuan(ticket.price)),
        ("人数 Persons", ticket.persons.to_string()),
        ("有效期 Valid", ticket.validity.clone()),
        ("持票人 Holder", ticket.holder.clone()),
        ("售票 Sold by", ticket.seller.clone()),
        ("编号 No.", ticket.serial.clone()),
    ];
    for (label, value) in labelled.into_iter().filter(|(_, value)| !value.is_empty()) {
        bytes.extend(gb18030(&format!("{label}: {value}\n")));
    }
    bytes.extend(gb18030(&ticket.note));
    bytes.extend(b"\n\x1C.");
    end(&mut bytes, ending);
    bytes
}

/// The bytes of a text in GB 18030, which has every character; control characters are left out,
/// since they would be commands.
pub fn gb18030(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    encoding_rs::GB18030.encode(&text).0.into_owned()
}

/// A QR code, model 2, level M, drawn by the printer (`GS ( k`).
fn qr(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 48);
    let mut function = |body: &[u8]| {
        bytes.extend(b"\x1D(k");
        bytes.extend(little(body.len()));
        bytes.extend(body);
    };
    function(b"1A2\0");
    function(b"1C\x06");
    function(b"1E1");
    function(&[b"1P0", text.as_bytes()].concat());
    function(b"1Q0");
    bytes.push(b'\n');
    bytes
}

fn end(bytes: &mut Vec<u8>, ending: Ending) {
    bytes.extend(match ending {
        Ending::Cut => &b"\x1DVB\0"[..],
        Ending::Mark => b"\x1D\x0C",
        Ending::MarkAndCut => b"\x1D\x0C\x1DV\x01",
        Ending::Tear => b"\x1BJ\xA0",
    });
}

/// Two bytes, the lower first; more than that is cut off, and no caller has more.
fn little(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}

/// What is asked before a job, answered at once even by a printer that is offline: `DLE EOT` 1
/// (online), 2 (why not), 3 (errors), 4 (paper).
pub const STATUS: [[u8; 3]; 4] =
    [*b"\x10\x04\x01", *b"\x10\x04\x02", *b"\x10\x04\x03", *b"\x10\x04\x04"];

/// What is asked behind a job (`GS r 1`): it waits in the printer's queue, so the answer says that
/// everything before it was worked off.
pub const BEHIND_THE_JOB: [u8; 3] = *b"\x1Dr\x01";

/// Reads the four answers to [`STATUS`]; none when one of them is no such answer.
pub fn status(answers: [u8; 4]) -> Option<Status> {
    // Bits 1 and 4 are set and 0 and 7 are not in each answer to DLE EOT.
    if answers.iter().any(|byte| byte & 0b1001_0011 != 0b0001_0010) {
        return None;
    }
    let [printer, cause, error, paper] = answers;
    Some(Status {
        offline: printer & 0x08 != 0,
        cover_open: cause & 0x04 != 0,
        no_paper: paper & 0x60 != 0 || cause & 0x20 != 0,
        low_paper: paper & 0x0C != 0,
        fault: cause & 0x40 != 0 || error & 0x68 != 0,
    })
}

/// Reads the answer to [`BEHIND_THE_JOB`]: whether there is paper; none when it is no such answer.
pub fn behind_the_job(answer: u8) -> Option<bool> {
    (answer & 0b1001_0000 == 0).then_some(answer & 0x0C == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raster_goes_out_in_bands_and_ends_with_a_cut() {
        let picture = Raster::blank(16, 300).unwrap();
        let bytes = raster(&picture, Ending::Cut);
        assert!(bytes.starts_with(b"\x1B@\x1Dv0\0\x02\0\0\x01"));
        let second = 2 + 8 + 2 * BAND_ROWS;
        assert_eq!(&bytes[second..second + 8], b"\x1Dv0\0\x02\0\x2C\0");
        assert!(bytes.ends_with(b"\x1DVB\0"));
        assert_eq!(bytes.len(), 2 + 8 + 8 + 600 + 4);
    }

    #[test]
    fn text_is_gb_18030_and_carries_no_commands() {
        assert_eq!(gb18030("票价 A"), [0xC6, 0xB1, 0xBC, 0xDB, b' ', b'A']);
        assert_eq!(gb18030("𬱖").len(), 4);
        assert_eq!(gb18030("a\x1B@b"), b"a@b");
    }

    #[test]
    fn a_status_is_read_as_the_reference_says() {
        assert_eq!(status([0x12; 4]), Some(Status::default()));
        let read = status([0x1A, 0x16, 0x12, 0x1E]).unwrap();
        assert!(read.offline && read.cover_open && read.low_paper && !read.no_paper);
        assert_eq!(read.obstacle(), Some("cover_open"));
        let read = status([0x1A, 0x32, 0x12, 0x7E]).unwrap();
        assert!(read.no_paper && read.low_paper && !read.cover_open);
        assert!(status([0x12, 0x12, 0x1A, 0x12]).unwrap().fault);
        assert_eq!(status([0x12, 0x12, 0x12, 0xFF]), None);
    }

    #[test]
    fn the_answer_behind_a_job_tells_of_the_paper() {
        assert_eq!(behind_the_job(0), Some(true));
        assert_eq!(behind_the_job(0x03), Some(true));
        assert_eq!(behind_the_job(0x0C), Some(false));
        assert_eq!(behind_the_job(0x12), None);
    }
}
