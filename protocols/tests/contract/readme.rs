//! `README.md`: its examples are read with the types of both ends and lose nothing that they name;
//! each rule has an id of its own; every word of the contract occurs.

use std::collections::BTreeSet;

use data_encoding::{BASE64, HEXLOWER};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use shanmen_protocols::{
    device::{
        Ack, AckStatus, Body, COMMANDS_KEPT, ConfigReport, CredentialKind, DecisionResult,
        DeviceSettings, Down, Event, Hello, HelloStatus, JobState, LOG_MAX_EVENTS, LaneMode,
        ListChunk, Log, OPS, OfflineMode, OfflineSettings, Order, OrderBody, OrderState, Outcome,
        PassageBy, Request, ResponseStatus, Scan, State, Telemetry, What,
    },
    digest::DigestKey,
    ids::{DeviceKind, TicketId},
    list::{self, KeyEntry, TicketEntry},
    topic::UpKind,
};

use crate::messages::words;

const TEXT: &str = include_str!("../../README.md");

/// All examples: what stands behind the fence's `json`, and the example.
pub(crate) fn examples() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut rest = TEXT;
    while let Some(at) = rest.find("```json ") {
        let block = &rest[at + "```json ".len()..];
        let (name, body) = block.split_once('\n').unwrap();
        let (body, after) = body.split_once("```").unwrap();
        let example =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}: {body}"));
        found.push((name.trim().to_owned(), example));
        rest = after;
    }
    found
}

/// Reads and writes an example: every field that it names must come back as it was.
fn keeps<T: DeserializeOwned + Serialize>(name: &str, example: &Value) -> T {
    let read: T = serde_json::from_value(example.clone())
        .unwrap_or_else(|error| panic!("{name}: {error}: {example}"));
    contains(name, &serde_json::to_value(&read).unwrap(), example);
    read
}

fn contains(name: &str, written: &Value, example: &Value) {
    match (written, example) {
        (Value::Object(written), Value::Object(example)) => {
            for (key, value) in example {
                let found = written.get(key).unwrap_or(&Value::Null);
                contains(&format!("{name}.{key}"), found, value);
            }
        }
        (Value::Array(written), Value::Array(example)) => {
            assert_eq!(written.len(), example.len(), "{name}");
            for (written, example) in written.iter().zip(example) {
                contains(name, written, example);
            }
        }
        _ => assert_eq!(written, example, "{name}"),
    }
}

#[test]
fn every_example_of_the_contract_is_one() {
    let examples = examples();
    assert!(examples.len() >= 25, "{} examples", examples.len());
    for (name, example) in &examples {
        match name.as_str() {
            "up/state" => drop(keeps::<State>(name, example)),
            "up/hello" => drop(keeps::<Hello>(name, example)),
            "up/scan" => drop(keeps::<Scan>(name, example)),
            "up/event" => assert_ne!(keeps::<Event>(name, example).body, Body::Other),
            "up/log" => {
                for event in keeps::<Log>(name, example).events {
                    assert_ne!(event.body, Body::Other, "a type that nobody knows: {example}");
                }
            }
            "up/request" => assert_ne!(keeps::<Request>(name, example).what, What::Other),
            "up/ack" => assert_ne!(keeps::<Ack>(name, example).status, AckStatus::Other),
            "up/config" => drop(keeps::<ConfigReport>(name, example)),
            "up/telemetry" => drop(keeps::<Telemetry>(name, example)),
            "down" => downlink(name, example),
            "body/list" => drop(keeps::<ListChunk>(name, example)),
            "body/order" => drop(keeps::<OrderBody>(name, example)),
            "line/tickets" => drop(keeps::<TicketEntry>(name, example)),
            "line/keys" => drop(keeps::<KeyEntry>(name, example)),
            other => panic!("an example of {other}?"),
        }
    }
}

fn downlink(name: &str, example: &Value) {
    match keeps::<Down>(name, example) {
        Down::Other => panic!("a type that nobody knows: {example}"),
        Down::Command(command) => {
            let order = Order::read(&command.op, &command.args)
                .unwrap_or_else(|error| panic!("{error}: {example}"));
            let (_, written) = order.write();
            contains("args", &Value::Object(written), &example["args"]);
        }
        Down::Config(config) => drop(DeviceSettings::read(&config.config).unwrap()),
        _ => {}
    }
}

#[test]
fn every_rule_has_an_id_of_its_own() {
    let mut seen = BTreeSet::new();
    let rules = TEXT.lines().filter(|line| line.starts_with("- "));
    for rule in rules {
        let id = rule.strip_prefix("- **").and_then(|rest| rest.split_once("**"));
        let (id, _) = id.unwrap_or_else(|| panic!("a rule without an id: {rule}"));
        let parts: Vec<&str> = id.split('-').collect();
        let [prefix, part, number] = parts[..] else { panic!("no id: {id}") };
        assert!(
            prefix == "SM"
                && (2..=6).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_uppercase())
                && number.len() == 3
                && number.bytes().all(|b| b.is_ascii_digit()),
            "no id: {id}"
        );
        assert!(seen.insert(id), "{id} stands for two rules");
    }
    for (at, _) in TEXT.match_indices("SM-") {
        let named: String = TEXT[at..]
            .chars()
            .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        assert!(seen.contains(named.trim_end_matches('-')), "{named} is named, and is no rule");
    }
}

/// All words of a plain enum, as its schema has them.
fn of<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T).to_value();
    let listed = schema["enum"].as_array().into_iter().flatten();
    let told = schema["oneOf"].as_array().into_iter().flatten();
    let told = told.flat_map(|one| {
        one["enum"].as_array().cloned().unwrap_or_else(|| vec![one["const"].clone()])
    });
    let words = listed.cloned().chain(told).map(|word| word.as_str().unwrap().to_owned());
    words.collect()
}

