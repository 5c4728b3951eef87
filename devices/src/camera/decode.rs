//! From a frame to the text of the QR code in it.
//!
//! Two decoders take turns, since each reads what the other loses: `rqrr` first, then `rxing`.
//! What neither reads is tried again enlarged, smoothed, with local contrast and inverted. It
//! refuses a text longer than any ticket code. The camera scanner calls it, with the time of a
//! live picture in mind: there one changed picture a frame is tried, in turn.

use std::collections::HashSet;

use rxing::{
    BarcodeFormat, BinaryBitmap, DecodeHints, ImmutableReader as _, Luma8Source,
    common::HybridBinarizer, qrcode::cpp_port::QrReader,
};
use shanmen_protocols::code::CODE_MAX_BYTES;

use super::frame::Frame;

/// The part of a frame that is enlarged, in pixels: where people hold their code.
const CENTRE: (usize, usize) = (440, 360);

/// One way to look at a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As it is.
    Raw,
    /// The middle, × 1.5.
    Larger,
    /// The middle, × 2.
    Twice,
    /// Without its noise.
    Smooth,
    /// With local contrast: for a faint print, and under glare.
    Contrast,
    /// With its edges sharpened.
    Sharp,
    /// Black for white: a code on a dark phone screen.
    Inverted,
}

/// All looks, in the order in which a still picture is tried.
pub const LOOKS: [Look; 7] = [
    Look::Raw,
    Look::Larger,
    Look::Twice,
    Look::Smooth,
    Look::Contrast,
    Look::Sharp,
    Look::Inverted,
];

/// Reads frames. Remembers only which look a live picture gets next.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    turn: usize,
}

impl Decoder {
    /// A decoder that begins with the first look.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that helps, one after another: for a single picture. 40 to 200 ms when there is
    /// nothing in it.
    pub fn read_still(&self, frame: &Frame) -> Option<String> {
        LOOKS.into_iter().find_map(|look| by_both(&look.at(frame)))
    }

    /// The frame as it is, and one other look at it, another one each time: for a camera, whose
    /// next frame comes soon.
    pub fn read_live(&mut self, frame: &Frame) -> Option<String> {
        if let Some(text) = by_both(frame) {
            return Some(text);
        }
        self.turn = self.turn % (LOOKS.len() - 1) + 1;
        by_both(&LOOKS[self.turn].at(frame))
    }
}

impl Look {
    /// `frame`, looked at this way.
    pub fn at(self, frame: &Frame) -> Frame {
        let (width, height) = CENTRE;
        match self {
            Self::Raw => frame.clone(),
            Self::Larger => frame.centre(width, height).enlarged(3),
            Self::Twice => frame.centre(width, height).enlarged(4),
            Self::Smooth => frame.smoothed(),
            Self::Contrast => frame.contrasted(20),
            Self::Sharp => frame.contrasted(6),
            Self::Inverted => frame.inverted(),
        }
    }
}

fn by_both(frame: &Frame) -> Option<String> {
    by_rqrr(frame).or_else(|| by_rxing(frame))
}

/// The text that `rqrr` finds.
pub fn by_rqrr(frame: &Frame) -> Option<String> {
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(frame.width(), frame.height(), |x, y| {
            frame.at(x, y)
        });
    prepared.detect_grids().iter().find_map(|grid| {
        let (_meta, text) = grid.decode().ok()?;
        sensible(text)
    })
}

/// The text that `rxing` finds.
pub fn by_rxing(frame: &Frame) -> Option<String> {
    let width = u32::try_from(frame.width()).ok()?;
    let height = u32::try_from(frame.height()).ok()?;
    let source = Luma8Source::new_with_slice(frame.luma(), width, height).ok()?;
    let hints = DecodeHints {
        PossibleFormats: Some(HashSet::from([BarcodeFormat::QR_CODE])),
        TryHarder: Some(true),
        ..DecodeHints::default()
    };
    let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
    let found = QrReader.immutable_decode_with_hints(&mut bitmap, &hints).ok()?;
    sensible(found.getText().to_owned())
}

/// The text without blanks around it; `None` for none, or for more than a ticket code has.
fn sensible(text: String) -> Option<String> {
    let trimmed = text.trim();
    let fits = !trimmed.is_empty() && trimmed.len() <= CODE_MAX_BYTES;
    if trimmed.len() == text.len() && fits {
        return Some(text);
    }
    fits.then(|| trimmed.to_owned())
}
