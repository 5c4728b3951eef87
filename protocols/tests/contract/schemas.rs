//! `schemas/*.json`: one JSON Schema (draft 7) for each message, made of the types.

use serde_json::{Value, json};

use crate::{
    check,
    messages::{self, Message, Way},
    readme::examples,
    same_as_file,
};

/// A message's schema as a document of its own.
pub(crate) fn of(message: Message) -> Value {
    let (mut definitions, names) = messages::definitions("/definitions", &[message]);
    let mut schema = definitions.remove(&names[0]).unwrap();
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = message.name().into();
    if !definitions.is_empty() {
        schema["definitions"] = Value::Object(definitions);
    }
    schema
}

fn named(name: &str) -> Value {
    let found = messages::all().into_iter().find(|message| message.name() == name);
    of(found.unwrap_or_else(|| panic!("no message is called {name}")))
}

#[test]
fn the_schemas_are_those_of_the_types_and_there_are_no_others() {
    let mut files = Vec::new();
    for message in messages::all() {
        let file = format!("{}.json", message.name());
        same_as_file(&format!("schemas/{file}"), &of(message));
        files.push(file);
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
    let there = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let mut there: Vec<String> = there.map(|name| name.into_string().unwrap()).collect();
    files.sort();
    there.sort();
    assert_eq!(there, files);
}

#[test]
fn every_example_of_the_document_fits_its_schema_and_every_message_has_one() {
    let examples = examples();
    let messages = messages::all();
    for (fence, example) in &examples {
        let message = messages.iter().find(|message| message.is(fence, example));
        let message = message.unwrap_or_else(|| panic!("no schema for {fence}: {example}"));
        let problems = check::problems(&of(*message), example);
        assert!(problems.is_empty(), "{fence}: {problems:#?}: {example}");
    }
    for message in messages {
        let has_one = examples.iter().any(|(fence, example)| message.is(fence, example));
        assert!(has_one, "no example of {}", message.name());
    }
}

#[test]
fn an_example_without_a_field_that_it_needs_does_not_fit() {
    for (fence, example) in examples() {
        let all = messages::all();
        let message = all.iter().find(|message| message.is(&fence, &example)).unwrap();
        let schema = of(*message);
        for name in schema["required"].as_array().into_iter().flatten() {
            let mut less = example.clone();
            less.as_object_mut().unwrap().remove(name.as_str().unwrap());
            assert!(!check::problems(&schema, &less).is_empty(), "{fence} without {name}");
        }
    }
}

#[test]
fn what_the_contract_does_not_know_does_not_fit() {
    let id = "01890000-0000-7000-8000-000000000001";
    let command = |op: &str, args: Value| json!({ "type": "command", "id": id, "session": "7", "op": op, "args": args, "ttl_ms": 1 });
    let config =
        |config: Value| json!({ "type": "config", "session": "7", "version": 1, "config": config });
    for (name, right, wrong) in [
        ("down-command", command("mode", json!({ "mode": "free" })), command("dance", json!({}))),
        ("down-command", command("open", json!({})), command("mode", json!({ "mode": "shut" }))),
        ("down-config", config(json!({ "x-fan": 1 })), config(json!({ "fan": 1 }))),
        ("down-config", config(json!({ "ttl_ms": 200 })), config(json!({ "ttl_ms": 199 }))),
        (
            "up-state",
            json!({ "online": true, "session": "7" }),
            json!({ "online": true, "session": "" }),
        ),
        ("up-request", json!({ "id": id, "what": "time" }), json!({ "id": "7", "what": "time" })),
        (
            "up-request",
            json!({ "id": id, "what": "quote", "lines": [{ "product": "day", "count": 1 }] }),
            json!({ "id": id, "what": "quote", "lines": [{ "product": "Day!", "count": 1 }] }),
        ),
    ] {
        let schema = named(name);
        assert_eq!(check::problems(&schema, &right), [] as [String; 0]);
        assert!(!check::problems(&schema, &wrong).is_empty(), "{name}: {wrong}");
    }
}

#[test]
fn every_message_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<String> =
        messages::all().iter().map(|message| message.name()).collect();
    assert_eq!(names.len(), messages::all().len());
    assert!(messages::all().iter().any(|message| message.way == Way::Within("body/order")));
}
