//! Twenty seconds of everything at once against a real server process, checked by the oracle:
//! groups, exits, used tickets, races, kiosks, viewers, and three lanes that lose the network.
//!
//! Correctness alone is asserted; the figures of a debug build are printed and mean nothing.

use std::{path::Path, process::Command};

#[test]
fn a_day_in_twenty_seconds_with_lanes_offline_and_viewers_is_as_the_oracle_says() {
    let Some(server) = shanmen_loadtest::server::program() else {
        assert!(std::env::var_os("SHANMEN_TEST_ALL").is_none(), "there is no program `shanmen`");
        eprintln!("left out: no program `shanmen` beside the tests; cargo build makes it");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (json, html) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/ci.toml");
    let out = Command::new(env!("CARGO_BIN_EXE_shanmen-loadtest"))
        .arg("run")
        .arg("--scenario")
        .arg(scenario)
        .arg("--json")
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .env("SHANMEN_BIN", server)
        .output()
        .expect("the load test starts");
    let told = String::from_utf8_lossy(&out.stdout);
    let why = String::from_utf8_lossy(&out.stderr);
    println!("{told}");
    assert!(out.status.success(), "{told}\n{why}");
    assert!(told.contains("every answer and every count as expected"), "{told}");

    let read = std::fs::read(&json).expect("a report");
    let run: serde_json::Value = serde_json::from_slice(&read).expect("JSON");
    assert_eq!(run["broken"], 0);
    let some = |place: &str| run.pointer(place).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let counts = ["/counts/entries", "/counts/exits", "/counts/reentries", "/sent_twice"];
    for place in counts.into_iter().chain(["/viewers/frames", "/kiosks/sale/count"]) {
        assert!(some(place) > 0, "{place} is 0: {told}");
    }
    assert!(some("/allowances/alone_granted") > 0, "nobody was let in offline: {told}");
    let threads = run["server_threads"].as_array().expect("the server's threads");
    let named = |name: &str| threads.iter().any(|one| one["name"] == name);
    assert!(!cfg!(target_os = "linux") || named("journal"), "{threads:?}");
    assert!(run["series"].as_array().is_some_and(|series| series.len() >= 15));
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(page.contains("<polyline") && !page.contains("<script"));
}
