//! One session over a pipe in memory, where what the viewer has taken is known to the byte.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::fixture::{Fed, Viewer, persons};
use crate::{Limits, Pass, metered::Metered, session};

async fn join(fed: &Fed, pipe_bytes: usize) -> (Viewer<DuplexStream>, JoinHandle<()>) {
    join_by(fed, pipe_bytes, Box::new(|| true)).await
}

async fn join_by(
    fed: &Fed,
    pipe_bytes: usize,
    pass: Pass,
) -> (Viewer<DuplexStream>, JoinHandle<()>) {
    let (near, far) = duplex(pipe_bytes);
    let seat = fed.hub.seats().clone().try_acquire_owned().unwrap();
    let hub = fed.hub.clone();
    let served = tokio::spawn(async move {
        let socket = WebSocketStream::from_raw_socket(Metered::new(near), Role::Server, None).await;
        session::run(socket, &hub, &pass, seat).await;
    });
    let socket = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    (Viewer { socket }, served)
}

#[tokio::test]
async fn a_viewer_behind_its_queue_gets_the_state_instead_of_what_it_missed() {
    let limits =
        Limits { queue_frames: 2, frame_gap: Duration::from_millis(1), ..Limits::default() };
    let fed = Fed::new(limits);
    let (mut viewer, _served) = join(&fed, 64).await; // not even one frame fits
    let mut witness = fed.hub.frames();
    for count in 1..=20 {
        fed.send(persons(count));
        witness.recv().await.expect("the hub waits for nobody");
    }
    let first = viewer.frame().await;
    assert_eq!(first["type"], "snapshot");
    let second = viewer.frame().await;
    assert_eq!(second["type"], "snapshot", "nineteen frames are not sent after");
    assert_eq!(second["today"]["in_site"], 20);
    fed.send(persons(21));
    let third = viewer.frame().await;
    assert_eq!(third["seq"].as_u64(), second["seq"].as_u64().map(|seq| seq + 1));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_answers_no_ping_is_cut() {
    let fed = Fed::new(Limits::default());
    let (viewer, served) = join(&fed, 1 << 20).await; // takes all, and says nothing
    timeout(3 * Limits::default().ping_every, served).await.expect("it is cut").unwrap();
    assert_eq!(fed.hub.viewers(), 0);
    drop(viewer);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_answers_stays() {
    let fed = Fed::new(Limits::default());
    let (mut viewer, served) = join(&fed, 1 << 20).await;
    let watch = async {
        loop {
            viewer.frame().await;
        }
    };
    assert!(timeout(20 * Limits::default().ping_every, watch).await.is_err(), "it goes on");
    assert!(!served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_send_that_stalls_has_an_end() {
    let limits = Limits { ping_every: Duration::from_hours(1), ..Limits::default() };
    let fed = Fed::new(limits);
    let (viewer, served) = join(&fed, 64).await;
    timeout(2 * limits.send_timeout, served).await.expect("it is cut").unwrap();
    drop(viewer);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_taken_back_ends_the_session_within_a_minute() {
    let fed = Fed::new(Limits::default());
    let good = Arc::new(AtomicBool::new(true));
    let held = good.clone();
    let pass: Pass = Box::new(move || held.load(Ordering::Relaxed));
    let (mut viewer, served) = join_by(&fed, 1 << 20, pass).await;
    viewer.frame().await;
    let watch = async { while viewer.frame().await["type"] == "delta" {} };
    assert!(timeout(Duration::from_mins(5), watch).await.is_err(), "as long as it is good");
    good.store(false, Ordering::Relaxed);
    let over = Instant::now();
    assert_eq!(viewer.close_code().await, Some(1008));
    assert!(over.elapsed() <= Duration::from_mins(1), "{:?}", over.elapsed());
    drop(viewer);
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_of_endless_empty_fragments_ends_the_session() {
    let limits = Limits { ping_every: Duration::from_secs(10), ..Limits::default() };
    let fed = Fed::new(limits);
    let (mut viewer, served) = join(&fed, 1 << 20).await;
    viewer.frame().await;
    // A text that goes on, and then fragments without a byte in them, masked as a client's are.
    let (first, next) = ([0x01, 0x80, 0, 0, 0, 0], [0x00, 0x80, 0, 0, 0, 0]);
    let mut flood = first.to_vec();
    while flood.len() <= limits.inbound_bytes_per_ping() {
        flood.extend_from_slice(&next);
    }
    viewer.socket.get_mut().write_all(&flood).await.unwrap();
    assert_eq!(viewer.close_code().await, Some(1008));
    drop(viewer);
    served.await.unwrap();
}
