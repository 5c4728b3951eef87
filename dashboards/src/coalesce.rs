//! Many deltas made into one: what the hub holds between two frames. No clock, no I/O.
//!
//! Rows are absolute, so the later row of an id stands for both. An alarm that was raised and is
//! over again within one frame stays in as over: a viewer may hold it from before.

use shanmen_protocols::feed::{Delta, RECENT_MAX, Recent, Snapshot, replace_rows};

/// Takes `later` into `pending`, so that applying `pending` does what applying both would.
pub(crate) fn merge(pending: &mut Delta, later: &Delta) {
    replace_rows(&mut pending.areas, &later.areas, |a, b| a.id == b.id);
    replace_rows(&mut pending.gates, &later.gates, |a, b| a.id == b.id);
    replace_rows(&mut pending.lanes, &later.lanes, |a, b| a.id == b.id);
    replace_rows(&mut pending.alarms, &later.alarms, |a, b| a.id == b.id);
    if later.today.is_some() {
        pending.today.clone_from(&later.today);
    }
    if later.past.is_some() {
        pending.past.clone_from(&later.past);
    }
    pending.recent.extend_from_slice(&later.recent);
    let surplus = pending.recent.len().saturating_sub(RECENT_MAX);
    pending.recent.drain(..surplus);
}

/// Drops the ticker lines of `delta` that `state` already holds, or that are older than all it
/// holds. They come twice when a snapshot was taken while deltas were under way; rows come twice
/// too, but do no harm.
pub(crate) fn drop_known(delta: &mut Delta, state: &Snapshot) {
    if let Some(oldest) = state.recent.first() {
        let older = |line: &Recent| line.n < oldest.n && line.committed_at <= oldest.committed_at;
        delta.recent.retain(|line| !older(line) && !state.recent.contains(line));
    }
}
