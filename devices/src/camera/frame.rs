//! One camera picture in shades of grey, and the few changes of it that help a decoder.
//!
//! Owns the pixels and pure integer arithmetic on them. It refuses a size that does not fit its
//! pixels. The decoder and the frame sources call it.

/// The largest side of a frame, in pixels: more is refused before memory is taken for it.
pub const SIDE_MAX: usize = 8_192;

/// A picture: one byte a pixel, 0 black and 255 white, row by row from the top left.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

/// Never shows the pixels: they may hold a ticket, or a face.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{})", self.width, self.height)
    }
}

impl Frame {
    /// A frame of `width` × `height` pixels, each side 1 to [`SIDE_MAX`].
    ///
    /// `None` when `luma` does not have exactly as many bytes.
    pub fn new(width: usize, height: usize, luma: Vec<u8>) -> Option<Self> {
        let sides = 1..=SIDE_MAX;
        let fits =
            sides.contains(&width) && sides.contains(&height) && luma.len() == width * height;
        fits.then_some(Self { width, height, luma })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, row by row.
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// The shade at (`x`, `y`); both must lie within.
    pub fn at(&self, x: usize, y: usize) -> u8 {
        self.luma[y * self.width + x]
    }

    /// The middle part of this frame, at most `width` × `height` pixels.
    #[must_use]
    pub fn centre(&self, width: usize, height: usize) -> Self {
        let (width, height) = (width.clamp(1, self.width), height.clamp(1, self.height));
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2);
        let rows = self.luma.chunks_exact(self.width).skip(top).take(height);
        let luma = rows.flat_map(|row| &row[left..left + width]).copied().collect();
        Self { width, height, luma }
    }

    /// The frame made larger by `halves` halves (3 is × 1.5, 4 is × 2), shades in between.
    #[must_use]
    pub fn enlarged(&self, halves: usize) -> Self {
        let halves = halves.max(2);
        let (width, height) = (self.width * halves / 2, self.height * halves / 2);
        let columns: Vec<_> = (0..width).map(|x| between(x, halves, self.width)).collect();
        let mut luma = Vec::with_capacity(width * height);
        for y in 0..height {
            let (top, bottom, down) = between(y, halves, self.height);
            let top = &self.luma[top * self.width..][..self.width];
            let bottom = &self.luma[bottom * self.width..][..self.width];
            luma.extend(columns.iter().map(|&(left, right, across)| {
                let mix = |row: &[u8]| {
                    u32::from(row[left]) * (256 - across) + u32::from(row[right]) * across
                };
                shade((mix(top) * (256 - down) + mix(bottom) * down) >> 16)
            }));
        }
        Self { width, height, luma }
    }

    /// Black for white.
    #[must_use]
    pub fn inverted(&self) -> Self {
        Self { luma: self.luma.iter().map(|level| 255 - level).collect(), ..*self }
    }

    /// Each pixel the mean of its 3 × 3 neighbours: takes out the noise of a dim picture.
    #[must_use]
    pub fn smoothed(&self) -> Self {
        let (sums, stride) = self.sums();
        let luma = self.windows(1, &sums, stride, |_level, sum, count| shade(sum / count));
        Self { luma, ..*self }
    }

    /// Local contrast: each pixel's distance to the mean of those up to `reach` pixels around it,
    /// eight times as large. Evens out glare and shadow, lifts a faint print, and with a reach of
    /// a module or two sharpens a blurred one.
    #[must_use]
    pub fn contrasted(&self, reach: usize) -> Self {
        let (sums, stride) = self.sums();
        let luma = self.windows(reach, &sums, stride, |level, sum, count| {
            let mean = sum / count;
            let level = u32::from(level);
            if mean <= level {
                shade(128 + 8 * (level - mean))
            } else {
                shade(128_u32.saturating_sub(8 * (mean - level)))
            }
        });
        Self { luma, ..*self }
    }

