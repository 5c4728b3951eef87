//! A foreign COSE library reads and verifies a signed ticket code, and a QR picture holds it.

use std::process::Command;

use serde_json::json;

use crate::support::{Server, tests_folder, today, tools::python};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_cose_library_verifies_a_code() {
    let Some(python) = python() else { return };
    let server = Server::start().await;
    let ticket = json!({ "product": "group", "visit_date": today(), "persons": 7 });
    let (id, code) = server.ticket(ticket).await;
    let keys = server.get("/api/v1/keys").await.body;
    let output = Command::new(python)
        .arg(tests_folder().join("peers/verify_code.py"))
        .args([&code, &keys.to_string()])
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let claims: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(claims["iss"], "testpark");
    assert_eq!(claims["ticket"], json!(id));
    assert_eq!(claims["product"], "group");
    assert_eq!(claims["persons"], 7);
    let days = jiff::Timestamp::now().as_second().div_euclid(86_400);
    assert_eq!(claims["visit_date"], json!(days));
}

#[tokio::test]
async fn a_tickets_picture_is_served_in_both_forms() {
    let server = Server::start().await;
    let (id, _) = server.ticket(json!({ "product": "pass" })).await;
    let svg = server.get(&format!("/api/v1/tickets/{id}/qr.svg")).await;
    assert_eq!((svg.status, svg.kind.as_str()), (200, "image/svg+xml"));
    let png = server.get(&format!("/api/v1/tickets/{id}/qr.png")).await;
    assert_eq!((png.status, png.kind.as_str()), (200, "image/png"));
    assert!(png.bytes.starts_with(b"\x89PNG"));
}
