//! Large text assets in gzip, for those who ask: made once, at the first asking, and kept.
//!
//! Only text goes in, and only what is worth the trouble; the chart library is a third of its size
//! so. Called by the pages.

use std::{collections::BTreeMap, io::Write as _, sync::LazyLock};

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use flate2::{Compression, write::GzEncoder};
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::pages::Assets;

/// A file that fits into one packet gains nothing.
const WORTH_BYTES: usize = 1400;

/// The endings of what is text.
const TEXT: [&str; 6] = [".html", ".css", ".js", ".svg", ".json", ".txt"];

static PACKED: LazyLock<BTreeMap<String, OnceCell<Option<Bytes>>>> = LazyLock::new(|| {
    let text = |path: &str| TEXT.iter().any(|ending| path.ends_with(ending));
    let worth = |path: &str| Assets::get(path).is_some_and(|file| file.data.len() > WORTH_BYTES);
    Assets::iter()
        .filter(|path| text(path) && worth(path))
        .map(|path| (path.into_owned(), OnceCell::new()))
        .collect()
});

/// Whether `path` is answered in one form or the other, depending on who asks.
pub(crate) fn varies(path: &str) -> bool {
    PACKED.contains_key(path)
}

/// The asset in gzip; none where it is not kept so.
pub(crate) async fn packed(path: &str) -> Option<Bytes> {
    let (path, cell) = PACKED.get_key_value(path)?;
    // Some 50 ms for the largest one: on a thread of its own, since the gates' decisions run on
    // these threads too.
    let make = async || spawn_blocking(move || pack(path)).await.ok().flatten();
    cell.get_or_init(make).await.clone()
}

fn pack(path: &str) -> Option<Bytes> {
    let file = Assets::get(path)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&file.data).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether `headers` ask for gzip (RFC 9110, 12.5.3).
pub(crate) fn asked(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
            name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_name_it_and_do_not_refuse_it() {
        let check = |value: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(asked(&headers), expected, "{value}");
        };
        check("gzip", true);
        check("br, GZIP;q=0.5", true);
        check("deflate, br", false);
        check("gzip;q=0", false);
        check("gzip;q=much", false);
        assert!(!asked(&HeaderMap::new()));
    }
}
