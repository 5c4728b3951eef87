//! The pages in a real Chromium, with the demo's visitors, and through a restart of the program.

use std::{path::PathBuf, process::Command};

use crate::support::{
    demo::Demo,
    tests_folder,
    tools::{found, program},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_lives_in_a_real_browser() {
    with_the_demo("wall.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_see_their_day_in_a_real_browser() {
    with_the_demo("flow.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_act_in_a_real_browser() {
    with_the_demo("ops.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_outlive_the_program_in_a_real_browser() {
    let Some(node) = browser() else { return };
    // It starts, kills and starts again a program of its own.
    let program = env!("CARGO_BIN_EXE_shanmen").to_owned();
    run(node, "restart.mjs", vec![("SHANMEN", program)]).await;
}

async fn with_the_demo(tests: &'static str) {
    let Some(node) = browser() else { return };
    let demo = Demo::start().await;
    let (user, password) = demo.login.clone();
    let given =
        vec![("BASE_URL", demo.http.clone()), ("LOGIN_USER", user), ("LOGIN_PASSWORD", password)];
    run(node, tests, given).await;
}

/// Node, where all that the pages' tests need is there.
fn browser() -> Option<PathBuf> {
    let modules = tests_folder().join("pages/node_modules/playwright-core");
    let node = found("node", program("node"));
    let chromium = found("chromium", program("chromium"));
    let installed =
        found("playwright-core (npm ci in tests/pages)", modules.is_dir().then_some(modules));
    chromium.and(installed).and(node)
}

async fn run(node: PathBuf, tests: &'static str, given: Vec<(&'static str, String)>) {
    let status = tokio::task::spawn_blocking(move || {
        Command::new(node)
            .args(["--test", tests])
            .current_dir(tests_folder().join("pages"))
            .envs(given)
            .status()
    })
    .await
    .expect("it ran")
    .expect("node starts");
    assert!(status.success(), "{tests} says above what is wrong");
}
