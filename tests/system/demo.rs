//! The newcomer's first minute: one command, and visitors walk.

use crate::support::{demo::Demo, eventually};

#[tokio::test]
async fn visitors_walk_in_and_the_books_agree() {
    let demo = Demo::start().await;
    let snapshot = eventually("ten visitors and every lane online", async || {
        let snapshot = demo.snapshot().await;
        let lanes = snapshot["lanes"].as_array()?;
        let all = lanes.iter().all(|lane| lane["condition"] == "online");
        (all && snapshot["today"]["entries"].as_u64() >= Some(10)).then_some(snapshot)
    })
    .await;
    let today = &snapshot["today"];
    let number = |name: &str| today[name].as_u64().expect("a number");
    assert_eq!(number("in_site"), number("entries") - number("exits"), "{today}");
    let at_gates: u64 = snapshot["gates"]
        .as_array()
        .expect("gates")
        .iter()
        .filter(|gate| gate["from"] == "outside")
        .map(|gate| gate["in_today"].as_u64().expect("a number"))
        .sum();
    assert_eq!(at_gates, number("entries"));
}
