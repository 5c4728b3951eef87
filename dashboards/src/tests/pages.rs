//! The pages as they are served, asked for in plain HTTP.

use std::{collections::BTreeSet, io::Read as _};

use serde_json::Value;
use shanmen_protocols::{
    feed::{Delta, Frame},
    reason::Reason,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::fixture::{Fed, Served, now};
use crate::{Limits, pages};

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

async fn serve() -> Served {
    Fed::new(Limits::default()).serve().await
}

async fn get(served: &Served, path: &str, more: &str) -> Answer {
    let (head, body) = raw(served, path, more).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: String::from_utf8(body).unwrap() }
}

async fn raw(served: &Served, path: &str, more: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let ask =
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{more}\r\n", served.addr);
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec())
}

/// The modules and files that `text` names, as absolute paths.
fn named(text: &str, base: &str) -> BTreeSet<String> {
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let attributes = text.split('"').filter(|name| name.starts_with("/assets/"));
    let mut found: BTreeSet<String> = attributes.map(str::to_owned).collect();
    for line in text.lines().filter(|line| line.starts_with("import ")) {
        let name = line.split('\'').nth(1).unwrap();
        if let Some(rest) = name.strip_prefix("../") {
            found.insert(format!("/assets/{rest}"));
        } else if let Some(rest) = name.strip_prefix("./") {
            found.insert(format!("{folder}/{rest}"));
        }
    }
    found
}

#[tokio::test]
async fn everything_that_the_wall_names_is_served_from_here() {
    let served = serve().await;
    let wall = get(&served, "/wall", "").await;
    assert_eq!(wall.status, 200);
    let mut open: Vec<String> = named(&wall.body, "/wall").into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = get(&served, &path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let ending = path.rsplit_once('.').unwrap().1;
        let expected = match ending {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{path}: {other}"),
        };
        assert_eq!(answer.header("content-type"), Some(expected), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        if ending == "js" {
            open.extend(named(&answer.body, &path));
        }
    }
    assert!(seen.contains("/assets/reasons.js") && seen.len() > 15, "{seen:?}");
}

#[tokio::test]
async fn pages_take_nothing_from_another_host_and_are_asked_about_each_time() {
    let served = serve().await;
    for path in ["/wall", "/assets/wall.css", "/assets/reasons.js", "/assets/build.js"] {
        let answer = get(&served, path, "").await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let etag = answer.header("etag").unwrap();
        let again = get(&served, path, &format!("if-none-match: {etag}\r\n")).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        let other = get(&served, path, "if-none-match: \"other\"\r\n").await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_the_start_leads_to_the_wall() {
    let served = serve().await;
    for path in
        ["/assets/none.js", "/assets/../Cargo.toml", "/assets/%2e%2e/Cargo.toml", "/assets/"]
    {
        assert_eq!(get(&served, path, "").await.status, 404, "{path}");
    }
    assert_eq!(get(&served, "/assets/vendor/echarts.d.ts", "").await.status, 404);
    let start = get(&served, "/", "").await;
    if pages::Assets::get("index.html").is_some() {
        assert_eq!(start.status, 200);
    } else {
        assert_eq!((start.status, start.header("location")), (307, Some("/wall")));
    }
    for page in ["wall", "flow", "ops", "login"] {
        let expected =
            if pages::Assets::get(&format!("{page}.html")).is_some() { 200 } else { 404 };
        assert_eq!(get(&served, &format!("/{page}"), "").await.status, expected, "{page}");
    }
    assert_eq!(get(&served, "/feed", "").await.status, 426, "not a WebSocket");
}

#[tokio::test]
async fn a_key_leaves_the_address_of_the_wall_at_once() {
    let served = serve().await;
    let way = async |path: &str| {
        let answer = get(&served, path, "").await;
        (answer.status, answer.header("location").map(str::to_owned))
    };
    assert_eq!(way("/wall?key=good").await, (303, Some("/wall".into())));
    assert_eq!(way("/wall?lang=en&key=good").await, (303, Some("/wall?lang=en".into())));
    assert_eq!(way("/wall?key=bad").await, (401, None));
    assert_eq!(way("/wall?lang=en").await, (200, None));
}

#[tokio::test]
async fn a_large_asset_is_packed_for_those_who_ask() {
    let served = serve().await;
    let path = "/assets/vendor/echarts.js";
    let (plain_head, plain) = raw(&served, path, "").await;
    let (head, packed) = raw(&served, path, "accept-encoding: br, gzip\r\n").await;
    let packed_head = head.to_lowercase();
    assert!(packed_head.contains("content-encoding: gzip"), "{packed_head}");
    assert!(packed.len() * 2 < plain.len(), "{} of {}", packed.len(), plain.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain, "the same file");
    let tag = |head: &str| {
        let head = head.to_lowercase();
        assert!(head.contains("vary: accept-encoding"), "a cache between must know");
        let line = head.lines().find_map(|line| line.strip_prefix("etag: ").map(str::to_owned));
        line.expect("a tag")
    };
    let (plain_tag, packed_tag) = (tag(&plain_head), tag(&head));
    assert_ne!(plain_tag, packed_tag, "each form has a tag of its own");
    let again = format!("accept-encoding: gzip\r\nif-none-match: {packed_tag}\r\n");
    assert_eq!(get(&served, path, &again).await.status, 304);
    let small = get(&served, "/assets/icon.svg", "accept-encoding: gzip\r\n").await;
    assert_eq!(small.header("content-encoding"), None, "it would gain nothing");
}

#[tokio::test]
async fn the_pages_say_of_every_reason_what_the_lanes_say() {
    let served = serve().await;
    let module = get(&served, "/assets/reasons.js", "").await.body;
    for &reason in Reason::ALL {
        let row = reason.row();
        let line = format!(
            "  {}: {{ zh: {}, en: {} }},",
            row.code,
            Value::from(row.display.zh),
            Value::from(row.display.en)
        );
        assert!(module.lines().any(|held| held == line), "{line}");
    }
}

#[tokio::test]
async fn the_pages_types_name_every_field_of_the_feed() {
    let served = serve().await;
    let types = get(&served, "/assets/lib/state.js", "").await.body;
    let state = serde_json::from_str(include_str!("full_snapshot.json")).unwrap();
    let frame = serde_json::to_value(Frame::Snapshot { seq: 1, at: now(), state: &state }).unwrap();
    let delta = Delta { today: Some(state.today.clone()), ..Delta::default() };
    let delta = serde_json::to_value(Frame::Delta { seq: 2, at: now(), changes: &delta }).unwrap();
    let mut keys = BTreeSet::new();
    for value in [&frame, &delta] {
        collect(value, &mut keys);
    }
    for key in keys {
        assert!(types.contains(&key), "state.js knows no {key}");
    }
}

/// All field names below `value`, but for maps whose keys are codes.
fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                keys.insert(key.clone());
                if !matches!(
                    key.as_str(),
                    "by_reason" | "by_class" | "by_channel" | "name" | "plan"
                ) {
                    collect(inner, keys);
                }
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| collect(row, keys)),
        _ => {}
    }
}
