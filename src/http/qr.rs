//! The picture of a ticket's code: SVG for pages and print, PNG for everything else.
//!
//! Error level M (15 %) and a quiet zone of 4 modules, as ISO/IEC 18004 asks; 8 pixels a module,
//! so that a phone's screen or a 203 dpi printer keeps every module.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use fast_qr::{ECL, QRBuilder, QRCode};
use shanmen_protocols::ids::TicketId;

use super::{
    App,
    body::Id,
    problem::Problem,
    roles::{May, Sell},
};

/// White modules around the code.
const QUIET: usize = 4;

/// Pixels of one module.
const MODULE_PX: usize = 8;

/// The code as SVG.
#[utoipa::path(get, path = "/api/v1/tickets/{id}/qr.svg", tag = "tickets",
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 200, description = "the picture", body = String, content_type = "image/svg+xml")))]
pub(super) async fn svg(
    State(app): State<App>,
    _: May<Sell>,
    Id(id): Id<TicketId>,
) -> Result<Response, Problem> {
    let code = matrix(&app.plane.code(id)?)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg_of(&code)).into_response())
}

/// The code as PNG.
#[utoipa::path(get, path = "/api/v1/tickets/{id}/qr.png", tag = "tickets",
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 200, description = "the picture", body = Vec<u8>, content_type = "image/png")))]
pub(super) async fn png(
    State(app): State<App>,
    _: May<Sell>,
    Id(id): Id<TicketId>,
) -> Result<Response, Problem> {
    let code = matrix(&app.plane.code(id)?)?;
    let picture = png_of(&code).map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], picture).into_response())
}

/// Boxed: a `QRCode` is 31 KB whatever its size.
fn matrix(text: &str) -> Result<Box<QRCode>, Problem> {
    let code = QRBuilder::new(text).ecl(ECL::M).build();
    code.map(Box::new).map_err(|_| Problem::internal("the code does not fit a QR code"))
}

/// The side with its quiet zone, in modules.
fn side(code: &QRCode) -> usize {
    code.size + 2 * QUIET
}

/// Whether the module at a place, the quiet zone included, is dark.
fn dark(code: &QRCode, x: usize, y: usize) -> bool {
    let inside = QUIET..QUIET + code.size;
    inside.contains(&x) && inside.contains(&y) && code[y - QUIET][x - QUIET].value()
}

/// One path; a run of dark modules is one rectangle of it.
fn svg_of(code: &QRCode) -> String {
    let (side, px) = (side(code), side(code) * MODULE_PX);
    let mut path = String::new();
    for y in 0..side {
        let mut x = 0;
        while x < side {
            let run = (x..side).take_while(|&x| dark(code, x, y)).count();
            if run > 0 {
                // Writing to a String cannot fail.
                write!(path, "M{x} {y}h{run}v1h-{run}z").unwrap_or_default();
            }
            x += run + 1;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{px}\" height=\"{px}\" \
         viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>"
    )
}

/// One bit a pixel: a code of ours is about 1 KB.
fn png_of(code: &QRCode) -> Result<Vec<u8>, png::EncodingError> {
    let px = side(code) * MODULE_PX;
    let row_bytes = px.div_ceil(8);
    let mut pixels = Vec::with_capacity(px * row_bytes);
    for y in 0..side(code) {
        // A module is 8 pixels, so a byte.
        let row: Vec<u8> =
            (0..row_bytes).map(|x| if dark(code, x, y) { 0x00 } else { 0xff }).collect();
        for _ in 0..MODULE_PX {
            pixels.extend_from_slice(&row);
        }
    }
    let px = u32::try_from(px).unwrap_or(u32::MAX);
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, px, px);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Box<QRCode> {
        matrix(&format!("SM1{}", "ABCDEFGH234567".repeat(20))).unwrap()
    }

    #[test]
    fn the_picture_has_its_quiet_zone_and_its_finder() {
        let code = code();
        let picture = png_of(&code).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(usize::try_from(info.width).unwrap(), (code.size + 8) * 8);
        let row = |y: usize| &pixels[y * info.line_size..(y + 1) * info.line_size];
        assert!((0..32).all(|y| row(y).iter().all(|&byte| byte == 0xff)), "quiet above");
        assert!(row(40)[..4].iter().all(|&byte| byte == 0xff), "quiet at the left");
        assert_eq!(row(32)[4..12], [0, 0, 0, 0, 0, 0, 0, 0xff], "the finder's upper edge");
    }

    #[test]
    fn the_svg_shows_the_same_modules() {
        let code = code();
        let text = svg_of(&code);
        let dark_modules = (0..side(&code))
            .flat_map(|y| (0..side(&code)).map(move |x| (x, y)))
            .filter(|&(x, y)| dark(&code, x, y))
            .count();
        let path = text.rsplit_once(" d=\"").unwrap().1;
        let drawn: usize = path
            .split('h')
            .skip(1)
            .filter_map(|part| part.split_once('v')?.0.parse::<usize>().ok())
            .sum();
        assert_eq!(drawn, dark_modules);
    }
}
