//! The wall in a real Chromium, with the demo's visitors, through a restart of the program.

use std::process::Command;

use crate::support::{
    demo::Demo,
    tests_folder,
    tools::{found, program},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_lives_in_a_real_browser() {
    let modules = tests_folder().join("pages/node_modules/playwright-core");
    let (Some(node), Some(_), Some(_)) = (
        found("node", program("node")),
        found("chromium", program("chromium")),
        found("playwright-core (npm ci in tests/pages)", modules.is_dir().then_some(modules)),
    ) else {
        return;
    };
    let demo = Demo::start().await;
    let http = demo.http.clone();
    let status = tokio::task::spawn_blocking(move || {
        Command::new(node)
            .args(["--test", "wall.mjs"])
            .current_dir(tests_folder().join("pages"))
            .env("BASE_URL", http)
            .status()
    })
    .await
    .expect("it ran")
    .expect("node starts");
    assert!(status.success(), "the wall's own tests say what is wrong");
}
