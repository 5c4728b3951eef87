//! The names of this crate's metrics, in one place. Values are set where things happen.

/// Viewers connected now (gauge).
pub(crate) const VIEWERS: &str = "shanmen_feed_viewers";
/// Frames made by the hub, by `kind` (counter).
pub(crate) const FRAMES: &str = "shanmen_feed_frames_total";
/// Frames handed to viewers' sockets (counter).
pub(crate) const SENT: &str = "shanmen_feed_sent_frames_total";
/// Bytes of feed handed to viewers' sockets (counter).
pub(crate) const BYTES: &str = "shanmen_feed_sent_bytes_total";
/// Viewers that fell behind their queue and got a snapshot (counter).
pub(crate) const LAGGED: &str = "shanmen_feed_lagged_total";
/// Viewers sent away by the server, by `why` (counter).
pub(crate) const CUT: &str = "shanmen_feed_cut_total";
/// Requests for the feed that were refused, by `why` (counter).
pub(crate) const REFUSED: &str = "shanmen_feed_refused_total";
/// Times that the hub fell behind its source, or its source did not answer, by `what` (counter).
pub(crate) const RESYNC: &str = "shanmen_feed_resync_total";
/// From the ledger's commit of a passage to the frame that shows it, in seconds (histogram).
pub(crate) const LAG: &str = "shanmen_feed_lag_seconds";

/// Describes the metrics to whichever recorder is installed.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!(VIEWERS, "viewers of the feed connected now");
    describe_counter!(FRAMES, "frames made by the hub");
    describe_counter!(SENT, "frames handed to viewers");
    describe_counter!(BYTES, Unit::Bytes, "bytes of frames handed to viewers");
    describe_counter!(LAGGED, "viewers that fell behind and got a snapshot");
    describe_counter!(CUT, "viewers sent away by the server");
    describe_counter!(REFUSED, "requests for the feed that were refused");
    describe_counter!(RESYNC, "times that the hub asked its source for a snapshot");
    describe_histogram!(LAG, Unit::Seconds, "from the ledger's commit to the frame");
}
