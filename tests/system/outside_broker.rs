//! The same path through an outside broker: Debian's mosquitto.

use serde_json::json;

use crate::support::{Server, device::Device, eventually, park, tools::Mosquitto};

#[tokio::test]
async fn a_visitor_walks_in_through_an_outside_broker() {
    let Some(broker) = Mosquitto::start().await else { return };
    let config = format!("[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let server = Server::start_with(&park(&config)).await;
    assert_eq!(server.mqtt.1, broker.port, "the address that devices are told");
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    assert_eq!(decision["result"], "grant", "{decision}");
    lane.pass(&decision["grant"], "taken", 1).await;
    server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    lane.vanish();
    server
        .until("the will", |s| {
            s["lanes"].as_array().is_some_and(|lanes| {
                lanes.iter().any(|lane| lane["id"] == "n1" && lane["condition"] == "offline")
            })
        })
        .await;
}

#[tokio::test]
async fn a_device_that_nobody_knows_is_pending_until_a_person_approves_it() {
    let Some(broker) = Mosquitto::start().await else { return };
    let config = format!("[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let server = Server::start_with(&park(&config)).await;
    let login = (String::from("x"), String::from("x"));
    let mut stranger = Device::connect(server.mqtt.clone(), "s9", "n1", login).await;
    let hello = stranger.hello().await;
    assert_eq!(hello["status"], "pending", "{hello}");
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    assert_eq!(stranger.scan(&code).await["reason"], "lane_closed");
    let approved = server.post("/api/v1/devices/s9/approve", &json!({})).await;
    assert_eq!(approved.status / 100, 2, "{:?}", approved.body);
    assert_eq!(stranger.hello().await["status"], "accepted");
    assert_eq!(stranger.scan(&code).await["result"], "grant");
}

#[tokio::test]
async fn the_program_comes_back_when_the_broker_does() {
    let Some(broker) = Mosquitto::start().await else { return };
    let (port, config) =
        (broker.port, format!("[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port));
    let server = Server::start_with(&park(&config)).await;
    drop(broker);
    eventually("not ready without a broker", async || {
        (server.get("/readyz").await.status == 503).then_some(())
    })
    .await;
    let Some(_broker) = Mosquitto::start_on(port).await else { return };
    eventually("ready again", async || (server.get("/readyz").await.status == 200).then_some(()))
        .await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    assert_eq!(lane.scan("NOTHING").await["reason"], "unknown_ticket");
}
