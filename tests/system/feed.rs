//! The feed over a real WebSocket: a snapshot first, then deltas, soon after the commit.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Server, device::Device};

type Viewer = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

async fn view(server: &Server) -> Viewer {
    let address = server.http.strip_prefix("http://").expect("an address");
    let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let (viewer, _) = tokio_tungstenite::client_async(format!("ws://{address}/feed"), stream)
        .await
        .expect("upgraded");
    viewer
}

async fn frame(viewer: &mut Viewer) -> Value {
    loop {
        let message = tokio::time::timeout(PATIENCE, viewer.next())
            .await
            .expect("a frame in time")
            .expect("an open feed")
            .expect("a good frame");
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}

#[tokio::test]
async fn a_passage_reaches_the_viewer_without_a_gap_and_without_a_ticket_number() {
    let server = Server::start().await;
    let mut viewer = view(&server).await;
    let first = frame(&mut viewer).await;
    assert_eq!(first["type"], "snapshot");
    assert_eq!(first["site"]["id"], "testpark");
    let mut seq = first["seq"].as_u64().expect("a number");

    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (id, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    lane.pass(&decision["grant"], "taken", 1).await;
    let mut in_site = Value::Null;
    let mut lines = Vec::new();
    while in_site != json!(1) || lines.is_empty() {
        let delta = frame(&mut viewer).await;
        assert_eq!(delta["type"], "delta");
        assert_eq!(delta["seq"].as_u64(), Some(seq + 1), "no gap");
        seq += 1;
        let text = delta.to_string();
        assert!(!text.contains(&id) && !text.contains(&code), "no ticket number in the feed");
        if !delta["today"].is_null() {
            in_site = delta["today"]["in_site"].clone();
        }
        lines.extend(delta["recent"].as_array().cloned().unwrap_or_default());
    }
    assert_eq!(lines[0]["kind"], "passage");
    assert!(lines[0]["committed_at"].as_i64() >= lines[0]["at"].as_i64());
}

#[tokio::test]
async fn a_restart_closes_the_feed_and_the_next_snapshot_goes_on() {
    let mut server = Server::start().await;
    let mut viewer = view(&server).await;
    frame(&mut viewer).await;
    assert_eq!(server.terminate().await, Some(0));
    let closed = tokio::time::timeout(PATIENCE, async {
        loop {
            match viewer.next().await {
                None | Some(Ok(Message::Close(_)) | Err(_)) => return,
                Some(Ok(_)) => {}
            }
        }
    });
    closed.await.expect("the feed ends with the program");
    server.restart().await;
    assert_eq!(frame(&mut view(&server).await).await["type"], "snapshot");
}
