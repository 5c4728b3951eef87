//! The rule book: every scenario under `tests/scenarios` plays as it says, and together they show
//! the reasons that a visitor can meet.

use std::{collections::BTreeSet, path::PathBuf};

use shanmen::check;

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
    let missing: Vec<&str> = shanmen_protocols::reason::Reason::ALL
        .iter()
        .map(|reason| reason.code())
        .filter(|code| !seen.contains(*code) && !elsewhere.contains(code))
        .collect();
    assert!(missing.is_empty(), "no scenario shows {missing:?}");
}
