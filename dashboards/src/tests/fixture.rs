//! A small park, a served hub, and a viewer that reads JSON.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use futures_util::{SinkExt, StreamExt, future::BoxFuture};
use serde_json::Value;
use shanmen_protocols::{
    feed::{Alarm, Delta, Past, Plan, SiteInfo, Snapshot, Text, Today},
    ids::SiteId,
    time::UnixMs,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use crate::{Guard, Hub, Limits, Pass, router, start};

/// Far longer than anything here takes: only a hang meets it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn now() -> UnixMs {
    UnixMs(1_790_000_000_000)
}

pub(super) fn park() -> Snapshot {
    Snapshot {
        site: SiteInfo {
            id: SiteId::new("yunqi").unwrap(),
            name: Text { zh: "云栖山".into(), en: "Yunqi".into() },
            timezone: "Asia/Shanghai".into(),
            plan: Plan::default(),
        },
        areas: vec![],
        gates: vec![],
        lanes: vec![],
        today: Today::default(),
        alarms: vec![],
        recent: vec![],
        past: Past::default(),
    }
}

pub(super) fn alarm(id: u64, code: &str, active: bool) -> Alarm {
    Alarm {
        id,
        code: code.into(),
        at: now(),
        device: None,
        lane: None,
        area: None,
        acknowledged: false,
        active,
    }
}

/// A change that makes the park hold `in_site` persons.
pub(super) fn persons(in_site: u32) -> Delta {
    Delta { today: Some(Today { in_site, ..Today::default() }), ..Delta::default() }
}

/// A hub with the ends that a test holds.
pub(super) struct Fed {
    pub(super) hub: Hub,
    pub(super) deltas: broadcast::Sender<Arc<Delta>>,
    pub(super) shutdown: CancellationToken,
    /// What the source gives when it is asked.
    pub(super) source: Arc<Mutex<Snapshot>>,
}

impl Fed {
    pub(super) fn new(limits: Limits) -> Self {
        let source = Arc::new(Mutex::new(park()));
        let asked = source.clone();
        Self::with_resync(limits, source, move || {
            let state = asked.lock().unwrap().clone();
            Box::pin(async move { state })
        })
    }

    pub(super) fn with_resync(
        limits: Limits,
        source: Arc<Mutex<Snapshot>>,
        resync: impl Fn() -> BoxFuture<'static, Snapshot> + Send + Sync + 'static,
    ) -> Self {
        let (deltas, receiver) = broadcast::channel(8);
        let shutdown = CancellationToken::new();
        let hub = start(park(), receiver, resync, now, &shutdown, limits);
        Self { hub, deltas, shutdown, source }
    }

    pub(super) fn send(&self, delta: Delta) {
        self.deltas.send(Arc::new(delta)).expect("the hub listens");
    }

    pub(super) async fn serve(self) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let app = router(self.hub.clone(), gate.clone());
        // As if from an address of its own: the loopback is not counted.
        let from = ConnectInfo(SocketAddr::from(([203, 0, 113, 7], 7)));
        let app = app.layer(axum::Extension(from));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Served { fed: self, addr, gate }
    }
}

/// A guard that lets everybody in, until told otherwise.
#[derive(Default)]
pub(super) struct Gate {
    pub(super) shut: Arc<AtomicBool>,
}

impl Guard for Gate {
    fn admit(&self, _: &HeaderMap) -> Result<Pass, Response> {
        let shut = self.shut.clone();
        if shut.load(Ordering::Relaxed) {
            return Err((StatusCode::UNAUTHORIZED, "log in").into_response());
        }
        Ok(Box::new(move || !shut.load(Ordering::Relaxed)))
    }

    fn enter(&self, key: &str, page: &str) -> Response {
        match key {
            "good" => Redirect::to(page).into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
}

/// A hub behind a real socket.
pub(super) struct Served {
    pub(super) fed: Fed,
    pub(super) addr: SocketAddr,
    pub(super) gate: Arc<Gate>,
}

impl Served {
    pub(super) async fn viewer(&self) -> Viewer<TcpStream> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let url = format!("ws://{}/feed", self.addr);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Viewer { socket }
    }

    /// Waits until so many viewers are connected.
    pub(super) async fn until_viewers(&self, count: usize) {
        let wait = async {
            while self.fed.hub.viewers() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the number of viewers changes");
    }
}

/// One viewer, reading.
pub(super) struct Viewer<S> {
    pub(super) socket: WebSocketStream<S>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Viewer<S> {
    pub(super) async fn message(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.socket.next()).await.expect("a message in time");
        message.and_then(Result::ok)
    }

    /// The next frame of the feed.
    pub(super) async fn frame(&mut self) -> Value {
        loop {
            match self.message().await.expect("the feed goes on") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a frame: {other:?}"),
            }
        }
    }

    /// The next frame that says how many are in the park.
    pub(super) async fn persons(&mut self) -> u64 {
        loop {
            if let Some(persons) = self.frame().await["today"]["in_site"].as_u64() {
                return persons;
            }
        }
    }

    pub(super) async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("the server listens");
    }

    /// The code with which the server closes; `None` when it just goes.
    pub(super) async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.message().await {
                None => return None,
                Some(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Some(_) => {}
            }
        }
    }
}
