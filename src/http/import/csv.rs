//! A line of CSV (RFC 4180, one line a record) as a ticket.

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use shanmen_actors::api::NewTicket;
use shanmen_protocols::device::Credential;

const NAMES: [&str; 9] = [
    "product",
    "id",
    "visit_date",
    "slot",
    "persons",
    "status",
    "credential_type",
    "credential",
    "channel",
];

/// Which column is which: for each of `NAMES` its place in a line.
#[derive(Debug)]
pub(super) struct Columns {
    places: [Option<usize>; NAMES.len()],
    count: usize,
}

impl Columns {
    /// Reads the line of names.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let names = fields(line)?;
        let mut places = [None; NAMES.len()];
        for (place, name) in names.iter().enumerate() {
            let known = NAMES.iter().position(|known| *known == name.trim());
            let slot = known.and_then(|ix| places.get_mut(ix)).filter(|slot| slot.is_none());
            *slot.ok_or_else(|| {
                format!(
                    "line 1: unknown or repeated column {name:?}; there are {}",
                    NAMES.join(", ")
                )
            })? = Some(place);
        }
        if places[0].is_none() {
            return Err("line 1: there is no column \"product\"".to_owned());
        }
        Ok(Self { places, count: names.len() })
    }

    /// Reads a ticket; an empty field is none.
    pub(super) fn ticket(&self, line: &str) -> Result<NewTicket, String> {
        let fields = fields(line)?;
        if fields.len() != self.count {
            return Err(format!("there are {} fields instead of {}", fields.len(), self.count));
        }
        let field = |ix: usize| {
            let place = self.places.get(ix).copied().flatten()?;
            fields.get(place).map(|text| text.trim()).filter(|text| !text.is_empty())
        };
        let credentials = match (field(6), field(7)) {
            (None, None) => Vec::new(),
            (Some(kind), Some(data)) => {
                vec![Credential { kind: word("credential_type", kind)?, data: data.to_owned() }]
            }
            _ => return Err("credential_type and credential go together".to_owned()),
        };
        let persons = |text: &str| text.parse().map_err(|_| "persons is no number".to_owned());
        Ok(NewTicket {
            product: word("product", field(0).unwrap_or_default())?,
            id: field(1).map(|id| word("id", id)).transpose()?,
            visit_date: field(2).map(str::to_owned),
            slot: field(3).map(str::to_owned),
            persons: field(4).map(persons).transpose()?,
            status: field(5).map(|status| word("status", status)).transpose()?,
            credentials,
            channel: field(8).map(|channel| word("channel", channel)).transpose()?,
            holder: None,
        })
    }
}

fn word<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, String> {
    let fault = |fault: serde::de::value::Error| format!("{column}: {fault}");
    T::deserialize(text.into_deserializer()).map_err(fault)
}

/// The fields of a line: quoted ones may hold commas, and quotes doubled.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(next) => rest = next,
            None if tail.is_empty() => return Ok(fields),
            None => return Err("there is text behind a closing quote".to_owned()),
        }
    }
}

/// What is left of a field whose opening quote is taken, and what follows its closing one.
fn unquote(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let end = rest.find('"').ok_or("a quote is not closed")?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(tail) => {
                field.push('"');
                rest = tail;
            }
            None => return Ok((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_ticket() {
        let columns =
            Columns::read("product,visit_date,persons,credential_type,credential").unwrap();
        let ticket = columns.ticket("adult-day,2026-10-01,,qr,\"A,\"\"1\"\"\"").unwrap();
        assert_eq!(ticket.product.as_str(), "adult-day");
        assert_eq!(ticket.visit_date.as_deref(), Some("2026-10-01"));
        assert_eq!(ticket.persons, None);
        assert_eq!(ticket.credentials[0].data, "A,\"1\"");
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told() {
        let columns = Columns::read("product,persons,status,credential_type,credential").unwrap();
        for (line, fault) in [
            ("adult-day", "1 fields instead of 5"),
            ("Adult,,,,", "product: an id is"),
            ("adult-day,many,,,", "persons is no number"),
            ("adult-day,,gone,,", "status: unknown variant"),
            ("adult-day,,,qr,", "go together"),
            ("\"adult-day,,,,", "a quote is not closed"),
        ] {
            let told = columns.ticket(line).unwrap_err();
            assert!(told.contains(fault), "{line}: {told}");
        }
        assert!(Columns::read("id,colour").unwrap_err().contains("colour"));
        assert!(Columns::read("id").unwrap_err().contains("product"));
    }
}
