//! The rule book: every scenario under `tests/scenarios` plays as it says, and together they show
//! the reasons that a visitor can meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use shanmen::check;
use shanmen_protocols::reason::Reason;
use shanmen_rules::{Facts, Verdict};

fn library() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the scenario library is there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_scenario_of_the_library_plays_as_it_says() {
    let mut told = Vec::new();
    let all_ok = check::run(&library(), None, false, &mut told).expect("every file is a scenario");
    assert!(all_ok, "{}", String::from_utf8_lossy(&told));
}

#[test]
fn the_library_shows_every_reason_that_the_rules_give() {
    let mut told = Vec::new();
    check::run(&library(), None, true, &mut told).expect("every file is a scenario");
    let mut seen = BTreeSet::new();
    for line in String::from_utf8(told).expect("JSON is UTF-8").lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        if let Some(reason) = line["reason"].as_str() {
            seen.insert(reason.to_owned());
        }
    }
    // These need a person's list, or are no answer of the rules.
    let elsewhere = ["identity_mismatch", "blocked_person", "busy", "internal"];
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.code())
        .filter(|code| !seen.contains(*code) && !elsewhere.contains(code))
        .collect();
    assert!(missing.is_empty(), "no scenario shows {missing:?}");
}

/// The names of the facts that are known.
fn names(facts: &Facts) -> Vec<&'static str> {
    let Facts { used_at, gate, come_back_at, valid_from, valid_until, count, capacity, area } =
        *facts;
    let known = [
        ("used_at", used_at.is_some()),
        ("gate", gate.is_some()),
        ("come_back_at", come_back_at.is_some()),
        ("valid_from", valid_from.is_some()),
        ("valid_until", valid_until.is_some()),
        ("count", count.is_some()),
        ("capacity", capacity.is_some()),
        ("area", area.is_some()),
    ];
    known.into_iter().filter_map(|(name, known)| known.then_some(name)).collect()
}

#[test]
fn every_refusal_carries_the_facts_that_the_table_of_reasons_names() {
    let mut given: BTreeMap<Reason, BTreeSet<&str>> = BTreeMap::new();
    for path in library() {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let outcomes = check::check_text(&text, None).expect("every file is a scenario");
        for outcome in outcomes {
            if let Some(Verdict::Deny { reason, facts }) = outcome.verdict {
                given.entry(reason).or_default().extend(names(&facts));
            }
        }
    }
    for (reason, given) in given {
        let named: BTreeSet<&str> = reason.row().facts.iter().copied().collect();
        assert_eq!(given, named, "{reason}: given by the rules, and named in the table");
    }
}
