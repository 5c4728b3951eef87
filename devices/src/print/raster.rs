//! A picture of dots, printed or blank: what every printer language carries.
//!
//! One bit a dot, eight dots a byte, the leftmost in the highest bit, 1 is printed; each row begins
//! on a byte. It refuses a size of nothing or of more than a metre. The layout makes one, the
//! languages send it, the virtual printer puts one together again.

/// The most dots either way: a metre and more at 203 dpi.
pub const DOTS_MAX: u32 = 10_000;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// A side is none or too long.
    #[error("a picture of {width} by {height} dots: each side has 1 to {DOTS_MAX}")]
    Size {
        /// Dots from left to right.
        width: u32,
        /// Dots from top to bottom.
        height: u32,
    },
    /// It could not be drawn or written.
    #[error("the picture cannot be made: {0}")]
    Made(String),
}

/// The picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    row_bytes: usize,
    bits: Vec<u8>,
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raster({} by {} dots)", self.width, self.height)
    }
}

impl Raster {
    /// A blank one.
    ///
    /// # Errors
    /// [`NoPicture::Size`].
    pub fn blank(width: u32, height: u32) -> Result<Self, NoPicture> {
        if !(1..=DOTS_MAX).contains(&width) || !(1..=DOTS_MAX).contains(&height) {
            return Err(NoPicture::Size { width, height });
        }
        let row_bytes = width.div_ceil(8) as usize;
        Ok(Self { width, height, row_bytes, bits: vec![0; row_bytes * height as usize] })
    }

    /// Rows of `row_bytes` bytes as a printer gets them; a part of a row at the end is left out.
    ///
    /// # Errors
    /// [`NoPicture::Size`].
    pub fn from_rows(row_bytes: usize, bits: &[u8]) -> Result<Self, NoPicture> {
        let width = u32::try_from(row_bytes * 8).unwrap_or(u32::MAX);
        let rows = bits.len().checked_div(row_bytes).unwrap_or(0);
        let mut raster = Self::blank(width, u32::try_from(rows).unwrap_or(u32::MAX))?;
        raster.bits.copy_from_slice(&bits[..rows * row_bytes]);
        Ok(raster)
    }

    /// Dots from left to right.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Dots from top to bottom.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// All rows, from the top.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether the dot is printed; outside of the picture none is.
    pub fn is_printed(&self, x: u32, y: u32) -> bool {
        x < self.width
            && y < self.height
            && self.bits[y as usize * self.row_bytes + (x / 8) as usize] & (0x80 >> (x % 8)) != 0
    }

    /// Prints the dot; outside of the picture nothing happens.
    pub fn print(&mut self, x: u32, y: u32) {
        if x < self.width && y < self.height {
            self.bits[y as usize * self.row_bytes + (x / 8) as usize] |= 0x80 >> (x % 8);
        }
    }

    /// The same picture in the middle of `width` dots, for a head wider than the layout; cut on
    /// both sides where it is narrower.
    ///
    /// # Errors
    /// [`NoPicture::Size`].
    pub fn centred(&self, width: u32) -> Result<Self, NoPicture> {
        let mut wide = Self::blank(width, self.height)?;
        for y in 0..self.height {
            for x in 0..width {
                let inside = i64::from(x) + (i64::from(self.width) - i64::from(width)) / 2;
                if u32::try_from(inside).is_ok_and(|x| self.is_printed(x, y)) {
                    wide.print(x, y);
                }
            }
        }
        Ok(wide)
    }

    /// Black on white as PNG.
    ///
    /// # Errors
    /// [`NoPicture::Made`].
    pub fn png(&self) -> Result<Vec<u8>, NoPicture> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let made = |error: png::EncodingError| NoPicture::Made(error.to_string());
        let mut writer = encoder.write_header().map_err(made)?;
        let white_is_one: Vec<u8> = self.bits.iter().map(|byte| !byte).collect();
        writer.write_image_data(&white_is_one).map_err(made)?;
        writer.finish().map_err(made)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_where_it_was_printed_and_nowhere_else() {
        let mut raster = Raster::blank(10, 3).unwrap();
        raster.print(9, 2);
        raster.print(10, 0);
        assert!(raster.is_printed(9, 2));
        assert_eq!(raster.bits().iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    }

    #[test]
    fn a_wider_head_prints_in_the_middle() {
        let mut raster = Raster::blank(2, 1).unwrap();
        raster.print(0, 0);
        let wide = raster.centred(6).unwrap();
        let printed: Vec<u32> = (0..6).filter(|x| wide.is_printed(*x, 0)).collect();
        assert_eq!(printed, [2]);
    }

    #[test]
    fn rows_of_a_printer_make_the_same_picture() {
        let mut raster = Raster::blank(16, 4).unwrap();
        raster.print(3, 1);
        assert_eq!(Raster::from_rows(raster.row_bytes(), raster.bits()).unwrap(), raster);
        assert!(Raster::from_rows(0, &[]).is_err());
    }
}