    /// Sums of all pixels above and left of each corner, and their row length.
    fn sums(&self) -> (Vec<u32>, usize) {
        let stride = self.width + 1;
        let mut sums = vec![0; stride * (self.height + 1)];
        for (y, row) in self.luma.chunks_exact(self.width).enumerate() {
            let mut along = 0;
            for (x, level) in row.iter().enumerate() {
                along += u32::from(*level);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + along;
            }
        }
        (sums, stride)
    }

    /// `each` of every pixel with the sum and the count of those up to `reach` pixels around it.
    fn windows(
        &self,
        reach: usize,
        sums: &[u32],
        stride: usize,
        each: impl Fn(u8, u32, u32) -> u8,
    ) -> Vec<u8> {
        let mut luma = Vec::with_capacity(self.luma.len());
        for (y, row) in self.luma.chunks_exact(self.width).enumerate() {
            let (top, bottom) = (y.saturating_sub(reach), (y + reach + 1).min(self.height));
            for (x, level) in row.iter().enumerate() {
                let (left, right) = (x.saturating_sub(reach), (x + reach + 1).min(self.width));
                let corner = |x: usize, y: usize| sums[y * stride + x];
                let sum = corner(right, bottom) + corner(left, top)
                    - corner(left, bottom)
                    - corner(right, top);
                let count = u32::try_from((right - left) * (bottom - top)).unwrap_or(u32::MAX);
                luma.push(each(*level, sum, count));
            }
        }
        luma
    }
}

/// Between which two of `len` pixels the middle of the enlarged pixel `at` lies, and how far
/// towards the second, in 256ths.
fn between(at: usize, halves: usize, len: usize) -> (usize, usize, u32) {
    // ((at + 1/2) / (halves / 2) - 1/2) in 256ths.
    let place = ((2 * at + 1) * 256 / halves).saturating_sub(128);
    let first = (place / 256).min(len - 1);
    (first, (first + 1).min(len - 1), u32::try_from(place % 256).unwrap_or(0))
}

fn shade(level: u32) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: usize, luma: &[u8]) -> Frame {
        Frame::new(width, luma.len() / width, luma.to_vec()).unwrap()
    }

    #[test]
    fn a_size_that_does_not_fit_its_pixels_is_refused() {
        assert_eq!(Frame::new(3, 2, vec![0; 5]), None);
        assert_eq!(Frame::new(0, 0, Vec::new()), None);
        assert_eq!(Frame::new(SIDE_MAX + 1, 1, vec![0; SIDE_MAX + 1]), None);
    }

    #[test]
    fn enlarging_keeps_the_edges_and_puts_shades_in_between() {
        let twice = frame(2, &[0, 100, 0, 100]).enlarged(4);
        assert_eq!((twice.width(), twice.height()), (4, 4));
        assert_eq!(&twice.luma()[..4], [0, 25, 75, 100]);
        let half_more = frame(4, &[7; 16]).enlarged(3);
        assert_eq!((half_more.width(), half_more.height()), (6, 6));
        assert!(half_more.luma().iter().all(|level| *level == 7));
    }

    #[test]
    fn the_centre_is_cut_out_evenly() {
        let middle = frame(4, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).centre(2, 1);
        assert_eq!(middle.luma(), [5, 6]);
        assert_eq!(frame(2, &[1, 2]).centre(9, 9).luma(), [1, 2]);
    }

    #[test]
    fn contrast_lifts_a_faint_print_whatever_the_light() {
        let bright = frame(4, &[210, 220, 210, 220, 210, 220, 210, 220]).contrasted(4);
        let dark = frame(4, &[10, 20, 10, 20, 10, 20, 10, 20]).contrasted(4);
        assert_eq!(bright, dark);
        assert_eq!(bright.luma()[..2], [88, 168]);
    }

    #[test]
    fn smoothing_takes_the_mean_of_the_neighbours_that_are_there() {
        assert_eq!(frame(3, &[0, 90, 0, 0, 90, 0, 0, 90, 0]).smoothed().luma()[3..6], [45, 30, 45]);
        assert_eq!(frame(2, &[0, 255]).inverted().luma(), [255, 0]);
    }
}
