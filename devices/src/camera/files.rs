//! Pictures from files as a camera: PNG and JPEG, one after another, round and round.
//!
//! Owns the list of files, and the decoding of both formats (a video device's JPEG frames too). It
//! refuses a picture that is not one, or larger than a frame may be. For trying things out without
//! a camera, and for tests.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    time::Duration,
};

use zune_core::{colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{
    frame::{Frame, SIDE_MAX},
    source::{CameraError, FrameSource, Pause},
};

/// Files shown in turn.
#[derive(Debug)]
pub struct Files {
    shown: Vec<PathBuf>,
    next: usize,
    every: Duration,
}

impl Files {
    /// The picture at `path`, or all `.png`, `.jpg` and `.jpeg` of that folder by name, each shown
    /// for `every`.
    ///
    /// # Errors
    /// When there is none, or it cannot be listed.
    pub fn open(path: &Path, every: Duration) -> Result<Self, CameraError> {
        let fail = |why: String| CameraError { what: path.display().to_string(), why };
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in path.read_dir().map_err(|error| fail(error.to_string()))? {
                let file = entry.map_err(|error| fail(error.to_string()))?.path();
                let end = file.extension().map(|end| end.to_string_lossy().to_lowercase());
                if matches!(end.as_deref(), Some("png" | "jpg" | "jpeg")) {
                    files.push(file);
                }
            }
            files.sort();
        } else if path.is_file() {
            files.push(path.to_owned());
        }
        if files.is_empty() {
            return Err(fail("no picture there: put a .png or .jpg there".into()));
        }
        Ok(Self { shown: files, next: 0, every })
    }
}

impl FrameSource for Files {
    fn next_frame(&mut self, pause: &Pause) -> Result<Option<Frame>, CameraError> {
        if 0 < self.next && pause.stopped_within(self.every) {
            return Ok(None);
        }
        let path = &self.shown[self.next % self.shown.len()];
        self.next += 1;
        let fail = |why: String| CameraError { what: path.display().to_string(), why };
        let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        picture(&bytes).map(Some).map_err(fail)
    }
}

/// The shades of a PNG or JPEG file.
///
/// # Errors
/// Why it is no picture.
pub fn picture(bytes: &[u8]) -> Result<Frame, String> {
    if bytes.starts_with(b"\x89PNG") { png(bytes) } else { jpeg(bytes) }
}

/// The shades of a JPEG, also of one without Huffman tables as cameras send it.
pub(super) fn jpeg(bytes: &[u8]) -> Result<Frame, String> {
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    let luma = decoder.decode().map_err(|error| format!("not a JPEG: {error}"))?;
    let (width, height) = decoder.dimensions().ok_or("a JPEG without a size")?;
    Frame::new(width, height, luma).ok_or_else(|| "a JPEG of an odd size".into())
}

fn png(bytes: &[u8]) -> Result<Frame, String> {
    let fail = |error: png::DecodingError| format!("not a PNG: {error}");
    let limits = png::Limits { bytes: SIDE_MAX * SIDE_MAX * 4 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(fail)?;
    let needed = reader.output_buffer_size().ok_or("a PNG too large")?;
    let mut pixels = vec![0; needed];
    let info = reader.next_frame(&mut pixels).map_err(fail)?;
    let side = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
    let samples = info.color_type.samples();
    let grey = |pixel: &[u8]| match pixel {
        [level] | [level, _] => *level,
        [red, green, blue, ..] => {
            let sum = 299 * u32::from(*red) + 587 * u32::from(*green) + 114 * u32::from(*blue);
            u8::try_from(sum / 1_000).unwrap_or(u8::MAX)
        }
        [] => 0,
    };
    let luma = pixels[..info.buffer_size()].chunks_exact(samples).map(grey).collect();
    Frame::new(side(info.width), side(info.height), luma)
        .ok_or_else(|| format!("a PNG larger than {SIDE_MAX} pixels a side"))
}
