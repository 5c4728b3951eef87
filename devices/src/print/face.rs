//! The embedded font, Noto Sans SC in part (`assets/OFL.txt`): which characters it has and how wide
//! they are.
//!
//! It refuses to leave a gap: a character that it has not is printed as a box and named to whoever
//! prints. The layout calls it.

use std::sync::{Arc, LazyLock};

use resvg::usvg::fontdb;
use skrifa::{
    FontRef, MetadataProvider as _,
    instance::{LocationRef, Size},
};

/// The font's file.
const FILE: &[u8] = include_bytes!("../../assets/noto-sans-sc-subset.otf");

/// The name by which the layout calls for it.
pub(super) const FAMILY: &str = "Noto Sans CJK SC";

/// What stands for a character that the font has not.
pub const BOX: char = '□';

/// The font as the drawing library wants it; parsed once.
static DRAWN: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_source(fontdb::Source::Binary(Arc::new(FILE)));
    Arc::new(fonts)
});

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads it")]
static FACE: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::new(FILE).expect("the embedded font is a font"));

/// The font for drawing.
pub(super) fn drawn() -> Arc<fontdb::Database> {
    Arc::clone(&DRAWN)
}

/// Whether the font has the character.
pub fn has(character: char) -> bool {
    FACE.charmap().map(character).is_some()
}

/// What can be printed of a text: characters that the font has not become boxes and are added to
/// `missing`, each once; control characters and line ends become spaces.
pub fn printable(text: &str, missing: &mut Vec<char>) -> String {
    text.chars()
        .map(|character| match character {
            character if character.is_control() => ' ',
            character if has(character) => character,
            character => {
                if !missing.contains(&character) {
                    missing.push(character);
                }
                BOX
            }
        })
        .collect()
}

/// The width of a text in dots, at `size` dots a line.
pub fn width(text: &str, size: f32) -> f32 {
    let metrics = FACE.glyph_metrics(Size::new(size), LocationRef::default());
    let charmap = FACE.charmap();
    text.chars()
        .map(|character| {
            charmap.map(character).and_then(|glyph| metrics.advance_width(glyph)).unwrap_or(size)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_gb_2312_can_be_printed() {
        let (mut characters, mut missing) = (0, Vec::new());
        for high in (0xA1..=0xA9).chain(0xB0..=0xF7_u8) {
            for low in 0xA1..=0xFE_u8 {
                let bytes = [high, low];
                let (text, faults) = encoding_rs::GBK.decode_without_bom_handling(&bytes);
                let character = text.chars().next().unwrap();
                // The GBK table has some more between the symbols of GB 2312.
                if faults
                    || (high < 0xB0 && !has(character))
                    || ('\u{E000}'..='\u{F8FF}').contains(&character)
                {
                    continue;
                }
                characters += 1;
                printable(&text, &mut missing);
            }
        }
        assert!(missing.is_empty(), "{missing:?} of {characters}");
        assert!(characters >= 6_763, "{characters}");
    }

    #[test]
    fn a_missing_character_is_a_box_and_is_named_once() {
        let mut missing = Vec::new();
        assert_eq!(printable("王𬱖𬱖\n好", &mut missing), "王□□ 好");
        assert_eq!(missing, ['𬱖']);
        assert!(has(BOX));
    }

    #[test]
    fn a_chinese_character_is_as_wide_as_it_is_high() {
        assert!((width("票", 40.0) - 40.0).abs() < 0.01);
        assert!(width("i", 40.0) < 20.0);
    }
}
