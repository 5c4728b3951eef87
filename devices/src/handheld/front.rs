//! The front of a handheld: where its operator speaks and reads.
//!
//! Owns the two bounded queues between the device and whatever shows it to the operator: lines on
//! standard input and output ([`Front::stdio`]), or a program in the same process
//! ([`Front::channel`]). A line longer than [`LINE_MAX`] is refused, not kept.

use std::task::{Context, Poll};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    sync::mpsc,
};
use tracing::warn;

use super::words::{Input, Line};

/// The longest line, in bytes.
pub const LINE_MAX: u64 = 16 * 1_024;

/// Lines that wait on either side. The front's reader waits when it is full; what the front does
/// not read in time is dropped, with a warning.
const LINES_MAX: usize = 64;

/// A line that was read: what is wanted and its number, or why it is none.
type Read = Result<(Option<u64>, Input), String>;

/// The device's side.
#[derive(Debug)]
pub struct Front {
    lines: mpsc::Receiver<Read>,
    told: mpsc::Sender<Line>,
}

/// The operator's side, in the same process.
#[derive(Debug)]
pub struct Hand {
    pub(super) said: mpsc::Sender<Read>,
    pub(super) heard: mpsc::Receiver<Line>,
}

impl Front {
    /// Both sides.
    pub fn channel() -> (Self, Hand) {
        let (said, lines) = mpsc::channel(LINES_MAX);
        let (told, heard) = mpsc::channel(LINES_MAX);
        (Self { lines, told }, Hand { said, heard })
    }

    /// Standard input and output. The end of the input ends nothing: the device goes on.
    pub fn stdio() -> Self {
        let (front, Hand { said, mut heard }) = Self::channel();
        tokio::spawn(async move {
            let mut input = BufReader::new(tokio::io::stdin());
            while let Some(read) = next_line(&mut input).await {
                if said.send(read).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            let mut output = tokio::io::stdout();
            while let Some(line) = heard.recv().await {
                let mut text = serde_json::to_string(&line).unwrap_or_default();
                text.push('\n');
                let written = async {
                    output.write_all(text.as_bytes()).await?;
                    output.flush().await
                };
                if let Err(error) = written.await {
                    warn!(%error, "the front does not read any more");
                    return;
                }
            }
        });
        front
    }

    /// The next line. When the operator's side is gone, there is none any more.
    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
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
async fn next_line<R: tokio::io::AsyncBufRead + Unpin>(input: &mut R) -> Option<Read> {
    loop {
        let mut line = Vec::new();
        let read = (&mut *input).take(LINE_MAX).read_until(b'\n', &mut line).await;
        if !read.is_ok_and(|len| 0 < len) {
            return None;
        }
        if !line.ends_with(b"\n") && u64::try_from(line.len()).is_ok_and(|len| len == LINE_MAX) {
            skip_line(input).await;
            return Some(Err(format!("a line has {LINE_MAX} bytes at most")));
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            return Some(Err("a line is UTF-8".into()));
        };
        if !text.trim().is_empty() {
            return Some(Input::read(text));
        }
    }
}

/// Reads on to the end of a line, keeping nothing.
async fn skip_line<R: tokio::io::AsyncBufRead + Unpin>(input: &mut R) {
    loop {
        let (len, ended) = match input.fill_buf().await {
            Ok([]) | Err(_) => return,
            Ok(part) => match part.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (part.len(), false),
            },
        };
        input.consume(len);
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_one_by_one_and_a_wrong_one_does_not_end_it() {
        let long = "x".repeat(usize::try_from(LINE_MAX).unwrap() * 2);
        let text =
            format!("\n{{\"do\":\"logout\"}}\n{long}\n{{\"do\":\"dance\"}}\n{{\"do\":\"logout\"}}");
        let mut input = BufReader::new(text.as_bytes());
        let mut words = Vec::new();
        while let Some(read) = next_line(&mut input).await {
            words.push(read.map_or_else(|why| why, |(_, input)| input.word().to_owned()));
        }
        assert_eq!(words.len(), 4, "{words:?}");
        assert_eq!((words[0].as_str(), words[3].as_str()), ("logout", "logout"));
        assert!(words[1].contains("16384 bytes"), "{}", words[1]);
    }
}
