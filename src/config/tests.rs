//! Faults of a configuration: each with its place, all at once, and no secret in any.

use shanmen_actors::api::BrokerChoice;

use super::*;

const PARK: &str = "
[site]
id = \"p\"
[[areas]]
id = \"park\"
[[gates]]
id = \"g\"
to = \"park\"
[[lanes]]
id = \"l\"
gate = \"g\"
[[products]]
id = \"adult\"
validity = { kind = \"visit_date\" }
[[products.entitlements]]
areas = [\"park\"]
";

fn faults(text: &str) -> String {
    match parse("x.toml", text, &[]) {
        Ok(_) => panic!("no fault found in {text}"),
        Err(faults) => faults.to_string(),
    }
}

fn over(name: &str, section: &str, key: &str, value: &str) -> Override {
    Override { name: name.into(), section: section.into(), key: key.into(), value: value.into() }
}

#[test]
fn devices_of_the_file_are_bound_to_places_that_exist() {
    let park = "[site]\nid = \"p\"\ntimezone = \"UTC\"\n[[areas]]\nid = \"park\"\n[[gates]]\nid = \"g\"\n\
                from = \"outside\"\nto = \"park\"\n[[lanes]]\nid = \"n1\"\ngate = \"g\"\n";
    let device = |lane: &str| {
        format!("{park}[[devices]]\nid = \"t1\"\nkind = \"turnstile\"\nlane = \"{lane}\"\n")
    };
    assert_eq!(parse("f", &device("n1"), &[]).unwrap().devices.len(), 1);
    let faults = parse("f", &device("n9"), &[]).unwrap_err().to_string();
    assert!(faults.contains("n9"), "{faults}");
}

#[test]
fn the_sample_park_is_a_whole_scenic_area() {
    let config = load(None, &[]).unwrap();
    let park = Park::compile(&config.park).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(park.products().len() >= 12, "{}", park.products().len());
    assert!(park.lanes().len() >= 14);
    for name in park.products().iter().map(|product| &product.name) {
        assert!(!name.zh.is_ascii() && name.en.is_ascii(), "{name:?} is not in both languages");
    }
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = format!(
        "[server]\nhttp = \"here\"\ncolour = 1\n[kitchen]\na = 1\n{PARK}uses = \"many\"\nuse = 2\n"
    );
    let told = faults(&text);
    for expected in [
        "x.toml:2:8: [server]",
        "x.toml:3:1: [server] unknown field `colour`",
        "x.toml:4:2: unknown section `kitchen`",
    ] {
        assert!(told.contains(expected), "{expected} is not in:\n{told}");
    }
    assert!(told.contains("expected u16") && told.contains("unknown field `use`"), "{told}");
    assert_eq!(told.matches("x.toml:").count(), 5, "{told}");
}

#[test]
fn a_reference_into_nowhere_has_its_line() {
    let told = faults(&PARK.replace("gate = \"g\"", "gate = \"west\""));
    let more = faults(&format!("[server]\ncolour = 1\n{}", PARK.replace("\"g\"\nto", "\"h\"\nto")));
    assert!(more.contains("colour") && more.contains("no gate \"g\""), "all at once: {more}");
    assert!(told.starts_with("x.toml:11:8: lanes[0].gate: there is no gate \"west\""), "{told}");
    assert!(told.contains("fix: there is g"), "{told}");
}

#[test]
fn a_broken_line_is_told_with_line_and_column() {
    let told = faults("[server]\nhttp 3\n");
    assert!(told.starts_with("x.toml:2:"), "{told}");
}

#[test]
fn the_environment_goes_before_the_file_and_the_last_before_all() {
    let vars = [("SHANMEN_SERVER_HTTP", "127.0.0.1:1"), ("SHANMEN_LEDGER_DURABILITY", "relaxed")];
    let token = ("SHANMEN_TOKEN", "t");
    let vars = vars.into_iter().chain([token]).map(|(k, v)| (k.to_owned(), v.to_owned()));
    let mut overrides = environment(vars);
    assert_eq!(overrides.len(), 2);
    overrides.push(over("--http", "server", "http", "127.0.0.1:2"));
    let config = parse("x.toml", "[server]\nhttp = \"127.0.0.1:3\"", &overrides).unwrap();
    assert_eq!(config.server.http.port(), 2);
    assert_eq!(config.ledger.durability, Durability::Relaxed);
}

#[test]
fn a_fault_of_the_environment_names_the_variable() {
    let bad = [over("SHANMEN_SERVER_COLOUR", "server", "colour", "red")];
    let told = parse("x.toml", "", &bad).unwrap_err().to_string();
    assert!(told.starts_with("SHANMEN_SERVER_COLOUR: [server] unknown field `colour`"), "{told}");
}

#[test]
fn clear_text_stays_on_the_loopback_unless_it_is_forced() {
    let open = "[server]\nhttp = \"0.0.0.0:80\"\n[broker]\nlisten = \"0.0.0.0:1883\"\n";
    let told = faults(open);
    assert!(told.contains("x.toml:2:8") && told.contains("x.toml:4:10"), "{told}");
    assert!(told.contains("insecure_listen = true"), "{told}");
    parse("x.toml", &format!("{open}[security]\ninsecure_listen = true\n"), &[]).unwrap();
}

#[test]
fn an_outside_broker_is_one_line_and_its_password_is_never_told() {
    let text = "[broker]\nurl = \"mqtt://gate:p%40ss@127.0.0.1:1999\"";
    let broker = parse("x.toml", text, &[]).unwrap().broker;
    let BrokerChoice::Outside(broker) = broker else { panic!("{broker:?}") };
    assert_eq!((broker.host.as_str(), broker.port), ("127.0.0.1", 1999));
    assert_eq!(broker.password.as_deref(), Some("p@ss"));
    for url in ["mqtts://u:hushhush@h", "mqtt://u:hushhush@h:port", "http://u:hushhush@h"] {
        let told = faults(&format!("[broker]\nurl = \"{url}\""));
        assert!(!told.contains("hushhush"), "{told}");
    }
}

#[test]
fn a_profile_names_what_it_needs() {
    let told = faults("[security]\nprofile = \"mtls\"\ncert = \"c.pem\"\n");
    assert!(told.contains("needs `key`") && told.contains("needs `ca`"), "{told}");
    assert!(told.contains("security.cert") || told.contains("without its key"), "{told}");
    let whole = "profile = \"mtls\"\nca = \"ca.pem\"\ncert = \"c.pem\"\nkey = \"c.key\"\n";
    let open = format!(
        "[server]\nhttp = \"0.0.0.0:80\"\n[broker]\nlisten = \"0.0.0.0:8883\"\n[security]\n{whole}"
    );
    let config = parse("x.toml", &open, &[]).unwrap();
    assert_eq!(config.http_tls.unwrap().cert, PathBuf::from("c.pem"));
    let told = faults("[security]\nprofile = \"open\"\n");
    assert!(told.contains("x.toml:2:11"), "{told}");
}

#[test]
fn an_outside_broker_over_tls_names_whom_it_trusts() {
    let far = "[broker]\nurl = \"mqtts://u:hushhush@broker.example\"\n";
    let told = faults(far);
    assert!(told.contains("needs `ca`") && !told.contains("hushhush"), "{told}");
    let config = parse("x.toml", &format!("{far}ca = \"ca.pem\"\n"), &[]).unwrap();
    let BrokerChoice::Outside(broker) = config.broker else { panic!("not outside") };
    assert_eq!(broker.port, 8883);
    assert_eq!(config.outside_tls, Some(OutsideFiles { ca: "ca.pem".into(), own: None }));
    let clear = faults("[broker]\nurl = \"mqtt://broker.example\"\n");
    assert!(clear.contains("clear text") && clear.contains("insecure_listen"), "{clear}");
    let told = faults("[broker]\nurl = \"mqtt://127.0.0.1\"\n[security]\nprofile = \"tls\"\n");
    assert!(told.contains("the profile is not `lab`"), "{told}");
}

#[test]
fn who_may_watch_goes_by_the_profile_unless_it_is_said() {
    let open = |more: &str| {
        let tls = "[security]\nprofile = \"tls\"\ncert = \"c.pem\"\nkey = \"c.key\"\n";
        let (lab, tls) = (parse("f", more, &[]), parse("f", &format!("{more}{tls}"), &[]));
        (lab.unwrap().watching_is_open(), tls.unwrap().watching_is_open())
    };
    assert_eq!(open(""), (true, false));
    assert_eq!(open("[dashboards]\nopen = false\n"), (false, false));
    assert_eq!(open("[dashboards]\nopen = true\n"), (true, true));
    let told = faults("[dashboards]\nviewers_max = 0\nviewers_per_address_max = 1000000\n");
    assert_eq!(told.matches("1 to 20,000 viewers").count(), 2, "{told}");
}
