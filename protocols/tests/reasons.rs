//! `reasons.md` is the table of `src/reason.rs`, written out: the code is the one source.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::fmt::Write as _;

use shanmen_protocols::reason::{Light, Reason, Severity};

const HEAD: &str = "\
# The reasons

Every answer at a gate. The codes are stable; an unknown code is treated as `internal`, which sends the visitor
to a person and never kills the lane. The order is that of the checks: the first that fails is the answer. `ok`
is a grant; `needs_identity` and `needs_attendant` come with the result `more`, all others with `deny`.

This page is written from the table in `src/reason.rs` by `tests/reasons.rs`:
`SHANMEN_WRITE_DOCS=1 cargo test -p shanmen-protocols --test reasons`.

## Who acts

| severity | what is to be done |
| --- | --- |
";

const TABLE: &str = "
## The table

| code | severity | light | 显示 | display | 语音 | voice | facts |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

const TAIL: &str = "
## The facts

A fact is given only where it is known.

| fact | what it is |
| --- | --- |
";

/// What each severity asks of whom.
fn to_do(severity: Severity) -> &'static str {
    match severity {
        Severity::Visitor => {
            "the visitor puts it right: walks on, tries again, comes back, takes another lane"
        }
        Severity::Window => "the visitor goes to the ticket window",
        Severity::Staff => "the attendant at the gate comes",
        Severity::Security => "security comes",
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Visitor => "visitor",
        Severity::Window => "window",
        Severity::Staff => "staff",
        Severity::Security => "security",
    }
}

fn light_name(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Red => "red",
        Light::Yellow => "yellow",
    }
}

/// Every fact that a decision may carry.
const FACTS: [(&str, &str); 11] = [
    ("reentry", "`true`: a re-entry, which consumes no use"),
    ("anti_passback", "`true`: the ticket is inside already, let in and put on record"),
    ("overridden", "`true`: full, but let in by an operator's override"),
    (
        "used_at",
        "when the ticket last let somebody in (of `stay_exceeded`: first), ms since 1970 UTC",
    ),
    ("gate", "at which gate that was, its id"),
    ("come_back_at", "from when on it may pass, as far as this reason goes, ms since 1970 UTC"),
    ("valid_from", "the first valid day, `2026-10-01`, in the site's time zone"),
    ("valid_until", "the last valid day, likewise"),
    ("count", "how many: admissions used, persons inside, or entries of the day"),
    ("capacity", "out of how many persons"),
    ("area", "the id of the area that it is about"),
];

fn page() -> String {
    let mut page = HEAD.to_owned();
    for severity in [Severity::Visitor, Severity::Window, Severity::Staff, Severity::Security] {
        writeln!(page, "| `{}` | {} |", severity_name(severity), to_do(severity)).unwrap();
    }
    page.push_str(TABLE);
    for reason in Reason::ALL {
        let row = reason.row();
        let facts: Vec<String> = row.facts.iter().map(|fact| format!("`{fact}`")).collect();
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            row.code,
            severity_name(row.severity),
            light_name(row.light),
            row.display.zh,
            row.display.en,
            row.voice.zh,
            row.voice.en,
            facts.join(" "),
        )
        .unwrap();
    }
    page.push_str(TAIL);
    for (fact, what) in FACTS {
        writeln!(page, "| `{fact}` | {what} |").unwrap();
    }
    page
}

#[test]
fn the_page_of_reasons_is_the_table_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/reasons.md");
    let page = page();
    if std::env::var_os("SHANMEN_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let lines = page.lines().zip(written.lines().chain(std::iter::repeat("")));
    let differs = lines.into_iter().find(|(should, is)| should != is);
    assert!(
        written == page,
        "protocols/reasons.md is not the table of src/reason.rs; the first (should be, is): {differs:#?}\n\
         write it anew: SHANMEN_WRITE_DOCS=1 cargo test -p shanmen-protocols --test reasons",
    );
}

#[test]
fn every_fact_of_a_reason_is_explained_and_every_explained_one_is_given() {
    let known = |fact: &str| FACTS.iter().any(|(name, _)| *name == fact);
    for reason in Reason::ALL {
        for fact in reason.row().facts {
            assert!(known(fact), "{reason}: {fact}");
        }
    }
    for (fact, _) in FACTS {
        let given = Reason::ALL.iter().any(|reason| reason.row().facts.contains(&fact));
        assert!(given, "no reason carries {fact}");
    }
}
