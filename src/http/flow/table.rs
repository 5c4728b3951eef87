//! A table as a file: XLSX, or CSV as Excel in Chinese Windows reads it without being asked (UTF-8
//! with a byte order mark, CRLF).
//!
//! Owns the two forms and nothing of what stands in them. A text that a spreadsheet would take for
//! a formula is written as text.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, XlsxError};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// A text.
    Text(String),
    /// A local moment, `2026-11-22 09:00`.
    Moment(String),
    /// A date, `2026-11-22`.
    Date(String),
    /// A whole number.
    Number(u32),
    /// A share, 0 to 1.
    Share(f64),
    /// Nothing is known.
    Empty,
}

/// A table with its headings.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The name of its sheet.
    pub(super) title: &'static str,
    /// One for each column.
    pub(super) headings: Vec<&'static str>,
    /// As wide as the headings.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    /// As CSV.
    #[error("csv: {0}")]
    Csv(String),
    /// As XLSX.
    #[error("xlsx: {0}")]
    Xlsx(#[from] XlsxError),
}

impl Table {
    /// As CSV (RFC 4180).
    pub(super) fn csv(&self) -> Result<Vec<u8>, Unwritten> {
        let fault = |error: csv::Error| Unwritten::Csv(error.to_string());
        let mut to = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer("\u{feff}".as_bytes().to_vec());
        to.write_record(&self.headings).map_err(fault)?;
        for row in &self.rows {
            to.write_record(row.iter().map(Cell::plain)).map_err(fault)?;
        }
        to.into_inner().map_err(|error| Unwritten::Csv(error.to_string()))
    }

    /// As a workbook of one sheet; the headings stay in sight.
    pub(super) fn xlsx(&self) -> Result<Vec<u8>, Unwritten> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.set_name(self.title)?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm");
        let date = Format::new().set_num_format("yyyy-mm-dd");
        let share = Format::new().set_num_format("0.0%");
        for (column, heading) in (0_u16..).zip(&self.headings) {
            sheet.write_with_format(0, column, *heading, &bold)?;
            sheet.set_column_width(column, 18)?;
        }
        for (line, row) in (1_u32..).zip(&self.rows) {
            for (column, cell) in (0_u16..).zip(row) {
                match cell {
                    Cell::Text(text) => sheet.write_string(line, column, text)?,
                    Cell::Moment(text) => {
                        let at = ExcelDateTime::parse_from_str(text)?;
                        sheet.write_with_format(line, column, &at, &moment)?
                    }
                    Cell::Date(text) => {
                        let at = ExcelDateTime::parse_from_str(text)?;
                        sheet.write_with_format(line, column, &at, &date)?
                    }
                    Cell::Number(number) => sheet.write_number(line, column, *number)?,
                    Cell::Share(part) => sheet.write_with_format(line, column, *part, &share)?,
                    Cell::Empty => sheet,
                };
            }
        }
        Ok(book.save_to_buffer()?)
    }
}

impl Cell {
    fn plain(&self) -> String {
        match self {
            // A spreadsheet takes such a text for a formula; an apostrophe says that it is none.
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t']) => format!("'{text}"),
            Self::Text(text) | Self::Moment(text) | Self::Date(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Share(part) => format!("{part:.4}"),
            Self::Empty => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Reader as _, Xlsx};

    use super::*;

    fn table() -> Table {
        Table {
            title: "客流",
            headings: vec!["时间", "名称", "入园人次", "可用率"],
            rows: vec![
                vec![
                    Cell::Moment("2026-11-22 09:00".into()),
                    Cell::Text("北门, \"老\"".into()),
                    Cell::Number(12),
                    Cell::Share(0.5),
                ],
                vec![
                    Cell::Date("2026-11-22".into()),
                    Cell::Text("=1+1".into()),
                    Cell::Number(0),
                    Cell::Empty,
                ],
            ],
        }
    }

    #[test]
    fn excel_reads_the_csv_as_chinese() {
        let bytes = table().csv().unwrap();
        assert_eq!(&bytes[..3], b"\xef\xbb\xbf");
        let text = std::str::from_utf8(&bytes[3..]).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "时间,名称,入园人次,可用率");
        assert_eq!(lines[1], "2026-11-22 09:00,\"北门, \"\"老\"\"\",12,0.5000");
        assert_eq!(lines[2], "2026-11-22,'=1+1,0,", "no formula comes out of a name");
        assert_eq!(lines[3], "");
    }

    #[test]
    fn a_workbook_has_real_numbers_and_dates() {
        let bytes = table().xlsx().unwrap();
        let mut book: Xlsx<_> =
            calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).unwrap();
        let range = book.worksheet_range("客流").unwrap();
        assert_eq!(range.get_value((0, 0)), Some(&Data::String("时间".into())));
        assert_eq!(range.get_value((1, 2)), Some(&Data::Float(12.0)));
        assert!(matches!(range.get_value((1, 0)), Some(Data::DateTime(_))));
        assert_eq!(range.get_value((2, 1)), Some(&Data::String("=1+1".into())));
    }
}
