//! The viewers: real `WebSockets` that read, read slowly, or do not read. They look at a frame's
//! head only, since reading all of it would be this process's load and not the server's.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use crate::{clock, figures::Latencies};

/// How long a viewer may take to be let in and to see its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two frames of a slow viewer, which come ten times a second.
const SLOW_PAUSE: Duration = Duration::from_millis(500);

/// The receive buffers of those that do not keep up, in bytes: a thin line.
const THIN_BYTES: u32 = 8 << 10;

/// Viewers that connect at the same time.
const AT_ONCE: usize = 50;

/// Frames kept of each step, for the measure of compression.
const CAPTURED_MAX: usize = 300;

/// Locks of the histogram, so that a thousand viewers do not wait for each other.
const SHARDS: usize = 8;

/// How a viewer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Each frame as it comes.
    Good,
    /// Slower than they come.
    Slow,
    /// Nothing.
    Stalled,
}

/// What all viewers of a step saw while it was measured.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Frames of good viewers.
    pub(super) frames: u64,
    /// Bytes of these, without their headers.
    pub(super) bytes: u64,
    /// Snapshots among the frames of all viewers.
    pub(super) snapshots: u64,
    /// Deltas whose number was not the next one.
    pub(super) gaps: u64,
    /// From a frame's `at` to its reader, whole milliseconds in ns.
    pub(super) lag: Latencies,
    /// Frames of one viewer, as they came.
    pub(super) captured: Vec<Vec<u8>>,
    /// Good viewers that were sent away.
    pub(super) lost: u64,
}

#[derive(Default)]
struct Shared {
    measuring: AtomicBool,
    frames: AtomicU64,
    bytes: AtomicU64,
    snapshots: AtomicU64,
    gaps: AtomicU64,
    lost: AtomicU64,
    lag: [Mutex<Latencies>; SHARDS],
    captured: Mutex<Vec<Vec<u8>>>,
}

/// The viewers of a step.
pub(super) struct Audience {
    shared: Arc<Shared>,
    leave: CancellationToken,
    viewers: JoinSet<()>,
    /// Held open, and never read.
    stalled: Vec<WebSocketStream<TcpStream>>,
}

impl Audience {
    /// Connects them all, and waits until each good one has its first frame.
    pub(super) async fn gather(http: &str, manners: Vec<Manner>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let leave = CancellationToken::new();
        let (mut viewers, mut stalled) = (JoinSet::new(), Vec::new());
        let mut waiting = manners.into_iter().enumerate();
        loop {
            let mut joining = JoinSet::new();
            for (n, manner) in waiting.by_ref().take(AT_ONCE) {
                let http = http.to_owned();
                joining.spawn(async move {
                    let joined = timeout(FIRST_FRAME_TIMEOUT, join(&http, manner)).await;
                    (n, manner, joined)
                });
            }
            if joining.is_empty() {
                return Ok(Self { shared, leave, viewers, stalled });
            }
            while let Some(joined) = joining.join_next().await {
                let (n, manner, joined) = joined?;
                let socket = joined.with_context(|| format!("viewer {n}: not in time"))??;
                if manner == Manner::Stalled {
                    stalled.push(socket);
                    continue;
                }
                let (shared, leave) = (Arc::clone(&shared), leave.clone());
                viewers.spawn(async move {
                    let watching = watch(socket, n, manner, &shared);
                    leave.run_until_cancelled(watching).await;
                });
            }
        }
    }

    /// From when to when counts.
    pub(super) fn measure(&self, on: bool) {
        self.shared.measuring.store(on, Ordering::Relaxed);
    }

    /// All leave; what they saw.
    pub(super) async fn part(mut self) -> Seen {
        self.leave.cancel();
        while self.viewers.join_next().await.is_some() {}
        for socket in &mut self.stalled {
            // It may have been cut long ago.
            timeout(Duration::from_millis(10), socket.close(None)).await.ok();
        }
        let shared = &self.shared;
        let mut lag = Latencies::default();
        for one in &shared.lag {
            lag.add(&one.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let captured = &mut *shared.captured.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            frames: of(&shared.frames),
            bytes: of(&shared.bytes),
            snapshots: of(&shared.snapshots),
            gaps: of(&shared.gaps),
            lost: of(&shared.lost),
            lag,
            captured: std::mem::take(captured),
        }
    }
}

async fn join(http: &str, manner: Manner) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    if manner != Manner::Good {
        socket.set_recv_buffer_size(THIN_BYTES)?;
    }
    let stream = socket.connect(http.parse()?).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(16 << 10).write_buffer_size(0);
    let url = format!("ws://{http}/feed");
    let (mut socket, _) =
        tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
    if manner == Manner::Good {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if Head::of(&text).is_some_and(|head| head.whole) => {}
            other => bail!("no snapshot first, but {other:?}"),
        }
    }
    Ok(socket)
}

async fn watch(
    mut socket: WebSocketStream<TcpStream>,
    number: usize,
    manner: Manner,
    shared: &Shared,
) {
    let mut held = None;
    let count = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let Some(frame) = Head::of(&text) else {
            count(&shared.gaps, 1);
            continue;
        };
        if !frame.whole && held.is_some_and(|before| frame.seq != before + 1) {
            count(&shared.gaps, 1);
        }
        held = Some(frame.seq);
        if shared.measuring.load(Ordering::Relaxed) {
            count(&shared.snapshots, u64::from(frame.whole));
            if manner == Manner::Good {
                count(&shared.frames, 1);
                count(&shared.bytes, text.len() as u64);
                let lag_ms = clock::unix_ms().unsigned_abs().saturating_sub(frame.at_ms);
                let lag = &shared.lag[number % SHARDS];
                lag.lock().unwrap_or_else(PoisonError::into_inner).record(lag_ms * 1_000_000);
            }
            if number == 0 {
                let mut captured = shared.captured.lock().unwrap_or_else(PoisonError::into_inner);
                if captured.len() < CAPTURED_MAX {
                    captured.push(text.as_bytes().to_vec());
                }
            }
        }
        if manner == Manner::Slow {
            sleep(SLOW_PAUSE).await;
        }
    }
    if manner == Manner::Good {
        count(&shared.lost, 1);
    }
}

/// What stands at the beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    whole: bool,
    seq: u64,
    at_ms: u64,
}

impl Head {
    fn of(text: &str) -> Option<Self> {
        let number = |name: &str| {
            let (_, rest) = text.split_once(name)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        Some(Self {
            whole: text.starts_with(r#"{"type":"snapshot","#),
            seq: number(r#""seq":"#)?,
            at_ms: number(r#""at":"#)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_head_is_read_without_its_rest() {
        let head = Head::of(r#"{"type":"delta","seq":12,"at":1790000000000,"gates":[{"at":1}]}"#);
        assert_eq!(head, Some(Head { whole: false, seq: 12, at_ms: 1_790_000_000_000 }));
        assert!(Head::of(r#"{"type":"snapshot","seq":1,"at":2}"#).unwrap().whole);
        assert_eq!(Head::of("{}"), None);
    }
}
