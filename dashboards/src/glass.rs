//! What is on the glass: the state, its number, and its snapshot frame, serialized at most once
//! for each number. Called by the hub (to move on) and by sessions (to read), under one short
//! lock; nothing here waits.

use shanmen_protocols::{
    feed::{Delta, Frame, Snapshot},
    time::UnixMs,
};

use crate::wire::Wire;

/// A frame ready to be sent: its number and its bytes, shared by all viewers.
#[derive(Clone, Debug)]
pub(crate) struct ReadyFrame {
    pub(crate) seq: u64,
    pub(crate) wire: Wire,
}

/// The state that viewers see.
#[derive(Debug)]
pub(crate) struct Glass {
    state: Snapshot,
    seq: u64,
    at: UnixMs,
    whole: Option<Wire>,
}

impl Glass {
    pub(crate) fn new(state: Snapshot, at: UnixMs) -> Self {
        Self { state, seq: 0, at, whole: None }
    }

    pub(crate) fn state(&self) -> &Snapshot {
        &self.state
    }

    /// Takes `changes` over as the next frame. The frame itself is made only when `wanted`: with
    /// nobody watching, the state alone moves on.
    pub(crate) fn advance(
        &mut self,
        changes: &Delta,
        at: UnixMs,
        wanted: bool,
    ) -> Option<ReadyFrame> {
        self.state.apply(changes);
        self.next(at);
        let frame = Frame::Delta { seq: self.seq, at, changes };
        wanted.then(|| ReadyFrame { seq: self.seq, wire: Wire::of(&frame) })
    }

    /// Takes `state` instead of the one held, as the next frame.
    pub(crate) fn replace(&mut self, state: Snapshot, at: UnixMs) -> ReadyFrame {
        self.state = state;
        self.next(at);
        self.whole()
    }

    /// The state as a frame.
    pub(crate) fn whole(&mut self) -> ReadyFrame {
        let Self { state, seq, at, whole } = self;
        let made = whole.get_or_insert_with(|| {
            Wire::of(&Frame::Snapshot { seq: *seq, at: *at, state: &*state })
        });
        ReadyFrame { seq: *seq, wire: made.clone() }
    }

    /// A newer state than the one held, as a frame of the present number: deltas hold whole rows,
    /// so the next ones fit it.
    pub(crate) fn frame_of(&self, state: &Snapshot, at: UnixMs) -> Wire {
        Wire::of(&Frame::Snapshot { seq: self.seq, at, state })
    }

    fn next(&mut self, at: UnixMs) {
        self.seq += 1;
        self.at = at;
        self.whole = None;
    }
}
