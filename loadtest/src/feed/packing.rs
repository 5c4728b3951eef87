//! What compression of the frames (permessage-deflate, RFC 7692) would save, and what it would
//! cost: over the frames that a viewer got, at level 1, in both its forms.
//!
//! Without a context each frame is packed by itself: once for all viewers. With one each viewer
//! has its own, and each frame is packed for each of them.

use flate2::{Compress, Compression, FlushCompress};
use serde::Serialize;

use crate::{clock::Clock, figures::ratio};

/// What it came to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Packing {
    /// Frames that were packed.
    pub frames: usize,
    /// Mean size of a frame as it is, in bytes.
    pub plain_bytes: f64,
    /// Mean size packed by itself.
    pub alone_bytes: f64,
    /// Processor time for it, once for all viewers, in microseconds a frame.
    pub alone_us: f64,
    /// Mean size packed with the context of the frames before it.
    pub context_bytes: f64,
    /// Processor time for it, for each viewer, in microseconds a frame.
    pub context_us: f64,
}

/// Packs `frames` in both ways.
pub(super) fn measure(clock: Clock, frames: &[Vec<u8>]) -> Packing {
    let plain: usize = frames.iter().map(Vec::len).sum();
    let mean = |sum: usize| ratio(whole(sum), whole(frames.len()));
    let mut alone = Compress::new(Compression::fast(), false);
    let began = clock.ns();
    let alone_sum: usize = frames
        .iter()
        .map(|frame| {
            alone.reset();
            packed(&mut alone, frame)
        })
        .sum();
    let alone_ns = clock.ns() - began;
    let mut context = Compress::new(Compression::fast(), false);
    let began = clock.ns();
    let context_sum: usize = frames.iter().map(|frame| packed(&mut context, frame)).sum();
    let context_ns = clock.ns() - began;
    let each_us = |ns: u64| ratio(crate::figures::micros(ns), whole(frames.len()));
    Packing {
        frames: frames.len(),
        plain_bytes: mean(plain),
        alone_bytes: mean(alone_sum),
        alone_us: each_us(alone_ns),
        context_bytes: mean(context_sum),
        context_us: each_us(context_ns),
    }
}

fn whole(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The size of `frame` packed; the four bytes at its end are not sent (RFC 7692, 7.2.1).
fn packed(packer: &mut Compress, frame: &[u8]) -> usize {
    let mut out = Vec::with_capacity(frame.len() + 64);
    let before = packer.total_in();
    while packer.total_in() - before < frame.len() as u64 {
        let done = usize::try_from(packer.total_in() - before).unwrap_or(frame.len());
        if packer.compress_vec(&frame[done..], &mut out, FlushCompress::Sync).is_err() {
            return frame.len();
        }
        out.reserve(frame.len());
    }
    out.len().saturating_sub(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_are_alike_are_small_with_a_context() {
        let frame = |n: u32| format!(r#"{{"type":"delta","seq":{n},"today":{{"in_site":{n}}}}}"#);
        let frames: Vec<_> = (0..100).map(|n| frame(n).into_bytes()).collect();
        let packing = measure(Clock::start(), &frames);
        assert!(packing.context_bytes < packing.alone_bytes, "{packing:?}");
        assert!(packing.context_bytes < packing.plain_bytes / 2.0, "{packing:?}");
        assert_eq!(measure(Clock::start(), &[]).frames, 0);
    }
}
