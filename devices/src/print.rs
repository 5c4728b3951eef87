//! Printing: from a ticket's words to paper, and back to what the printer says of itself.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`face`] | the embedded font: which characters it has, how wide they are |
//! | [`ticket`] | the ticket's layout on fold stock, as SVG |
//! | [`raster`] | a picture of printed and blank dots |
//! | [`escpos`] | ESC/POS: raster, text in GB 18030, status |
//! | [`status`] | what a printer says of itself |
//! | [`label`] | TSPL and ZPL, the languages of label printers |
//! | [`sink`] | where the bytes go: TCP, a serial port, a file |
//! | [`driver`] | one printer: its language on its sink, with a timeout on every wait |
//! | [`virtual_printer`] | a printer made of nothing, over real TCP: tests and the demo |
//!
//! A ticket is printed as a raster, so that the paper looks alike on every printer and no printer
//! needs a Chinese font. Nothing here keeps a record of jobs: [`crate::printer`] does.

pub mod driver;
pub mod escpos;
pub mod face;
pub mod label;
pub mod raster;
pub mod sink;
pub mod status;
pub mod ticket;
pub mod virtual_printer;
