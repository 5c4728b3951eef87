//! The feed over a real WebSocket: a snapshot first, then deltas, soon after the commit; to many
//! at once; and to those only who may watch.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, future::join_all};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};

use crate::support::{PATIENCE, Server, client, device::Device, eventually, park};

type Viewer = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

async fn view(server: &Server) -> Viewer {
    let address = server.http.strip_prefix("http://").expect("an address");
    let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let (viewer, _) = tokio_tungstenite::client_async(format!("ws://{address}/feed"), stream)
        .await
        .expect("upgraded");
    viewer
}

/// Asks for the feed with one more header; the refusal's status and problem otherwise.
async fn view_as(server: &Server, name: &'static str, value: &str) -> Result<Viewer, (u16, Value)> {
    let address = server.http.strip_prefix("http://").expect("an address");
    let stream = TcpStream::connect(address).await.expect("connected");
    let mut request = format!("ws://{address}/feed").into_client_request().expect("a URL");
    request.headers_mut().insert(name, value.parse().expect("a header"));
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((viewer, _)) => Ok(viewer),
        Err(tungstenite::Error::Http(answer)) => {
            let kind = answer.headers().get("content-type").map(|kind| kind.as_bytes().to_vec());
            assert_eq!(kind.as_deref(), Some(&b"application/problem+json"[..]));
            let body = answer.body().as_deref().unwrap_or_default();
            Err((answer.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null)))
        }
        Err(other) => panic!("{other}"),
    }
}

