//! The ticket's layout: 78 × 180 mm fold stock, printed by a head of 72 mm (576 dots at 203 dpi).
//!
//! One unit of the SVG is one dot, so the QR code's modules fall on dots. It refuses a code that no
//! QR code holds; a text too long for its place is set smaller, then on two lines, then cut with an
//! ellipsis. The printer and the kiosk call it with what an order or a command says.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder};
use resvg::{tiny_skia, usvg};
use serde::{Deserialize, Serialize};

use super::{
    face,
    raster::{NoPicture, Raster},
};

/// Dots of one millimetre: 203 dpi.
pub const DOTS_PER_MM: u32 = 8;

/// The printed width: 72 mm, in the middle of 78 mm of stock.
pub const WIDTH_DOTS: u32 = 72 * DOTS_PER_MM;

/// The length of a ticket: 180 mm from fold to fold.
pub const HEIGHT_DOTS: u32 = 180 * DOTS_PER_MM;

/// White modules around the QR code (ISO/IEC 18004: at least 4).
pub const QUIET_MODULES: u32 = 4;

/// The fewest dots of a module: what scanners read from thermal paper without fail.
pub const MODULE_MIN_DOTS: u32 = 3;

/// The most dots of a module: more makes nothing easier to read.
const MODULE_MAX_DOTS: u32 = 8;

/// The side of the square for the QR code and its quiet zone.
const QR_DOTS: u32 = 440;

/// The margin of the text on either side.
const MARGIN: f32 = 16.0;

/// The width that text may take.
const TEXT_WIDTH: f32 = 544.0;

/// What one ticket says. Its `Debug` shows neither code nor holder.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketText {
    /// The site's name in Chinese.
    pub site: String,
    /// The site's name in English.
    pub site_en: String,
    /// The product's name in Chinese.
    pub name: String,
    /// The product's name in English.
    pub name_en: String,
    /// What the QR code says.
    pub code: String,
    /// Persons.
    pub persons: u16,
    /// The price, in the smallest coin (分).
    pub price: u64,
    /// When it may be used, in words of the site's local time.
    pub validity: String,
    /// Whose ticket it is, masked by whoever sends it; left out when empty.
    pub holder: String,
    /// Who sells it.
    pub seller: String,
    /// Its serial number.
    pub serial: String,
    /// A line for the visitor; left out when empty.
    pub note: String,
}

impl std::fmt::Debug for TicketText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TicketText({})", self.serial)
    }
}

/// Why a ticket cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum NoTicket {
    /// Nothing for the QR code.
    #[error("the ticket has no code: `code` is what its QR code says")]
    NoCode,
    /// Too long for a QR code that a scanner reads from this paper.
    #[error("the code has {0} bytes, more than a QR code of this size holds: shorten it")]
    CodeTooLong(usize),
    /// It could not be drawn.
    #[error(transparent)]
    Picture(#[from] NoPicture),
}

/// A ticket as it will be printed.
#[derive(Clone, Debug)]
pub struct Laid {
    /// The drawing.
    pub svg: String,
    /// Characters that the font has not: boxes stand in their places.
    pub missing: Vec<char>,
}

/// 分 as ¥, always with two places.
pub fn yuan(fen: u64) -> String {
    format!("¥{}.{:02}", fen / 100, fen % 100)
}

/// Lays a ticket out.
///
/// # Errors
/// [`NoTicket`].
pub fn lay_out(ticket: &TicketText) -> Result<Laid, NoTicket> {
    let mut page = Page::new();
    page.centred(&ticket.site, 40.0, 24.0, 66.0, true);
    page.centred(&ticket.site_en, 24.0, 16.0, 100.0, false);
    page.rule(122.0);
    page.centred(&ticket.name, 52.0, 26.0, 192.0, true);
    page.centred(&ticket.name_en, 28.0, 18.0, 232.0, false);
    page.qr(&ticket.code, 262)?;
    page.centred("请在闸机扫码入园  Scan at the gate", 22.0, 22.0, 736.0, false);
    page.rule(766.0);
    let persons = ticket.persons.to_string();
    let price = yuan(ticket.price);
    let rows = [
        ("票价", "Price", &price, 1),
        ("人数", "Persons", &persons, 1),
        ("有效期", "Valid", &ticket.validity, 2),
        ("持票人", "Holder", &ticket.holder, 1),
        ("售票", "Sold by", &ticket.seller, 1),
        ("编号", "No.", &ticket.serial, 2),
    ];
    let mut y = 814.0;
    for (zh, en, value, lines) in rows.into_iter().filter(|(_, _, value, _)| !value.is_empty()) {
        y = page.row(zh, en, value, lines, y);
    }
    if !ticket.note.is_empty() {
        page.centred(&ticket.note, 22.0, 14.0, 1168.0, false);
    }
    page.dashes(1200.0);
    page.centred("副券 撕下无效  Void if detached", 20.0, 20.0, 1236.0, false);
    page.centred(&ticket.name, 34.0, 20.0, 1290.0, true);
    page.centred(&format!("{persons} 人  {price}"), 30.0, 20.0, 1342.0, false);
    page.centred(&ticket.serial, 22.0, 14.0, 1386.0, false);
    Ok(page.done())
}

