//! The feed over real TCP, with another WebSocket client.

use std::time::Duration;

use shanmen_protocols::feed::Delta;
use tokio::{net::TcpSocket, time::timeout};
use tokio_tungstenite::tungstenite::{
    self, client::IntoClientRequest as _, http::StatusCode, protocol::WebSocketConfig,
};

use super::fixture::{Fed, PATIENCE, Served, Viewer, alarm, persons};
use crate::Limits;

fn quick() -> Limits {
    Limits { frame_gap: Duration::from_millis(1), ..Limits::default() }
}

async fn refused(served: &Served, origin: Option<&str>) -> StatusCode {
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let mut request = format!("ws://{}/feed", served.addr).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match tokio_tungstenite::client_async(request, stream).await {
        Err(tungstenite::Error::Http(answer)) => answer.status(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_viewer_gets_the_state_first_and_then_every_change_in_order() {
    let served = Fed::new(quick()).serve().await;
    let mut viewer = served.viewer().await;
    let whole = viewer.frame().await;
    assert_eq!(whole["type"], "snapshot");
    assert_eq!(whole["site"]["name"]["zh"], "云栖山");
    let mut seq = whole["seq"].as_u64().unwrap();
    for count in 1..=20 {
        served.fed.send(persons(count));
        let frame = viewer.frame().await;
        seq += 1;
        assert_eq!((&frame["type"], frame["seq"].as_u64()), (&"delta".into(), Some(seq)));
        assert_eq!(frame["today"]["in_site"], count);
        assert!(frame.get("areas").is_none(), "only what changed");
    }
}

#[tokio::test]
async fn a_viewer_that_missed_a_frame_asks_and_gets_the_state() {
    let served = Fed::new(quick()).serve().await;
    let mut viewer = served.viewer().await;
    viewer.frame().await;
    served.fed.send(persons(3));
    assert_eq!(viewer.frame().await["type"], "delta");
    viewer.say(r#"{"type":"resync"}"#).await;
    let whole = viewer.frame().await;
    assert_eq!((&whole["type"], &whole["seq"]), (&"snapshot".into(), &1.into()));
    assert_eq!(whole["today"]["in_site"], 3);
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_is_cut_and_nobody_else_notices() {
    let limits = Limits { send_timeout: Duration::from_millis(300), ..quick() };
    let served = Fed::new(limits).serve().await;
    // A small receive buffer, and nobody reads from it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(served.addr).await.unwrap();
    let url = format!("ws://{}/feed", served.addr);
    let (stuck, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let mut swift = served.viewer().await;
    swift.frame().await;
    served.until_viewers(2).await;

    let bulk = "x".repeat(256 * 1024);
    let mut sent = 0;
    let flood = async {
        while served.fed.hub.viewers() == 2 {
            sent += 1;
            let alarms = vec![alarm(1, &bulk, true)];
            served.fed.send(Delta { alarms, ..persons(sent) });
            assert_eq!(swift.persons().await, u64::from(sent), "the other one sees all");
        }
    };
    timeout(PATIENCE, flood).await.expect("the stuck viewer is cut");
    served.until_viewers(1).await;
    served.fed.send(persons(1_000_000));
    assert_eq!(swift.persons().await, 1_000_000);
    drop(stuck);
}

#[tokio::test]
async fn what_is_too_big_too_much_or_senseless_ends_the_session() {
    let served = Fed::new(quick()).serve().await;
    let mut calm = served.viewer().await;
    calm.frame().await;

    let mut big = served.viewer().await;
    big.say("x".repeat(4097)).await;
    assert!(matches!(big.close_code().await, Some(1009) | None));

    let mut chatty = served.viewer().await;
    for _ in 0..=Limits::default().inbound_max {
        chatty.say(r#"{"type":"resync"}"#).await;
    }
    assert_eq!(chatty.close_code().await, Some(1008));

    let mut odd = served.viewer().await;
    odd.say(r#"{"type":"open_all_gates"}"#).await;
    assert_eq!(odd.close_code().await, Some(1008));

    served.until_viewers(1).await;
    served.fed.send(persons(9));
    assert_eq!(calm.persons().await, 9);
}

#[tokio::test]
async fn an_enormous_frame_is_refused_by_its_header_alone() {
    let served = Fed::new(quick()).serve().await;
    let mut viewer = served.viewer().await;
    viewer.socket.get_mut().set_nodelay(true).unwrap();
    viewer.frame().await;
    // A text frame that announces 1 TiB, and then nothing.
    let mut header = vec![0x81, 0xFF];
    header.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    tokio::io::AsyncWriteExt::write_all(viewer.socket.get_mut(), &header).await.unwrap();
    assert_eq!(viewer.close_code().await, Some(1009));
    served.until_viewers(0).await;
}

#[tokio::test]
async fn the_end_of_the_program_is_said_to_every_viewer() {
    let served = Fed::new(quick()).serve().await;
    let mut viewers = vec![];
    for _ in 0..3 {
        let mut viewer = served.viewer().await;
        viewer.frame().await;
        viewers.push(viewer);
    }
    served.fed.shutdown.cancel();
    for viewer in &mut viewers {
        assert_eq!(viewer.close_code().await, Some(1001));
    }
    timeout(PATIENCE, served.fed.hub.closed()).await.expect("all sockets close");
    assert_eq!(served.fed.hub.viewers(), 0);
    assert_eq!(refused(&served, None).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn there_are_only_so_many_seats_and_a_seat_left_is_free_again() {
    let served = Fed::new(Limits { viewers_max: 1, ..quick() }).serve().await;
    let mut first = served.viewer().await;
    first.frame().await;
    assert_eq!(refused(&served, None).await, StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    served.until_viewers(0).await;
    let Viewer { .. } = served.viewer().await;
}

#[tokio::test]
async fn a_page_of_another_host_is_refused() {
    let served = Fed::new(quick()).serve().await;
    assert_eq!(refused(&served, Some("http://evil.example")).await, StatusCode::FORBIDDEN);
    let mut request = format!("ws://{}/feed", served.addr).into_client_request().unwrap();
    let origin = format!("http://{}", served.addr);
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let config = Some(WebSocketConfig::default());
    let joined = tokio_tungstenite::client_async_with_config(request, stream, config).await;
    assert!(joined.is_ok(), "its own page may");
}

#[tokio::test]
async fn who_may_not_watch_is_told_before_the_upgrade() {
    let served = Fed::new(quick()).serve().await;
    served.gate.shut.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(refused(&served, None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(served.fed.hub.viewers(), 0, "no seat is taken for it");
}

#[tokio::test]
async fn one_address_has_only_so_many_seats() {
    let served = Fed::new(Limits { viewers_per_address_max: 2, ..quick() }).serve().await;
    let (mut first, mut second) = (served.viewer().await, served.viewer().await);
    first.frame().await;
    second.frame().await;
    assert_eq!(refused(&served, None).await, StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    served.until_viewers(1).await;
    let Viewer { .. } = served.viewer().await;
}
