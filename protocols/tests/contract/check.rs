//! Whether a value fits a schema: the words of JSON Schema (draft 7) that our schemas use, and no
//! others; a word that is not known here fails the test, so that nothing goes unchecked.

use serde_json::Value;

/// What is wrong with a value, each with its place; nothing when it fits.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Check { root: schema }.look(schema, value, "", &mut found);
    found
}

struct Check<'s> {
    root: &'s Value,
}

impl Check<'_> {
    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.look(schema, value, "", &mut found);
        found.is_empty()
    }

    fn look(&self, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(true) => return,
            other => panic!("a schema that is none: {other}"),
        };
        for (word, says) in schema {
            let good = match word.as_str() {
                "$schema" | "title" | "description" | "default" | "definitions" => true,
                "$ref" => {
                    let pointer = says.as_str().unwrap().strip_prefix('#').unwrap();
                    self.look(self.root.pointer(pointer).unwrap(), value, place, found);
                    true
                }
                "allOf" => {
                    for part in says.as_array().unwrap() {
                        self.look(part, value, place, found);
                    }
                    true
                }
                "anyOf" => says.as_array().unwrap().iter().any(|part| self.fits(part, value)),
                "oneOf" => {
                    let parts = says.as_array().unwrap().iter();
                    parts.filter(|part| self.fits(part, value)).count() == 1
                }
                "const" => says == value,
                "enum" => says.as_array().unwrap().contains(value),
                "type" => match says {
                    Value::Array(types) => types.iter().any(|one| is_of(one, value)),
                    one => is_of(one, value),
                },
                "format" => format_fits(says.as_str().unwrap(), value),
                "pattern" => value.as_str().is_none_or(|text| {
                    assert_eq!(says, "^[a-z0-9-]{1,32}$", "a pattern that is not known here");
                    shanmen_protocols::ids::is_name(text)
                }),
                "minLength" => length(value).is_none_or(|n| says.as_u64().unwrap() <= n),
                "maxLength" => length(value).is_none_or(|n| n <= says.as_u64().unwrap()),
                "minimum" => value.as_f64().is_none_or(|n| says.as_f64().unwrap() <= n),
                "maximum" => value.as_f64().is_none_or(|n| n <= says.as_f64().unwrap()),
                "items" => {
                    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.look(says, item, &format!("{place}/{n}"), found);
                    }
                    true
                }
                "required" => value.as_object().is_none_or(|map| {
                    says.as_array()
                        .unwrap()
                        .iter()
                        .all(|key| map.contains_key(key.as_str().unwrap()))
                }),
                "properties" => {
                    for (key, part) in says.as_object().unwrap() {
                        if let Some(held) = value.get(key) {
                            self.look(part, held, &format!("{place}/{key}"), found);
                        }
                    }
                    true
                }
                "patternProperties" => {
                    let vendors = serde_json::json!({ "^x-": {} });
                    assert_eq!(*says, vendors, "a pattern that is not known here");
                    true
                }
                "additionalProperties" => {
                    for (key, held) in value.as_object().into_iter().flatten() {
                        let own =
                            schema.get("properties").is_some_and(|all| all.get(key).is_some());
                        let vendors = schema.contains_key("patternProperties");
                        if own || vendors && key.starts_with("x-") {
                            continue;
                        }
                        if *says == false {
                            found.push(format!("{place}/{key}: not known"));
                        } else {
                            self.look(says, held, &format!("{place}/{key}"), found);
                        }
                    }
                    true
                }
                other => panic!("{other}: a word of JSON Schema that is not known here"),
            };
            if !good {
                found.push(format!("{place}: {word} {says}: {value}"));
            }
        }
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other}: a type that is not known here"),
    }
}

fn format_fits(format: &str, value: &Value) -> bool {
    match format {
        "uuid" => value.as_str().is_none_or(|text| uuid::Uuid::try_parse(text).is_ok()),
        // The range of these stands beside them, or is that of JSON's own numbers.
        "uint8" | "uint16" | "uint32" | "uint64" | "int64" => true,
        other => panic!("{other}: a format that is not known here"),
    }
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}
