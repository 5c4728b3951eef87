//! A few seconds against a real server process, where the program `shanmen` is there.

use std::process::Command;

/// Both programs lie in the folder above the tests' own.
fn server() -> Option<std::path::PathBuf> {
    let found = shanmen_loadtest::server::program();
    if found.is_none() {
        eprintln!("left out: no program `shanmen` beside the tests; cargo build makes it");
    }
    found
}

fn load_test(args: &[&str]) {
    let Some(server) = server() else { return };
    let out = Command::new(env!("CARGO_BIN_EXE_shanmen-loadtest"))
        .args(args)
        .env("SHANMEN_BIN", server)
        .output()
        .expect("the load test starts");
    let told = String::from_utf8_lossy(&out.stdout);
    let why = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{told}\n{why}");
    assert!(told.contains("every answer and every count as expected"), "{told}");
}

#[test]
fn every_visitor_at_the_lanes_is_answered_as_the_oracle_says() {
    // With a walk of 20 ms: people take longer.
    load_test(&["run", "--gates", "12", "--rate", "60", "--seconds", "5", "--walk-ms", "20"]);
}

#[test]
fn every_caller_over_http_is_answered_as_the_oracle_says() {
    let stage = ["--seconds", "2", "--gates", "4", "--presentations", "3000"];
    load_test(&[&["http", "--callers", "1,4"], &stage[..]].concat());
}

#[test]
fn the_echo_loses_nothing() {
    let out = Command::new(env!("CARGO_BIN_EXE_shanmen-loadtest"))
        .args(["echo", "--gates", "8", "--rate", "100", "--seconds", "2"])
        .output()
        .expect("the load test starts");
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && told.contains(" 0 lost"), "{told}");
}
