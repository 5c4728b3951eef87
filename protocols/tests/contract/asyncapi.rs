//! `asyncapi.json`: the contract as an `AsyncAPI` 3.0 document, from the device's view, for those who
//! make their code or their pages of it.

use serde_json::{Map, Value, json};
use shanmen_protocols::{
    device::VERSION,
    topic::{ALL, PREFIX, UpKind},
};

use crate::{
    messages::{self, Way},
    readme::examples,
    same_as_file,
};

/// How an uplink is sent and what answers it.
struct Sent {
    about: &'static str,
    retain: bool,
    qos: u8,
    /// After how many seconds it is worth nothing.
    expiry_s: Option<u32>,
    answered: Option<&'static str>,
}

fn sent(kind: UpKind) -> Sent {
    let of =
        |about, qos, expiry_s, answered| Sent { about, retain: false, qos, expiry_s, answered };
    match kind {
        UpKind::State => {
            Sent { retain: true, ..of("Birth; the will is the death.", 1, None, None) }
        }
        UpKind::Hello => of("The handshake after each connect.", 1, Some(30), Some("hello")),
        UpKind::Scan => of("A presentation; expires with its ttl.", 1, Some(2), Some("decision")),
        UpKind::Event => of("A durable fact, live.", 1, None, Some("event-ack")),
        UpKind::Log => of("Durable facts, after an outage.", 1, None, Some("event-ack")),
        UpKind::Request => of("A question.", 1, Some(30), Some("response")),
        UpKind::Ack => of("The answer to a command.", 1, None, None),
        UpKind::Config => of("What is in force.", 1, None, None),
        UpKind::Telemetry => of("Health and counters.", 0, Some(60), None),
    }
}

/// What is heard unasked: the channel, the message, what it is about, what answers it.
const HEARD: [(&str, &str, &str, Option<&str>); 4] = [
    ("down", "command", "An order, meant for this session.", Some("ack")),
    ("down", "config", "What should be in force.", Some("config")),
    ("down", "list", "A list has changed.", None),
    ("allDown", "command", "An order to every device of the site.", Some("ack")),
];

fn document() -> Value {
    let all: Vec<_> = messages::all();
    let (schemas, names) = messages::definitions("/components/schemas", &all);
    let mut parts = Map::new();
    let mut down = Map::new();
    let mut channels = Map::new();
    let mut operations = Map::new();
    for (message, schema) in all.iter().zip(&names) {
        let name = message.name();
        let here = json!({ "$ref": format!("#/components/messages/{name}") });
        match message.way {
            Way::Within(_) => continue,
            Way::Down(kind) => {
                down.insert(kind.to_owned(), here);
            }
            Way::Up(kind) => {
                let kind_name = kind.as_str();
                channels.insert(
                    kind_name.to_owned(),
                    channel(
                        &format!("{PREFIX}/{{site}}/{{device}}/up/{kind_name}"),
                        &Map::from_iter([(kind_name.to_owned(), here)]),
                    ),
                );
                operations.insert(format!("send-{kind_name}"), send(kind));
            }
        }
        let payloads: Vec<Value> = examples()
            .into_iter()
            .filter(|(fence, example)| message.is(fence, example))
            .map(|(_, example)| json!({ "payload": example }))
            .collect();
        parts.insert(
            name.clone(),
            json!({
                "name": name,
                "contentType": "application/json",
                "payload": { "$ref": format!("#/components/schemas/{schema}") },
                "examples": payloads,
            }),
        );
    }
    let group = Map::from_iter([("command".to_owned(), down["command"].clone())]);
    channels.insert("down".into(), channel(&format!("{PREFIX}/{{site}}/{{device}}/down"), &down));
    channels.insert("allDown".into(), channel(&format!("{PREFIX}/{{site}}/{ALL}/down"), &group));
    for (place, kind, about, answered) in HEARD {
        let mut operation = json!({
            "action": "receive",
            "summary": about,
            "channel": { "$ref": format!("#/channels/{place}") },
            "messages": [{ "$ref": format!("#/channels/{place}/messages/{kind}") }],
            "bindings": { "mqtt": { "qos": 1, "bindingVersion": "0.2.0" } },
        });
        if let Some(answer) = answered {
            operation["reply"] = reply(answer, answer);
        }
        operations.insert(
            format!("receive-{kind}{}", if place == "down" { "" } else { "-to-all" }),
            operation,
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Shanmen's device protocol",
            "version": VERSION,
            "description": "Seen from the device: it sends what stands below `up/` and receives \
                what stands on `down`. The rules are in protocols/README.md; the schemas say what \
                this version says, a receiver ignores what it does not know.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": parts, "schemas": schemas },
    })
}

fn channel(address: &str, messages: &Map<String, Value>) -> Value {
    let mut parameters = json!({ "site": { "description": "The site's id." } });
    if address.contains("{device}") {
        parameters["device"] = json!({ "description": "The device's id." });
    }
    json!({ "address": address, "parameters": parameters, "messages": messages })
}

fn send(kind: UpKind) -> Value {
    let Sent { about, retain, qos, expiry_s, answered } = sent(kind);
    let name = kind.as_str();
    let mut binding = json!({ "qos": qos, "retain": retain, "bindingVersion": "0.2.0" });
    if let Some(seconds) = expiry_s {
        binding["messageExpiryInterval"] = seconds.into();
    }
    let mut operation = json!({
        "action": "send",
        "summary": about,
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
        "bindings": { "mqtt": binding },
    });
    if let Some(answer) = answered {
        operation["reply"] = reply("down", answer);
    }
    operation
}

fn reply(channel: &str, message: &str) -> Value {
    json!({
        "channel": { "$ref": format!("#/channels/{channel}") },
        "messages": [{ "$ref": format!("#/channels/{channel}/messages/{message}") }],
    })
}

#[test]
fn the_asyncapi_document_is_what_the_types_say() {
    same_as_file("asyncapi.json", &document());
}

#[test]
fn whatever_the_asyncapi_document_refers_to_is_in_it() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(all) => all.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{} references", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
