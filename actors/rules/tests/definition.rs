//! A faulty definition is refused as a whole, with all its faults at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use shanmen_rules::{Park, ParkDefinition};

fn faults(text: &str) -> Vec<String> {
    let definition: ParkDefinition = toml::from_str(text).unwrap();
    let faults = Park::compile(&definition).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn all_faults_are_listed_at_once_with_their_places() {
    let told = faults(
        r#"
        [site]
        id = "Huang Shan"
        timezone = "Asia/Beijing"
        [[areas]]
        id = "park"
        parent = "forest"
        [[areas]]
        id = "park"
        [[gates]]
        id = "north"
        to = "lake"
        [[lanes]]
        id = "n1"
        gate = "west"
        [[products]]
        id = "p"
        persons = { min = 5, max = 2 }
        condition = "entries <"
        validity = { kind = "fixed", from = "2026-02-01", until = "2026-01-01" }
        [[products.entitlements]]
        areas = ["park", "moon"]
        uses = 0
        [[products]]
        id = "q"
        condition = "age > 6"
        "#,
    );
    for part in [
        "site.id: ",
        "site.timezone: there is no time zone \"Asia/Beijing\"",
        "areas[1].id: \"park\" is there twice",
        "areas[0].parent: there is no area \"forest\"",
        "gates[0].to: there is no area \"lake\" (there is outside, park)",
        "lanes[0].gate: there is no gate \"west\" (there is north)",
        "products[0].persons: ",
        "products[0].validity: ends on 2026-01-01, before it begins on 2026-02-01",
        "products[0].condition: line 1, column 10",
        "products[0].entitlements[0].areas[1]: there is no area \"moon\"",
        "products[0].entitlements[0].uses: must be 1 or more",
        "products[1].entitlements: it admits to nothing",
        "products[1].condition: line 1, column 1: there is no variable \"age\"",
    ] {
        assert!(told.iter().any(|fault| fault.starts_with(part)), "{part}\n{told:#?}");
    }
}

#[test]
fn areas_that_lie_in_each_other_are_refused() {
    let told = faults(
        "[site]\nid = \"s\"\n[[areas]]\nid = \"a\"\nparent = \"b\"\n\
         [[areas]]\nid = \"b\"\nparent = \"a\"\n",
    );
    assert!(told[0].contains("lie in each other"), "{told:#?}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let text = "[site]\nid = \"s\"\ntimezome = \"Asia/Shanghai\"\n";
    let told = toml::from_str::<ParkDefinition>(text).unwrap_err().to_string();
    assert!(told.contains("line 3") && told.contains("timezome"), "{told}");
}

#[test]
fn a_definition_written_out_reads_back_the_same() {
    let text = format!(
        "{}{}",
        support::PARK,
        r#"
        [[products]]
        id = "p"
        name = { zh = "成人票", en = "Adult" }
        persons = { min = 2, max = 60 }
        validity = { kind = "days_from_first_use", days = 3, within_days = 30 }
        slot = { length = "1h", early = "30m", late = "15m" }
        daily_hours = [{ from = "07:30", until = "17:00" }]
        weekdays = ["mon", "tue"]
        blackout = ["2026-10-01/2026-10-07"]
        needs = ["attendant"]
        [[products.entitlements]]
        areas = ["park"]
        uses = 1
        reentry = { count = 1, within = "4h", min_away = "0m", same_day = true }
        "#
    );
    let definition: ParkDefinition = toml::from_str(&text).unwrap();
    let written = toml::to_string(&definition).unwrap();
    assert_eq!(toml::from_str::<ParkDefinition>(&written).unwrap(), definition);
}

#[test]
fn a_missing_name_falls_back_to_the_id() {
    let park = support::park("");
    assert_eq!(park.site().name.zh, "huangshan");
    assert_eq!(park.areas()[0].id.as_str(), "outside");
    assert_eq!(park.site().capacity_levels.len(), 3);
}
