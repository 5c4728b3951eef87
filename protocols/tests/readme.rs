//! The contract's examples are read with the types of both ends, and lose nothing that they name.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use shanmen_protocols::device::{Down, Event, Hello, Log, Scan, State, Telemetry};

fn examples() -> Vec<(String, Value)> {
    let text = include_str!("../README.md");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("```json ") {
        let block = &rest[at + "```json ".len()..];
        let (name, body) = block.split_once('\n').unwrap();
        let (body, after) = body.split_once("```").unwrap();
        found.push((name.trim().to_owned(), serde_json::from_str(body).unwrap()));
        rest = after;
    }
    found
}

/// Reads and writes an example: every field that it names must come back as it was.
fn keeps<T: DeserializeOwned + Serialize>(name: &str, example: &Value) {
    let read: T = serde_json::from_value(example.clone())
        .unwrap_or_else(|error| panic!("{name}: {error}: {example}"));
    contains(name, &serde_json::to_value(read).unwrap(), example);
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
    assert!(examples.len() >= 9, "{} examples", examples.len());
    for (name, example) in &examples {
        match name.as_str() {
            "up/state" => keeps::<State>(name, example),
            "up/hello" => keeps::<Hello>(name, example),
            "up/scan" => keeps::<Scan>(name, example),
            "up/event" => keeps::<Event>(name, example),
            "up/log" => keeps::<Log>(name, example),
            "up/telemetry" => keeps::<Telemetry>(name, example),
            "down" => {
                keeps::<Down>(name, example);
                let down: Down = serde_json::from_value(example.clone()).unwrap();
                assert_ne!(down, Down::Other, "a type that nobody knows: {example}");
            }
            other => panic!("an example of {other}?"),
        }
    }
}