/// Draws a layout as dots: what is darker than half is printed.
///
/// # Errors
/// [`NoPicture::Made`].
pub fn draw(laid: &Laid) -> Result<Raster, NoPicture> {
    let options = usvg::Options {
        font_family: face::FAMILY.to_owned(),
        fontdb: face::drawn(),
        ..usvg::Options::default()
    };
    let made = |error: usvg::Error| NoPicture::Made(error.to_string());
    let tree = usvg::Tree::from_str(&laid.svg, &options).map_err(made)?;
    let mut pixels = tiny_skia::Pixmap::new(WIDTH_DOTS, HEIGHT_DOTS)
        .ok_or(NoPicture::Size { width: WIDTH_DOTS, height: HEIGHT_DOTS })?;
    pixels.fill(tiny_skia::Color::WHITE);
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut pixels.as_mut());
    let mut raster = Raster::blank(WIDTH_DOTS, HEIGHT_DOTS)?;
    for (pixel, (y, x)) in pixels
        .pixels()
        .iter()
        .zip((0..HEIGHT_DOTS).flat_map(|y| (0..WIDTH_DOTS).map(move |x| (y, x))))
    {
        // Black on white only: any channel tells.
        if pixel.green() < 0x80 {
            raster.print(x, y);
        }
    }
    Ok(raster)
}

/// The drawing in the making.
struct Page {
    svg: String,
    missing: Vec<char>,
}

