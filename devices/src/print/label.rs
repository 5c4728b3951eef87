//! TSPL and ZPL: a raster as a label, and what such a printer answers of its status.
//!
//! Sources: TSC's "TSPL/TSPL2 Programming Language" (`BITMAP`, `<ESC>!?`), Zebra's "ZPL II
//! Programming Guide" (`^GFA`, `~HS`). Only whole pictures: text stays in the layout. It refuses
//! nothing; [`super::driver`] calls it.

use std::fmt::Write as _;

use super::{raster::Raster, status::Status, ticket::DOTS_PER_MM};

/// One label of TSPL; the stock's gap or mark is the printer's own setting.
pub fn tspl(picture: &Raster) -> Vec<u8> {
    let (width, height) = (picture.width() / DOTS_PER_MM, picture.height() / DOTS_PER_MM);
    let head = format!(
        "SIZE {width} mm,{height} mm\r\nCLS\r\nBITMAP 0,0,{},{},0,",
        picture.row_bytes(),
        picture.height()
    );
    let mut bytes = head.into_bytes();
    // In TSPL a dot that is 0 is printed.
    bytes.extend(picture.bits().iter().map(|byte| !byte));
    bytes.extend(b"\r\nPRINT 1,1\r\n");
    bytes
}

/// What is asked of a TSPL printer, answered at once in one byte.
pub const TSPL_STATUS: &[u8] = b"\x1B!?";

/// Reads the answer to [`TSPL_STATUS`]: the status, and whether it is still printing.
pub fn tspl_status(answer: u8) -> (Status, bool) {
    let is = |bit: u8| answer & bit != 0;
    let status = Status {
        offline: is(0x10),
        cover_open: is(0x01),
        no_paper: is(0x04),
        low_paper: false,
        fault: is(0x02) || is(0x08) || is(0x80),
    };
    (status, is(0x20))
}

/// One label of ZPL.
pub fn zpl(picture: &Raster) -> Vec<u8> {
    let total = picture.bits().len();
    let mut label = format!(
        "^XA^PW{}^LL{}^FO0,0^GFA,{total},{total},{},",
        picture.width(),
        picture.height(),
        picture.row_bytes()
    );
    for byte in picture.bits() {
        // Writing into a `String` cannot fail.
        write!(label, "{byte:02X}").unwrap_or_default();
    }
    label.push_str("^FS^PQ1^XZ\r\n");
    label.into_bytes()
}

/// What is asked of a ZPL printer, answered at once in three lines.
pub const ZPL_STATUS: &[u8] = b"~HS";

/// The lines of the answer to [`ZPL_STATUS`].
pub const ZPL_STATUS_LINES: usize = 3;

/// Reads the answer to [`ZPL_STATUS`]: the status, and whether it is still printing; none when it is
/// no such answer.
pub fn zpl_status(answer: &[u8]) -> Option<(Status, bool)> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut lines = text.lines().map(|line| {
        let line = line.trim_matches(|c: char| c.is_control() || c.is_whitespace());
        line.split(',').collect::<Vec<_>>()
    });
    let (first, second) = (lines.next()?, lines.next()?);
    if first.len() < 12 || second.len() < 11 {
        return None;
    }
    // A field of two figures or more counts; one of a single figure is a lamp.
    let count = |field: &str| field.parse::<u32>().ok();
    let lamp = |field: &str| count(field).map(|number| number != 0);
    let printing = count(first[4])? > 0 || count(second[8])? > 0;
    let status = Status {
        offline: lamp(first[2])?,
        cover_open: lamp(second[2])?,
        no_paper: lamp(first[1])?,
        low_paper: false,
        fault: lamp(second[3])? || lamp(first[10])? || lamp(first[11])?,
    };
    Some((status, printing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Raster {
        let mut picture = Raster::blank(576, 1440).unwrap();
        picture.print(0, 0);
        picture
    }

    #[test]
    fn a_tspl_bitmap_has_printed_dots_as_zeros() {
        let bytes = tspl(&picture());
        let head = b"SIZE 72 mm,180 mm\r\nCLS\r\nBITMAP 0,0,72,1440,0,";
        assert!(bytes.starts_with(head));
        assert_eq!(bytes[head.len()..head.len() + 2], [0x7F, 0xFF]);
        assert!(bytes.ends_with(b"\r\nPRINT 1,1\r\n"));
    }

    #[test]
    fn a_zpl_field_says_its_length_in_bytes() {
        let label = String::from_utf8(zpl(&picture())).unwrap();
        assert!(
            label.starts_with("^XA^PW576^LL1440^FO0,0^GFA,103680,103680,72,8000"),
            "{label:.60}"
        );
        assert!(label.ends_with("^FS^PQ1^XZ\r\n"));
        let figures = label.rsplit(',').next().unwrap().split('^').next().unwrap();
        assert_eq!(figures.len(), 2 * 72 * 1440);
    }

    #[test]
    fn a_tspl_status_is_read_bit_by_bit() {
        assert_eq!(tspl_status(0), (Status::default(), false));
        assert!(tspl_status(0x20).1);
        assert_eq!(tspl_status(0x04).0.obstacle(), Some("no_paper"));
        assert_eq!(tspl_status(0x01).0.obstacle(), Some("cover_open"));
    }

    #[test]
    fn a_zpl_status_is_read_by_its_fields() {
        let answer = |paper_out: u8, waiting: u8, head_up: u8| {
            format!(
                "\x02030,{paper_out},0,1440,{waiting:03},0,0,0,000,0,0,0\x03\r\n\
                 \x02001,0,{head_up},0,1,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"
            )
        };
        let read = |paper_out, waiting, head_up| {
            zpl_status(answer(paper_out, waiting, head_up).as_bytes()).unwrap()
        };
        assert_eq!(read(0, 0, 0), (Status::default(), false));
        assert_eq!(read(1, 0, 0).0.obstacle(), Some("no_paper"));
        assert_eq!(read(0, 0, 1).0.obstacle(), Some("cover_open"));
        assert!(read(0, 1, 0).1);
        assert_eq!(zpl_status(b"nonsense"), None);
    }
}
