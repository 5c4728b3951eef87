//! What the checker prints and refuses. The rules themselves are tested by `tests/scenarios`.

use super::*;

const SHORT: &str = r#"
[[tickets]]
id = "t1"
product = "adult-day"
credentials = [{ type = "qr", data = "ABC-12345" }]
[[steps]]
at = "2026-10-01T09:00:00+08:00"
lane = "n1"
credential = "\\000026ABC-12345\r\n"
expect = "grant"
[[steps]]
lane = "n1"
ticket = "t1"
expect = "grant"
"#;

fn fault(text: &str) -> String {
    format!("{:#}", check_text(text, None).unwrap_err())
}

#[test]
fn a_short_scenario_needs_no_park_and_a_mismatch_is_told() {
    let outcomes = check_text(SHORT, None).unwrap();
    assert!(outcomes[0].ok, "{outcomes:?}");
    assert!(!outcomes[1].ok, "{outcomes:?}");
    let mut out = Vec::new();
    write_json("a.toml", &outcomes[1], &mut out).unwrap();
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "file": "a.toml", "step": 2, "at": "2026-10-01T09:00:00+08:00", "lane": "n1", "verdict": "deny",
            "reason": "already_used", "expected": "grant", "ok": false,
        })
    );
}

#[test]
fn an_unknown_key_is_an_error_with_line_and_column() {
    let text = SHORT.replace("product = ", "prodcut = ");
    let told = fault(&text);
    assert!(told.contains("line 4, column 1") && told.contains("prodcut"), "{told}");
}

#[test]
fn a_fault_of_a_product_is_told_with_its_line_and_path() {
    let text = format!("{SHORT}[[products]]\nid = \"adult-day\"\ncondition = \"age > 6\"\n");
    let told = fault(&text);
    assert!(told.contains("line 15, column 1: products[0].condition: line 1, column 1"), "{told}");
}

#[test]
fn a_step_that_names_what_is_not_there_is_an_error_with_its_place() {
    let text = SHORT.replace("expect = \"grant\"", "expect = \"granted\"");
    let told = fault(&text);
    assert!(told.contains("line 6") && told.contains("\"granted\""), "{told}");
    let text = format!("{SHORT}release = \"n9\"\n");
    assert!(fault(&text).contains("there is no lane \"n9\""), "{}", fault(&text));
}

#[test]
fn a_scenario_can_be_played_on_the_park_that_is_configured() {
    let park: shanmen_rules::ParkDefinition = toml::from_str(crate::config::SAMPLE_PARK).unwrap();
    let night = r#"
[[tickets]]
id = "t"
product = "night"
visit_date = "2026-10-01"
[[steps]]
at = "2026-10-01T17:29:59+08:00"
lane = "n1"
ticket = "t"
expect = "closed_hours"
[[steps]]
at = "2026-10-01T17:30:00+08:00"
lane = "n1"
ticket = "t"
expect = "grant"
"#;
    let outcomes = check_text(night, Some(&park)).unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.ok), "{outcomes:?}");
    let own = format!("{night}[[products]]\nid = \"x\"\n");
    let told = format!("{:#}", check_text(&own, Some(&park)).unwrap_err());
    assert!(told.contains("line 16") && told.contains("--park"), "{told}");
}

#[test]
fn a_credential_that_nobody_could_read_is_refused_with_its_place_and_not_shown() {
    let wrong = r#"{ type = "id_card", data = "110105194912310021" }"#;
    let told = fault(&SHORT.replace(r#"{ type = "qr", data = "ABC-12345" }"#, wrong));
    assert_eq!(told, "line 2, column 1: ticket \"t1\": credentials[0].data: no readable id_card");
    let told = fault(&SHORT.replace("type = \"qr\"", "type = \"palm\""));
    assert!(told.contains("credentials[0].type: qr, barcode, rfid"), "{told}");
}
