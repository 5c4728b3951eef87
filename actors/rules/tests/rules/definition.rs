//! A faulty definition is refused as a whole, with all its faults at once.

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
        crate::support::PARK,
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
    let park = crate::support::park("");
    assert_eq!(park.site().name.zh, "huangshan");
    assert_eq!(park.areas()[0].id.as_str(), "outside");
    assert_eq!(park.site().capacity_levels.len(), 3);
}

/// The faults of a park whose only product has these keys, and an entitlement with those.
fn product_faults(keys: &str, entitlement: &str) -> Vec<String> {
    let text = format!(
        "{}[[products]]\nid = \"p\"\n{keys}\n[[products.entitlements]]\n\
         areas = [\"park\"]\n{entitlement}\n",
        crate::support::PARK
    );
    match Park::compile(&toml::from_str(&text).unwrap()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_product_that_could_never_be_used_is_refused() {
    for (keys, entitlement, told) in [
        ("slot = { length = \"0m\" }", "", "products[0].slot.length: must be more than 0"),
        (
            "daily_hours = [{ from = \"09:00\", until = \"09:00\" }]",
            "",
            "products[0].daily_hours[0]: begins when it ends",
        ),
        (
            "daily_hours = [{ from = \"24:00\", until = \"09:00\" }]",
            "",
            "products[0].daily_hours[0].from: must be before 24:00",
        ),
        (
            "validity = { kind = \"days_from_issue\", days = 0 }",
            "",
            "products[0].validity: days must be 1 or more",
        ),
        (
            "validity = { kind = \"days_from_first_use\", days = 0, within_days = 9 }",
            "",
            "products[0].validity: days and within_days must be 1 or more",
        ),
        (
            "validity = { kind = \"days_from_first_use\", days = 9, within_days = 0 }",
            "",
            "products[0].validity: days and within_days must be 1 or more",
        ),
        ("", "per_day = 0", "products[0].entitlements[0].per_day: must be 1 or more"),
        (
            "persons = 60",
            "uses = 1001",
            "products[0].entitlements[0].uses: 1001 for each of 60 persons is more than 60000",
        ),
        (
            "",
            "reentry = { count = 0 }",
            "products[0].entitlements[0].reentry.count: must be 1 or more",
        ),
        (
            "",
            "reentry = { within = \"29m\", min_away = \"30m\" }",
            "products[0].entitlements[0].reentry.within: is shorter than min_away",
        ),
    ] {
        let faults = product_faults(keys, entitlement);
        assert!(faults.len() == 1 && faults[0].starts_with(told), "{told}\n{faults:#?}");
    }
}

#[test]
fn a_product_at_the_edge_is_sold() {
    for (keys, entitlement) in [
        ("validity = { kind = \"fixed\", from = \"2026-10-01\", until = \"2026-10-01\" }", ""),
        ("validity = { kind = \"days_from_issue\", days = 1 }", ""),
        ("validity = { kind = \"days_from_first_use\", days = 1, within_days = 1 }", ""),
        ("daily_hours = [{ from = \"00:00\", until = \"24:00\" }]", ""),
        ("slot = { length = \"1ms\" }", ""),
        ("persons = 60", "uses = 1000"),
        ("", "reentry = { within = \"30m\", min_away = \"30m\" }"),
    ] {
        assert_eq!(product_faults(keys, entitlement), [""; 0], "{keys} {entitlement}");
    }
}

#[test]
fn a_weekday_named_twice_is_one_day_and_a_re_entry_is_of_the_same_day_by_default() {
    let park = crate::support::park(
        "[[products]]\nid = \"p\"\nweekdays = [\"mon\", \"sun\", \"mon\"]\n\
         [[products.entitlements]]\nareas = [\"park\"]\nreentry = {}\n",
    );
    let product = &park.products()[0];
    assert_eq!(product.weekdays, 0b100_0001);
    assert!(product.entitlements[0].reentry.unwrap().same_day);
}

#[test]
fn the_world_outside_is_there_by_itself() {
    let told = faults("[site]\nid = \"s\"\n[[areas]]\nid = \"outside\"\n");
    assert_eq!(
        told,
        ["areas[0].id: \"outside\" is there twice (the world outside is there by itself)"]
    );
    let told = faults("[site]\nid = \"s\"\n[[areas]]\nid = \"a\"\n[[areas]]\nid = \"a\"\n");
    assert_eq!(told, ["areas[1].id: \"a\" is there twice"]);
}

#[test]
fn persons_are_a_number_or_a_range_in_every_format() {
    let json = |persons: &str| {
        let text = format!(
            "{{\"site\":{{\"id\":\"s\"}},\"products\":[{{\"id\":\"p\",\"persons\":{persons}}}]}}"
        );
        serde_json::from_str::<ParkDefinition>(&text)
    };
    for (persons, min, max) in [("3", 3, 3), ("{\"min\":2,\"max\":60}", 2, 60)] {
        let product = json(persons).unwrap().products[0].clone();
        assert_eq!((product.persons.min, product.persons.max), (min, max));
    }
    for wrong in ["-1", "70000", "\"three\"", "true"] {
        let told = json(wrong).unwrap_err().to_string();
        assert!(told.contains("a number of persons, or { min = 2, max = 60 }"), "{told}");
    }
}
