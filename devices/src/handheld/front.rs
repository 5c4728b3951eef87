//! The front of a handheld: where its operator speaks and reads.
//!
//! Owns the two bounded queues between the device and whatever shows it to the operator: lines on
//! standard input and output ([`Front::stdio`]), or a program in the same process
//! ([`Front::channel`]). A line longer than [`LINE_MAX`] is refused, not kept.

use std::{
    io::{self, BufRead, Read as _, Write as _},
    task::{Context, Poll},
    thread,
};

use tokio::sync::mpsc;
use tracing::warn;

use super::words::{Input, Line};

/// The longest line, in bytes.
pub const LINE_MAX: u64 = 16 * 1_024;

/// Lines that wait on either side. The front's reader waits when it is full; what the front does
/// not read in time is dropped, with a warning.
const LINES_MAX: usize = 64;

/// A line that was read: what is wanted and its number, or why it is none.
type Said = Result<(Option<u64>, Input), String>;

/// The device's side.
#[derive(Debug)]
pub struct Front {
    lines: mpsc::Receiver<Said>,
    told: mpsc::Sender<Line>,
}

/// The operator's side, in the same process.
#[derive(Debug)]
pub struct Hand {
    pub(super) said: mpsc::Sender<Said>,
    pub(super) heard: mpsc::Receiver<Line>,
}

impl Front {
    /// Both sides.
    pub fn channel() -> (Self, Hand) {
        let (said, lines) = mpsc::channel(LINES_MAX);
        let (told, heard) = mpsc::channel(LINES_MAX);
        (Self { lines, told }, Hand { said, heard })
    }

    /// Standard input and output, each with a thread of its own, which nobody waits for: a read
    /// from a terminal ends when it likes. The end of the input ends nothing: the device goes on.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn stdio() -> io::Result<Self> {
        let (front, Hand { said, mut heard }) = Self::channel();
        thread::Builder::new().name("front in".into()).spawn(move || {
            let mut input = io::stdin().lock();
            while let Some(read) = next_line(&mut input) {
                if said.blocking_send(read).is_err() {
                    return;
                }
            }
        })?;
        thread::Builder::new().name("front out".into()).spawn(move || {
            let mut output = io::stdout().lock();
            while let Some(line) = heard.blocking_recv() {
                let text = serde_json::to_string(&line).unwrap_or_default();
                if let Err(error) = writeln!(output, "{text}").and_then(|()| output.flush()) {
                    warn!(%error, "the front does not read any more");
                    return;
                }
            }
        })?;
        Ok(front)
    }

    /// The next line. When the operator's side is gone, there is none any more.
    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        match self.lines.poll_recv(cx) {
            Poll::Ready(Some(read)) => Poll::Ready(read),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Tells a line; false when it was dropped.
    pub(super) fn tell(&self, line: Line) -> bool {
        self.told.try_send(line).is_ok()
    }
}

/// The next line that is not empty; `None` at the end.
fn next_line<R: BufRead>(input: &mut R) -> Option<Said> {
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        if !read.is_ok_and(|len| 0 < len) {
            return None;
        }
        if !line.ends_with(b"\n") && u64::try_from(line.len()).is_ok_and(|len| len == LINE_MAX) {
            // The rest of it, keeping nothing.
            return input
                .skip_until(b'\n')
                .ok()
                .map(|_skipped| Err(format!("a line has {LINE_MAX} bytes at most")));
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            return Some(Err("a line is UTF-8".into()));
        };
        if !text.trim().is_empty() {
            return Some(Input::read(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_a_wrong_one_does_not_end_it() {
        let long = "x".repeat(usize::try_from(LINE_MAX).unwrap() * 2);
        let text =
            format!("\n{{\"do\":\"logout\"}}\n{long}\n{{\"do\":\"dance\"}}\n{{\"do\":\"logout\"}}");
        let mut input = text.as_bytes();
        let mut words = Vec::new();
        while let Some(read) = next_line(&mut input) {
            words.push(read.map_or_else(|why| why, |(_, input)| input.word().to_owned()));
        }
        assert_eq!(words.len(), 4, "{words:?}");
        assert_eq!((words[0].as_str(), words[3].as_str()), ("logout", "logout"));
        assert!(words[1].contains("16384 bytes"), "{}", words[1]);
    }
}