fn keys<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T).to_value();
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

/// Whether the document writes a word as code, alone or in a row of words.
fn is_written(word: &str) -> bool {
    TEXT.split('`').skip(1).step_by(2).any(|code| {
        code.split(|c: char| c.is_whitespace() || c == '|' || c == '"').any(|one| one == word)
    })
}

#[test]
fn every_word_of_the_contract_occurs_in_the_document() {
    let up = UpKind::ALL.iter().map(|kind| format!("up/{}", kind.as_str())).collect();
    let offline = keys::<OfflineSettings>().iter().map(|key| format!("offline.{key}")).collect();
    let settings = keys::<DeviceSettings>().into_iter().filter(|key| key != "offline").collect();
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let all: [(&str, Vec<String>); 22] = [
        ("topics", up),
        ("downlinks", words::<Down>("type")),
        ("ops", owned(OPS)),
        ("requests", words::<What>("what")),
        ("facts", words::<Body>("type")),
        ("lists", owned(list::NAMES)),
        ("settings", settings),
        ("offline settings", offline),
        ("offline policies", of::<OfflineMode>()),
        ("acks", of::<AckStatus>()),
        ("responses", of::<ResponseStatus>()),
        ("hellos", of::<HelloStatus>()),
        ("results", of::<DecisionResult>()),
        ("outcomes", of::<Outcome>()),
        ("grounds", of::<PassageBy>()),
        ("credentials", of::<CredentialKind>()),
        ("modes", of::<LaneMode>()),
        ("kinds", of::<DeviceKind>()),
        ("jobs", of::<JobState>()),
        ("orders", of::<OrderState>()),
        ("order fields", keys::<shanmen_protocols::device::OrderLine>()),
        ("print jobs", keys::<shanmen_protocols::device::PrintJob>()),
    ];
    for (what, words) in all {
        assert!(words.len() > 2, "{what}: {words:?}");
        for word in words {
            assert!(is_written(&word), "{what}: {word} does not occur in README.md");
        }
    }
}

#[test]
fn the_ops_that_are_listed_are_those_of_the_type() {
    let mut listed = OPS.to_vec();
    let known = words::<Order>("op");
    let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[test]
fn the_numbers_of_the_document_are_those_of_the_code() {
    assert!(TEXT.contains(&format!("keeps the last {COMMANDS_KEPT} ids")));
    assert!(TEXT.contains(&format!("({LOG_MAX_EVENTS} facts,")));
    let chunk = shanmen_protocols::device::CHUNK_MAX_BYTES / 1024;
    assert!(TEXT.contains(&format!("in parts of {chunk} KiB at most")));
    let window = shanmen_protocols::device::UNDO_WINDOW_MS / 60_000;
    assert!(TEXT.contains(&format!("within {window} minutes")));
    let settings = DeviceSettings::default();
    for row in [
        format!("| `ttl_ms` | 200–10,000 | {} |", thousands(settings.ttl_ms)),
        format!("| `offline.max_age_s` | 0 and more | {} |", thousands(settings.offline.max_age_s)),
        format!("| `offline.max_count` | 0 and more | {} |", thousands(settings.offline.max_count)),
        format!("| `volume` | 0–100 | {} |", settings.volume),
        format!("| `tailgate_ms` | 0–10,000 | {} |", thousands(settings.tailgate_ms)),
        format!("| `loiter_ms` | 1,000–600,000 | {} |", thousands(settings.loiter_ms)),
    ] {
        assert!(TEXT.contains(&row), "{row}");
    }
}

fn thousands(n: u32) -> String {
    format!("{},{:03}", n / 1000, n % 1000)
}

#[test]
fn the_digests_of_the_document_are_right() {
    let key = DigestKey([1; 32]);
    let ticket = TicketId("01890000-0000-7000-8000-0000000000aa".parse().unwrap());
    let digests = [
        key.credential(CredentialKind::Qr, "ABC-123"),
        key.credential(CredentialKind::Rfid, "04A1B2C3"),
        key.issue(ticket, 1),
    ];
    for digest in digests {
        assert!(is_written(&digest.hex()), "{} does not occur in README.md", digest.hex());
    }
}

/// The list `deny` of the examples: before the change, what changes it, and how it is fetched.
#[test]
fn the_list_of_the_document_is_what_its_change_makes_of_it() {
    let examples = examples();
    let example = |found: &dyn Fn(&Value) -> bool| {
        examples.iter().map(|(_, example)| example).find(|e| found(e)).unwrap().clone()
    };
    let change = example(&|e| e["type"] == "list");
    let body = example(&|e| e["body"]["name"] == "deny")["body"].clone();
    let fetched = BASE64.decode(body["data"].as_str().unwrap().as_bytes()).unwrap();
    let text = String::from_utf8(fetched.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted() && text.ends_with('\n'));
    for line in change["add"].as_array().unwrap() {
        assert!(lines.contains(&line.as_str().unwrap()), "{line}");
    }
    for line in change["remove"].as_array().unwrap() {
        assert!(!lines.contains(&line.as_str().unwrap()), "{line}");
    }
    let sum = HEXLOWER.encode(&Sha256::digest(&fetched));
    let end = example(&|e| e["data"] == "");
    for said in [&change, &body, &end] {
        assert_eq!(said["sha256"], sum);
        assert_eq!(said["bytes"], fetched.len());
        assert_eq!(said["version"], change["version"]);
    }
    assert_eq!(change["count"], lines.len());
    assert_eq!(end["offset"], end["bytes"]);
}
