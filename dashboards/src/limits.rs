//! Every bound of the feed, with the reason for its size. Set once at [`start`](crate::start).
//!
//! They bound its memory too: the frames of the ring, which all viewers share, and for each viewer
//! what it may send at once, twice (as it comes, and as a message), and what the socket itself has
//! to say. A viewer that does not read holds no frames but those in the kernel's own buffer.

use std::time::Duration;

/// The bounds of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Viewers at one time; the next is answered with 503.
    pub viewers_max: usize,
    /// Viewers from one address, the loopback apart: many pages may stand behind one router or
    /// proxy, but nobody shall take all the seats.
    pub viewers_per_address_max: usize,
    /// Frames kept for viewers that are behind: one ring for all of them. A viewer further behind
    /// gets a new snapshot instead.
    pub queue_frames: usize,
    /// The least time between two frames: ten a second is as fast as a person can read.
    pub frame_gap: Duration,
    /// With no change for so long an empty delta is sent, so that a page can tell a quiet feed
    /// from a dead one. The wall gives up on a feed after 8 s: keep this well below.
    pub heartbeat: Duration,
    /// How long one send may take before the viewer is cut.
    pub send_timeout: Duration,
    /// How long an orderly close may take before the socket is dropped.
    pub close_timeout: Duration,
    /// A viewer is pinged so often, and cut when nothing was heard of it in between, or when what
    /// let it in does not any more: at most a minute after a login was taken back.
    pub ping_every: Duration,
    /// The largest message taken from a viewer, in bytes: it has little to say.
    pub inbound_max_bytes: usize,
    /// Messages taken from a viewer within [`inbound_window`](Self::inbound_window).
    pub inbound_max: u32,
    /// The window in which [`inbound_max`](Self::inbound_max) is counted.
    pub inbound_window: Duration,
    /// How long the source may take to give a snapshot when the hub fell behind it.
    pub resync_timeout: Duration,
    /// The least time between two such requests.
    pub resync_gap: Duration,
}

impl Limits {
    /// The most bytes that a viewer may send between two pings: all the messages that it may send
    /// in that time at their largest.
    pub(crate) fn inbound_bytes_per_ping(&self) -> usize {
        let windows = self.ping_every.as_secs() / self.inbound_window.as_secs().max(1) + 1;
        let messages = u64::from(self.inbound_max).saturating_mul(windows);
        usize::try_from(messages).unwrap_or(usize::MAX).saturating_mul(self.inbound_max_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            viewers_max: 2000,
            viewers_per_address_max: 200,
            queue_frames: 32,
            frame_gap: Duration::from_millis(100),
            heartbeat: Duration::from_secs(5),
            send_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(1),
            ping_every: Duration::from_secs(20),
            inbound_max_bytes: 4096,
            inbound_max: 20,
            inbound_window: Duration::from_secs(10),
            resync_timeout: Duration::from_secs(5),
            resync_gap: Duration::from_secs(1),
        }
    }
}
