//! All messages of the contract, each with the schema that its type has.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use shanmen_protocols::{
    device::{
        Ack, CommandDown, ConfigDown, ConfigReport, Decision, Down, Event, EventAck, Hello,
        HelloDown, ListChunk, ListDown, Log, Order, OrderBody, Request, Response, Scan, State,
        Telemetry,
    },
    list::{KeyEntry, TicketEntry},
    topic::UpKind,
};

/// Where a message is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a device, below `up/`.
    Up(UpKind),
    /// To a device, with this `type`.
    Down(&'static str),
    /// Within another: a response's `body`, or a line of a list.
    Within(&'static str),
}

/// One message.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    pub(crate) way: Way,
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
}

impl Message {
    /// `up-hello`, `down-decision`, `body-order`: what its schema is called.
    pub(crate) fn name(self) -> String {
        match self.way {
            Way::Up(kind) => format!("up-{}", kind.as_str()),
            Way::Down(kind) => format!("down-{kind}"),
            Way::Within(what) => what.replace('/', "-"),
        }
    }

    /// Whether an example of the document is one of this message.
    pub(crate) fn is(self, fence: &str, example: &Value) -> bool {
        match self.way {
            Way::Up(kind) => fence.strip_prefix("up/") == Some(kind.as_str()),
            Way::Down(kind) => fence == "down" && example["type"] == kind,
            Way::Within(what) => fence == what,
        }
    }
}

/// Every message.
pub(crate) fn all() -> Vec<Message> {
    let mut all: Vec<Message> =
        UpKind::ALL.iter().map(|&kind| Message { way: Way::Up(kind), schema: up(kind) }).collect();
    let down = |kind, schema| Message { way: Way::Down(kind), schema };
    let within = |what, schema| Message { way: Way::Within(what), schema };
    all.extend([
        down("hello", SchemaGenerator::subschema_for::<HelloDown>),
        down("decision", SchemaGenerator::subschema_for::<Decision>),
        down("event-ack", SchemaGenerator::subschema_for::<EventAck>),
        down("command", SchemaGenerator::subschema_for::<CommandDown>),
        down("config", SchemaGenerator::subschema_for::<ConfigDown>),
        down("list", SchemaGenerator::subschema_for::<ListDown>),
        down("response", SchemaGenerator::subschema_for::<Response>),
        within("body/list", SchemaGenerator::subschema_for::<ListChunk>),
        within("body/order", SchemaGenerator::subschema_for::<OrderBody>),
        within("line/tickets", SchemaGenerator::subschema_for::<TicketEntry>),
        within("line/keys", SchemaGenerator::subschema_for::<KeyEntry>),
    ]);
    all
}

fn up(kind: UpKind) -> fn(&mut SchemaGenerator) -> schemars::Schema {
    match kind {
        UpKind::State => SchemaGenerator::subschema_for::<State>,
        UpKind::Hello => SchemaGenerator::subschema_for::<Hello>,
        UpKind::Scan => SchemaGenerator::subschema_for::<Scan>,
        UpKind::Event => SchemaGenerator::subschema_for::<Event>,
        UpKind::Log => SchemaGenerator::subschema_for::<Log>,
        UpKind::Request => SchemaGenerator::subschema_for::<Request>,
        UpKind::Ack => SchemaGenerator::subschema_for::<Ack>,
        UpKind::Config => SchemaGenerator::subschema_for::<ConfigReport>,
        UpKind::Telemetry => SchemaGenerator::subschema_for::<Telemetry>,
    }
}

/// The schemas of some messages with all that they refer to, for a place in a document such as
/// `/definitions`; and the name of each message's own one.
pub(crate) fn definitions(place: &str, messages: &[Message]) -> (Map<String, Value>, Vec<String>) {
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = place.to_owned().into();
    let mut generator = settings.into_generator();
    let mut names = Vec::new();
    for message in messages {
        let schema = (message.schema)(&mut generator).to_value();
        let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        names.push(name);
    }
    let commanded = messages.iter().any(|message| message.way == Way::Down("command"));
    let order = commanded.then(|| generator.subschema_for::<Order>().to_value());
    let mut found = generator.take_definitions(true);
    for (message, name) in messages.iter().zip(&names) {
        let Way::Down(kind) = message.way else { continue };
        let schema = &mut found[name];
        schema["properties"]["type"] = json!({ "type": "string", "const": kind });
        schema["required"].as_array_mut().unwrap().insert(0, "type".into());
        if kind == "command" {
            schema["allOf"] = json!([order]);
        }
    }
    for schema in found.values_mut() {
        plain(schema);
    }
    (found, names)
}

/// Takes the marks of Rust's documentation out of descriptions.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace("[`super::", "`").replace("[`", "`").replace("`]", "`");
            }
            map.values_mut().for_each(plain);
        }
        Value::Array(all) => all.iter_mut().for_each(plain),
        _ => {}
    }
}

/// The words of a tagged type: all values that its `tag` has.
pub(crate) fn words<T: schemars::JsonSchema>(tag: &str) -> Vec<String> {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value();
    let variants = schema["oneOf"].as_array().unwrap();
    let word = |variant: &Value| variant["properties"][tag]["const"].as_str().unwrap().to_owned();
    variants.iter().map(word).collect()
}

#[test]
fn every_downlink_of_the_code_is_among_the_messages() {
    let mut listed: Vec<String> = all()
        .iter()
        .filter_map(|message| match message.way {
            Way::Down(kind) => Some(kind.to_owned()),
            Way::Up(_) | Way::Within(_) => None,
        })
        .collect();
    let mut known = words::<Down>("type");
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
}
