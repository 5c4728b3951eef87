//! One viewer's session: a snapshot, then frames, until either side ends it.
//!
//! Called by the upgrade. It holds nothing of the feed but its place in the ring. It refuses
//! talkative and oversized viewers, and cuts one that does not take its frames: a viewer's
//! slowness stays its own.

use futures_util::{SinkExt, StreamExt};
use metrics::{counter, gauge};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::{OwnedSemaphorePermit, broadcast::error::RecvError},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{Hub, Limits, Pass, glass::ReadyFrame, metered::Metered, watch};

/// What a viewer may say.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    /// It missed a frame and wants the state as a whole.
    Resync,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The viewer went, with or without a word.
    Left,
    /// The feed ended.
    Shutdown,
    /// The login or the link that it came by is over.
    Over,
    /// A send took too long.
    Stalled,
    /// Nothing was heard of it, not even the answer to a ping.
    Silent,
    /// It said too much in too short a time.
    TooMany,
    /// It said too much at once.
    TooBig,
    /// It said something that the feed does not know.
    Nonsense,
}

impl End {
    /// The server's reason, as a label; `None` where it was the viewer's own wish.
    fn cut(self) -> Option<&'static str> {
        match self {
            Self::Left | Self::Shutdown => None,
            Self::Over => Some("login_over"),
            Self::Stalled => Some("stalled"),
            Self::Silent => Some("silent"),
            Self::TooMany => Some("too_many"),
            Self::TooBig => Some("too_big"),
            Self::Nonsense => Some("nonsense"),
        }
    }

    /// What is said in parting; `None` where nobody would hear it.
    fn farewell(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Left | Self::Stalled | Self::Silent => return None,
            Self::Shutdown => (CloseCode::Away, "the feed ends here"),
            Self::Over => (CloseCode::Policy, "the login is over"),
            Self::TooMany => (CloseCode::Policy, "too many messages"),
            Self::TooBig => (CloseCode::Size, "message too big"),
            Self::Nonsense => (CloseCode::Policy, "not a message of the feed"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }
}

/// Serves one viewer until it is over. `pass` let it in, `seat` is its place among the viewers.
pub(crate) async fn run<S>(
    mut socket: WebSocketStream<Metered<S>>,
    hub: &Hub,
    pass: &Pass,
    seat: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let viewers = gauge!(watch::VIEWERS);
    viewers.increment(1);
    let end = serve(&mut socket, hub, pass).await;
    if let Some(why) = end.cut() {
        counter!(watch::CUT, "why" => why).increment(1);
    }
    tracing::debug!(?end, "viewer gone");
    if let Some(farewell) = end.farewell() {
        let goodbye = async {
            if socket.close(Some(farewell)).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        if timeout(hub.limits().close_timeout, goodbye).await.is_err() {
            tracing::debug!("viewer did not close in time");
        }
    }
    if end == End::Left {
        // The answer to its close; it may be gone already.
        timeout(hub.limits().close_timeout, socket.flush()).await.ok();
    }
    drop(seat);
    viewers.decrement(1);
}

async fn serve<S>(socket: &mut WebSocketStream<Metered<S>>, hub: &Hub, pass: &Pass) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = hub.limits();
    // Before the snapshot is read: a frame made in between is then in the ring, or in both.
    let mut frames = hub.frames();
    let mut held = match send(socket, hub.whole(), limits).await {
        Ok(seq) => seq,
        Err(end) => return end,
    };
    let mut allowance = Allowance::new(limits);
    let mut ping = interval_at(Instant::now() + limits.ping_every, limits.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = true;
    loop {
        let sent = tokio::select! {
            () = hub.closing().cancelled() => return End::Shutdown,
            frame = frames.recv() => match frame {
                Ok(frame) if frame.seq <= held => Ok(held),
                Ok(frame) => send(socket, frame, limits).await,
                Err(RecvError::Lagged(missed)) => {
                    counter!(watch::LAGGED).increment(1);
                    tracing::debug!(missed, "viewer behind: snapshot");
                    send(socket, hub.whole(), limits).await
                }
                Err(RecvError::Closed) => return End::Shutdown,
            },
            got = socket.next() => {
                heard = true;
                match listen(got, &mut allowance) {
                    Ok(true) => send(socket, hub.whole(), limits).await,
                    Ok(false) => Ok(held),
                    Err(end) => Err(end),
                }
            }
            _ = ping.tick() => {
                if !pass() {
                    return End::Over;
                }
                if limits.inbound_bytes_per_ping() < socket.get_mut().taken_bytes() {
                    return End::TooMany;
                }
                if !std::mem::take(&mut heard) {
                    return End::Silent;
                }
                write(socket, Message::Ping(Bytes::new()), limits).await.map(|()| held)
            }
        };
        match sent {
            Ok(seq) => held = seq,
            Err(end) => return end,
        }
    }
}

/// What a viewer said: whether it wants a snapshot.
fn listen(got: Option<Result<Message, Error>>, allowance: &mut Allowance) -> Result<bool, End> {
    let message = match got {
        Some(Err(Error::Capacity(_))) => return Err(End::TooBig),
        None | Some(Err(_)) => return Err(End::Left),
        Some(Ok(message)) => message,
    };
    if !allowance.take(Instant::now()) {
        return Err(End::TooMany);
    }
    match message {
        Message::Text(text) => match serde_json::from_str(&text) {
            Ok(Said::Resync) => Ok(true),
            Err(_) => Err(End::Nonsense),
        },
        Message::Binary(_) => Err(End::Nonsense),
        Message::Close(_) => Err(End::Left),
        // Pings are answered by the socket itself.
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(false),
    }
}

async fn send<S>(
    socket: &mut WebSocketStream<S>,
    frame: ReadyFrame,
    limits: &Limits,
) -> Result<u64, End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wire = frame.wire.bytes();
    let writing = async {
        // What the socket itself has under way (an answer to a ping) must not be cut in two.
        socket.flush().await.map_err(|_| End::Left)?;
        let io = socket.get_mut();
        io.write_all(wire).await.map_err(|_| End::Left)?;
        io.flush().await.map_err(|_| End::Left)
    };
    timeout(limits.send_timeout, writing).await.unwrap_or(Err(End::Stalled))?;
    counter!(watch::SENT).increment(1);
    counter!(watch::BYTES).increment(wire.len() as u64);
    Ok(frame.seq)
}

async fn write<S>(
    socket: &mut WebSocketStream<S>,
    message: Message,
    limits: &Limits,
) -> Result<(), End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match timeout(limits.send_timeout, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Left),
        Err(_elapsed) => Err(End::Stalled),
    }
}

/// How much a viewer may still say in this window.
struct Allowance {
    limits: Limits,
    since: Instant,
    taken: u32,
}

impl Allowance {
    fn new(limits: &Limits) -> Self {
        Self { limits: *limits, since: Instant::now(), taken: 0 }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= self.limits.inbound_window {
            self.since = now;
            self.taken = 0;
        }
        self.taken += 1;
        self.taken <= self.limits.inbound_max
    }
}