impl Page {
    fn new() -> Self {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_DOTS}\" \
             height=\"{HEIGHT_DOTS}\" font-family=\"{}\">",
            face::FAMILY
        );
        Self { svg, missing: Vec::new() }
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a `String` cannot fail.
        self.svg.write_fmt(element).unwrap_or_default();
    }

    fn rule(&mut self, y: f32) {
        self.add(format_args!(
            "<path d=\"M{MARGIN} {y}h{TEXT_WIDTH}\" stroke=\"#000\" stroke-width=\"2\"/>"
        ));
    }

    fn dashes(&mut self, y: f32) {
        self.add(format_args!(
            "<path d=\"M0 {y}H{WIDTH_DOTS}\" stroke=\"#000\" stroke-width=\"2\" \
             stroke-dasharray=\"10 8\"/>"
        ));
    }

    /// One line of text with its foot at `y`. A bold one gets an outline: the font has one weight.
    fn text(&mut self, text: &str, x: f32, y: f32, size: f32, anchor: &str, bold: bool) {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let weight = if bold { size / 30.0 } else { 0.0 };
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             stroke=\"#000\" stroke-width=\"{weight}\" xml:space=\"preserve\">{escaped}</text>"
        ));
    }

    /// A text in the middle, as large as it fits between `least` and `most`; on two lines of the
    /// least size when it must be, the second ending at `y`.
    fn centred(&mut self, text: &str, most: f32, least: f32, y: f32, bold: bool) {
        let text = face::printable(text.trim(), &mut self.missing);
        let middle = MARGIN + TEXT_WIDTH / 2.0;
        let size = (most * TEXT_WIDTH / face::width(&text, most).max(1.0)).min(most).floor();
        if size >= least {
            self.text(&text, middle, y, size, "middle", bold);
            return;
        }
        for (line, up) in broken(&text, least, TEXT_WIDTH, 2).iter().zip([1.0_f32, 0.0]) {
            self.text(line, middle, y - up * least * 1.2, least, "middle", bold);
        }
    }

    /// A label and its value, on up to so many lines; the foot of the next row.
    fn row(&mut self, zh: &str, en: &str, value: &str, lines: usize, y: f32) -> f32 {
        let (value_x, size) = (190.0, 26.0);
        let value = face::printable(value.trim(), &mut self.missing);
        self.text(zh, MARGIN, y, size, "start", false);
        self.text(en, MARGIN + 86.0, y, 18.0, "start", false);
        let mut foot = y;
        for (number, line) in
            broken(&value, size, TEXT_WIDTH + MARGIN - value_x, lines).iter().enumerate()
        {
            foot = if number == 0 { y } else { foot + 34.0 };
            self.text(line, value_x, foot, size, "start", false);
        }
        foot + 46.0
    }

    /// The QR code, as large as whole dots allow, with its quiet zone, from `top` down.
    fn qr(&mut self, text: &str, top: u32) -> Result<(), NoTicket> {
        if text.is_empty() {
            return Err(NoTicket::NoCode);
        }
        let too_long = || NoTicket::CodeTooLong(text.len());
        // Boxed: a `QRCode` is 31 KB whatever its size.
        let code = QRBuilder::new(text).ecl(ECL::M).build().map(Box::new);
        let code = code.map_err(|_| too_long())?;
        let side = u32::try_from(code.size).map_err(|_| too_long())?;
        let module = (QR_DOTS / (side + 2 * QUIET_MODULES)).min(MODULE_MAX_DOTS);
        if module < MODULE_MIN_DOTS {
            return Err(too_long());
        }
        let inset = (QR_DOTS - side * module) / 2;
        let (left, top) = ((WIDTH_DOTS - QR_DOTS) / 2 + inset, top + inset);
        self.add(format_args!("<path shape-rendering=\"crispEdges\" d=\""));
        for (row, y) in (0..code.size).zip((top..).step_by(module as usize)) {
            for (column, x) in (0..code.size).zip((left..).step_by(module as usize)) {
                if code[row][column].value() {
                    self.add(format_args!("M{x} {y}h{module}v{module}h-{module}z"));
                }
            }
        }
        self.add(format_args!("\"/>"));
        Ok(())
    }

    fn done(mut self) -> Laid {
        self.svg.push_str("</svg>");
        Laid { svg: self.svg, missing: self.missing }
    }
}

