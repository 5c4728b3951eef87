//! The TOML tree of a configuration with the places of its values: overrides are put into it,
//! sections are read out of it, and every fault gets its line and column.
//!
//! Owns the walk over the tree; knows no section. serde stops at the first fault of a value, so a
//! section is read again without the key at fault until no fault is left: all are told at once.

use std::ops::Range;

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::fault::{Fault, Place};

/// Reading a section again stops here; a file with more faults is told of these first.
const FAULTS_MAX: usize = 50;

/// A value from outside the file that goes before the file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// How people know it: `SHANMEN_SERVER_HTTP`, `--http`.
    pub name: String,
    /// The section.
    pub section: String,
    /// The key in it.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// A parsed file with its overrides.
pub(super) struct Tree<'t> {
    text: &'t str,
    overrides: &'t [Override],
    root: DeTable<'t>,
    pub(super) faults: Vec<Fault>,
}

impl<'t> Tree<'t> {
    pub(super) fn parse(text: &'t str, overrides: &'t [Override]) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut tree = Self { text, overrides, root: root.into_inner(), faults: Vec::new() };
        for error in errors {
            tree.fault(error.span(), error.message().to_owned(), String::new());
        }
        tree.put_overrides();
        tree
    }

    /// An override's place is a position behind the text's end: one for each.
    fn put_overrides(&mut self) {
        for (ix, item) in self.overrides.iter().enumerate() {
            let at = self.text.len() + 1 + ix;
            let span = at..at;
            let value = Spanned::new(span.clone(), scalar(&item.value));
            let section = self
                .root
                .entry(Spanned::new(span.clone(), item.section.as_str().into()))
                .or_insert_with(|| Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
            if let DeValue::Table(table) = section.get_mut() {
                // A key keeps its first place in a map, so the old one has to go.
                table.remove(item.key.as_str());
                table.insert(Spanned::new(span, item.key.as_str().into()), value);
            }
        }
    }

    pub(super) fn fault(&mut self, span: Option<Range<usize>>, problem: String, hint: String) {
        let place = span.map_or(Place::Whole, |span| self.place(span.start));
        self.faults.push(Fault { place, problem, hint });
    }

    /// Adds a fault at a path like `products[2].entitlements[0].areas[1]`, or as near to it as
    /// the tree goes.
    pub(super) fn fault_at(&mut self, path: &str, problem: String, hint: String) {
        let span = self.span_of(path);
        self.fault(span, problem, hint);
    }

    pub(super) fn has(&self, section: &str) -> bool {
        self.root.contains_key(section)
    }

    /// Takes a section out of the tree and reads it; its default where it is missing.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.required(name).unwrap_or_default()
    }

    /// Reads a section; none where it is missing or faulty.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.root.get(name)?.clone();
        self.read(value, name)
    }

    /// Reads an array of tables, each on its own.
    pub(super) fn list<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let Some(value) = self.root.get(name).cloned() else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            let problem = format!("`{name}` is not a list of tables");
            self.fault(Some(span), problem, format!("write [[{name}]] above each of them"));
            return Vec::new();
        };
        items.into_iter().filter_map(|item| self.read(item, name)).collect()
    }

    /// Every key at the top must be one of `known`.
    pub(super) fn only(&mut self, known: &[&str]) {
        let strange: Vec<_> = self
            .root
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .map(|key| (key.span(), key.get_ref().to_string()))
            .collect();
        for (span, name) in strange {
            let hint = format!("the sections are {}", known.join(", "));
            self.fault(Some(span), format!("unknown section `{name}`"), hint);
        }
    }

    fn read<T: DeserializeOwned>(
        &mut self,
        mut value: Spanned<DeValue<'t>>,
        name: &str,
    ) -> Option<T> {
        let mut dropped = Vec::new();
        let before = self.faults.len();
        while self.faults.len() < before + FAULTS_MAX {
            let fault = match T::deserialize(value.clone().into_deserializer()) {
                Ok(read) => return dropped.is_empty().then_some(read),
                Err(fault) => fault,
            };
            let span = fault.span().unwrap_or_else(|| value.span());
            let removed = drop_at(&mut value, span.start);
            let message = fault.message().trim_end().to_owned();
            // A key that was dropped for a fault of its own is not missing besides.
            let echo = |key: &String| message == format!("missing field `{key}`");
            if removed.is_some() || !dropped.iter().any(echo) {
                self.fault(Some(span), format!("[{name}] {message}"), String::new());
            }
            match removed {
                Some(key) => dropped.push(key),
                None => return None,
            }
        }
        None
    }

    fn place(&self, offset: usize) -> Place {
        if let Some(ix) = offset.checked_sub(self.text.len() + 1)
            && let Some(item) = self.overrides.get(ix)
        {
            return Place::Outside(item.name.clone());
        }
        let upto = self.text.get(..offset).unwrap_or(self.text);
        let line_start = upto.rfind('\n').map_or(0, |at| at + 1);
        Place::At(upto.matches('\n').count() + 1, upto[line_start..].chars().count() + 1)
    }

    fn span_of(&self, path: &str) -> Option<Range<usize>> {
        let mut steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
        let mut at = self.root.get(steps.next()?)?;
        for step in steps {
            let next = match at.get_ref() {
                DeValue::Table(table) => table.get(step),
                DeValue::Array(items) => step.parse::<usize>().ok().and_then(|ix| items.get(ix)),
                _ => None,
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        Some(at.span())
    }
}

/// `true`, `12` and anything else as text: what an environment variable can say.
fn scalar(text: &str) -> DeValue<'_> {
    let number = || text.parse::<i64>().is_ok().then(|| DeValue::parse(text).ok()).flatten();
    match text {
        "true" => DeValue::Boolean(true),
        "false" => DeValue::Boolean(false),
        _ => number().map_or_else(|| DeValue::String(text.into()), Spanned::into_inner),
    }
}

/// Removes the innermost key whose name or value stands at `offset`; gives its name.
///
/// Looks into every child: the span of a table that is written in parts, as `[[products]]`, does
/// not cover them all.
fn drop_at(value: &mut Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => {
            if let Some(dropped) = table.iter_mut().find_map(|(_, value)| drop_at(value, offset)) {
                return Some(dropped);
            }
            let on = |span: Range<usize>| span.contains(&offset) || span.start == offset;
            let key = table
                .iter()
                .find(|(key, value)| on(key.span()) || on(value.span()))
                .map(|(key, _)| key.get_ref().to_string())?;
            table.remove(key.as_str()).map(|_| key)
        }
        DeValue::Array(items) => items.iter_mut().find_map(|item| drop_at(item, offset)),
        _ => None,
    }
}