/// The snapshot with one more header; its status.
async fn snapshot_as(server: &Server, name: &'static str, value: &str) -> u16 {
    let request = client().get(format!("{}/api/v1/feed/snapshot", server.http));
    request.header(name, value).send().await.expect("an answer").status().as_u16()
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

#[tokio::test]
async fn a_closed_feed_is_for_those_who_are_logged_in() {
    let server = Server::start_with(&park("[dashboards]\nopen = false\n")).await;
    let (bearer, cookie) =
        (format!("Bearer {}", server.token), format!("shanmen={}", server.token));
    for (name, value) in [("authorization", &bearer), ("cookie", &cookie)] {
        assert_eq!(snapshot_as(&server, name, value).await, 200, "{name}");
        let mut viewer = view_as(&server, name, value).await.expect("let in");
        assert_eq!(frame(&mut viewer).await["type"], "snapshot");
    }
    for (name, value) in [("x-none", "1"), ("authorization", "Bearer no"), ("cookie", "shanmen=no")]
    {
        assert_eq!(snapshot_as(&server, name, value).await, 401, "{name}: {value}");
        let (status, problem) = view_as(&server, name, value).await.expect_err("refused");
        assert_eq!((status, &problem["status"]), (401, &json!(401)), "{name}: {problem}");
    }
    for page in ["/wall", "/api/v1/site"] {
        let answer = client().get(format!("{}{page}", server.http)).send().await.expect("one");
        assert_eq!(answer.status().as_u16(), 200, "{page} shows nothing of the day");
    }
}

#[tokio::test]
async fn an_open_feed_refuses_a_wrong_token_but_no_stale_cookie() {
    let server = Server::start().await;
    assert_eq!(snapshot_as(&server, "authorization", "Bearer no").await, 401);
    assert!(view_as(&server, "authorization", "Bearer no").await.is_err());
    assert_eq!(snapshot_as(&server, "cookie", "shanmen=of-yesterday").await, 200);
    assert!(view_as(&server, "cookie", "shanmen=of-yesterday").await.is_ok());
}

#[tokio::test]
async fn a_view_link_shows_the_feed_and_nothing_else_until_it_is_taken_back() {
    let mut server = Server::start_with(&park("[dashboards]\nopen = false\n")).await;
    for bad in [json!({ "name": "", "days": 1 }), json!({ "name": "x", "days": 3651 })] {
        assert_eq!(server.post("/api/v1/view-links", &bad).await.status, 422);
    }
    let asked = json!({ "name": "指挥中心 1", "days": 3650, "page": "wall" });
    let made = server.post("/api/v1/view-links", &asked).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let url = made.body["url"].as_str().expect("a URL").to_owned();
    let key = url.strip_prefix("/wall?key=").expect("the wall").to_owned();

    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let browser = browser.no_proxy().build().expect("a client");
    let opened = browser.get(format!("{}{url}", server.http)).send().await.expect("an answer");
    let header = |name: &str| opened.headers()[name].to_str().expect("text").to_owned();
    assert_eq!((opened.status().as_u16(), header("location")), (303, "/wall".to_owned()));
    let cookie = header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    assert!(!cookie.starts_with("shanmen="), "a login stays what it is: {cookie}");
    let forged = browser.get(format!("{}/wall?key=forged", server.http));
    assert_eq!(forged.send().await.expect("an answer").status().as_u16(), 401);

    server.terminate().await;
    server.restart().await;
    assert!(view_as(&server, "cookie", &cookie).await.is_ok(), "it outlives a restart");
    assert_eq!(snapshot_as(&server, "cookie", &cookie).await, 200);
    let get = async |path: &str, name: &str, value: &str| {
        let request = client().get(format!("{}{path}", server.http)).header(name, value);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(get("/api/v1/devices", "cookie", &cookie).await, 401, "no login");
    let bearer = format!("Bearer {key}");
    assert_eq!(get("/api/v1/devices", "authorization", &bearer).await, 403);
    let logout = client().post(format!("{}/api/v1/logout", server.http)).bearer_auth(&key);
    assert_eq!(logout.send().await.expect("an answer").status().as_u16(), 403);

    let list = server.get("/api/v1/view-links").await;
    assert_eq!(list.body["links"][0]["name"], "指挥中心 1");
    assert_eq!(list.body["links"][0]["id"], made.body["id"]);
    assert!(!list.body.to_string().contains(&key), "the key is told once");
    let path = format!("/api/v1/view-links/{}", made.body["id"].as_str().expect("an id"));
    let delete = async || server.send(client().delete(format!("{}{path}", server.http))).await;
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.status, 404, "it is gone");
    assert_eq!(snapshot_as(&server, "cookie", &cookie).await, 401);
    let trail = server.get("/api/v1/audit?action=view-link.").await.body.to_string();
    assert!(trail.contains("view-link.make") && trail.contains("view-link.revoke"), "{trail}");
    assert!(!trail.contains(&key) && !server.log().contains(&key), "nor is it anywhere else");
}

/// Reads on until `until` lines of the ticker are there, without a gap in the numbers.
async fn lines_of(mut viewer: Viewer, until: usize) -> (BTreeSet<u64>, u64) {
    let (mut lines, mut seq, mut in_site) = (BTreeSet::new(), None, 0);
    while lines.len() < until {
        let frame = frame(&mut viewer).await;
        let now = frame["seq"].as_u64();
        if frame["type"] == "delta" {
            assert_eq!(now, seq.map(|seq: u64| seq + 1), "no gap");
        }
        seq = now;
        in_site = frame["today"]["in_site"].as_u64().unwrap_or(in_site);
        let recent = frame["recent"].as_array().cloned().unwrap_or_default();
        lines.extend(recent.iter().filter_map(|line| line["n"].as_u64()));
    }
    (lines, in_site)
}

#[tokio::test]
async fn two_hundred_viewers_see_every_passage_though_twenty_do_not_read() {
    const PASSAGES: usize = 25;
    let server = Server::start().await;
    let address = server.http.strip_prefix("http://").expect("an address");
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let stream = socket.connect(address.parse().expect("one")).await.expect("connected");
        let url = format!("ws://{address}/feed");
        let (silent, _) = tokio_tungstenite::client_async(url, stream).await.expect("upgraded");
        stalled.push(silent);
    }
    let viewers = join_all((0..180).map(|_| view(&server))).await;
    let watching: Vec<_> =
        viewers.into_iter().map(|viewer| tokio::spawn(lines_of(viewer, PASSAGES))).collect();
    eventually("200 viewers", async || {
        let viewers = server.metric("shanmen_feed_viewers").await;
        ((viewers - 200.0).abs() < 0.5).then_some(())
    })
    .await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    for _ in 0..PASSAGES {
        let (_, code) = server.ticket(json!({ "product": "pass" })).await;
        let decision = lane.scan(&code).await;
        lane.pass(&decision["grant"], "taken", 1).await;
    }
    let mut seen = Vec::new();
    for viewer in watching {
        seen.push(viewer.await.expect("it saw everything"));
    }
    for one in &seen {
        assert_eq!(one, &seen[0], "all saw the same");
    }
    assert_eq!(seen[0].0.len(), PASSAGES);
    assert_eq!(seen[0].1, u64::try_from(PASSAGES).expect("few"));
    drop(stalled);
}