/// At most `most` lines of `width`; what does not fit ends in an ellipsis. A line ends at a space where
/// there is one, since English words are not cut; Chinese has none to look for.
fn broken(text: &str, size: f32, width: f32, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for character in text.chars() {
        let last = lines.len() - 1;
        lines[last].push(character);
        if face::width(&lines[last], size) <= width {
            continue;
        }
        lines[last].pop();
        if lines.len() == most {
            while face::width(&lines[last], size) + face::width("…", size) > width {
                lines[last].pop();
            }
            lines[last].push('…');
            break;
        }
        let space = lines[last].rfind(' ').filter(|_| character.is_ascii() && character != ' ');
        let rest = space.map_or_else(String::new, |at| lines[last].split_off(at));
        lines.push(format!("{rest}{character}").trim_start().to_owned());
    }
    lines
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A code as long as a signed one.
    pub(crate) const CODE: &str = concat!(
        "SM12KCEIIQMAEEWIBAYGE6RANIGC5BGMYTU62DVMFXGO43IMFXAKGTFGPQBQYGE6RANIGC5BGMYTU62DVMFXGO43IMFXA",
        "KGTFGPQBQYGE6RANIGC5BGMYTU62DVMFXGO43IMFXAKGTFGPQBQYGE6RANIGC5BGMYTU62DVMFXGO43IMFXAKGTFGPQBQ",
        "YGE6RANIGC5BGMYTU62DVMFXGO43IMFXAKGTFGPQBQYGE6RANIGC5BGMYTU62DVMFXGO43IMFXAKGTFGPQBQYGE6RANIG"
    );

    pub(crate) fn ticket() -> TicketText {
        TicketText {
            site: "黄山风景区".into(),
            site_en: "Huangshan Scenic Area".into(),
            name: "成人日票（含索道往返）".into(),
            name_en: "Adult Day Ticket with Cable Car".into(),
            code: CODE.into(),
            persons: 2,
            price: 23_050,
            validity: "2026年10月1日 09:00–11:00 入园，当日有效".into(),
            holder: "欧阳*锴".into(),
            seller: "南门 3 号自助机".into(),
            serial: "0192f0c1-7a2b-7c3d-8e4f-5a6b7c8d9e0f".into(),
            note: "请妥善保管，遗失不补。客服 0559-5580000".into(),
        }
    }

    pub(crate) fn read_qr(raster: &Raster) -> Option<String> {
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(
            raster.width() as usize,
            raster.height() as usize,
            |x, y| {
                let (x, y) = (u32::try_from(x).unwrap(), u32::try_from(y).unwrap());
                if raster.is_printed(x, y) { 0 } else { 255 }
            },
        );
        let grids = image.detect_grids();
        grids.first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
    }

    #[test]
    fn what_is_drawn_reads_back() {
        let laid = lay_out(&ticket()).unwrap();
        assert!(laid.missing.is_empty(), "{:?}", laid.missing);
        let raster = draw(&laid).unwrap();
        assert_eq!(read_qr(&raster).as_deref(), Some(CODE));
        // For a look at it: SHANMEN_TICKET_PNG=ticket.png.
        if let Ok(path) = std::env::var("SHANMEN_TICKET_PNG") {
            std::fs::write(path, raster.png().unwrap()).unwrap();
        }
    }

    #[test]
    fn the_longest_code_still_has_modules_that_scan() {
        let longest = "A".repeat(shanmen_protocols::code::CODE_MAX_BYTES);
        let raster = draw(&lay_out(&TicketText { code: longest.clone(), ..ticket() }).unwrap());
        assert_eq!(read_qr(&raster.unwrap()), Some(longest));
        let endless = TicketText { code: "a".repeat(3_000), ..ticket() };
        assert!(matches!(lay_out(&endless), Err(NoTicket::CodeTooLong(3_000))));
        let none = TicketText { code: String::new(), ..ticket() };
        assert!(matches!(lay_out(&none), Err(NoTicket::NoCode)));
    }

    #[test]
    fn the_quiet_zone_is_blank() {
        let blank = TicketText { code: CODE.into(), ..TicketText::default() };
        let raster = draw(&lay_out(&blank).unwrap()).unwrap();
        let square = (262, (WIDTH_DOTS - QR_DOTS) / 2);
        let dark = |x: u32, y: u32| raster.is_printed(square.1 + x, square.0 + y);
        let first = (0..QR_DOTS).find(|at| (0..QR_DOTS).any(|x| dark(x, *at))).unwrap();
        assert!(first >= QUIET_MODULES * MODULE_MIN_DOTS, "{first} dots");
        assert!((0..first).all(|at| (0..QR_DOTS).all(|y| !dark(at, y) && !dark(y, at))));
    }

    #[test]
    fn a_missing_character_leaves_a_box_on_the_paper() {
        let with = |name: &str| {
            let laid = lay_out(&TicketText { name: name.into(), ..ticket() }).unwrap();
            (draw(&laid).unwrap(), laid.missing)
        };
        let (boxed, missing) = with("𬱖票");
        assert_eq!(missing, ['𬱖']);
        assert_eq!(boxed, with("□票").0);
        assert_ne!(boxed, with("　票").0);
    }

    #[test]
    fn markup_in_a_name_is_printed_as_it_stands() {
        let laid = lay_out(&TicketText { name: "<A&B>".into(), ..ticket() }).unwrap();
        assert!(laid.svg.contains("&lt;A&amp;B&gt;"));
        draw(&laid).unwrap();
    }

    #[test]
    fn a_long_text_takes_two_lines_and_then_ends_in_an_ellipsis() {
        assert_eq!(broken("成人票", 20.0, 100.0, 2), ["成人票"]);
        assert_eq!(broken("成人票成人票", 20.0, 100.0, 2), ["成人票成人", "票"]);
        assert_eq!(broken("day ticket of one", 20.0, 150.0, 2), ["day ticket of", "one"]);
        let long = broken(&"票".repeat(40), 20.0, 100.0, 2);
        assert_eq!(long, ["票票票票票", "票票票票…"]);
        assert_eq!(broken("成人票成人票", 20.0, 100.0, 1), ["成人票成…"]);
    }

    #[test]
    fn a_price_has_two_places() {
        assert_eq!(yuan(5), "¥0.05");
        assert_eq!(yuan(23_050), "¥230.50");
    }
}
