//! The contract's document, its schemas and its `AsyncAPI` description, held against the types.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod asyncapi;
mod check;
mod messages;
mod readme;
mod schemas;

use serde_json::Value;

/// Compares a committed file with what it should be; with `SHANMEN_WRITE_DOCS` set it is written
/// first. Compared as JSON: the order of keys says nothing, and may follow how `serde_json` is built.
fn same_as_file(path: &str, should: &Value) {
    let whole = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SHANMEN_WRITE_DOCS").is_some() {
        std::fs::write(&whole, serde_json::to_string_pretty(should).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&whole).unwrap_or_default();
    let is: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(
        is == *should,
        "protocols/{path} is not what the types say, first at {}\n\
         write it anew: SHANMEN_WRITE_DOCS=1 cargo test -p shanmen-protocols --test contract",
        first_difference(&is, should).unwrap_or_default(),
    );
}

/// Where two values part, as a JSON pointer.
fn first_difference(is: &Value, should: &Value) -> Option<String> {
    let inside = |place: String, is: Option<&Value>, should: &Value| {
        let rest = is.map_or(Some(String::new()), |is| first_difference(is, should));
        rest.map(|rest| format!("/{place}{rest}"))
    };
    match (is, should) {
        _ if is == should => None,
        (Value::Object(a), Value::Object(b)) => b
            .iter()
            .find_map(|(key, value)| inside(key.clone(), a.get(key), value))
            .or_else(|| a.keys().find(|key| !b.contains_key(*key)).map(|key| format!("/{key}"))),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            b.iter().enumerate().find_map(|(n, value)| inside(n.to_string(), a.get(n), value))
        }
        _ => Some(String::new()),
    }
}
