//! A kiosk's screen: what a visitor or a member of staff wants of it, and what it shows.
//!
//! The program of the screen is another process: it speaks JSON lines over a pipe ([`stdio`]). In:
//!
//! ```json
//! {"do":"quote","lines":[{"product":"adult-day","count":2}]}
//! {"do":"buy","lines":[{"product":"adult-day","count":2}]}
//! {"do":"redeem","credential":{"type":"exchange_code","data":"…"}}
//! {"do":"give-up","order":"0192…"}
//! {"do":"settle","order":"0192…"}
//! ```
//!
//! Out: `quote` with the price, `order` whenever one goes on (`state` and, once it may be paid, the
//! `payment`'s number), `refused` with the reason, `message` from the control plane, and `ready`
//! whenever the kiosk begins or ceases to be able to sell. `settle` is for staff: it ends an order in
//! doubt. A line that cannot be read is answered `refused`; none is ever logged.

use std::{
    io::{BufRead as _, Write as _},
    task::{Context, Poll},
};

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{Confirm, Credential, OrderBody, OrderLine},
    ids::OrderId,
    privacy::without_values,
};
use tokio::sync::mpsc;

use super::orders::View;

/// The longest line that is read, in bytes.
const LINE_MAX_BYTES: u64 = 32 * 1024;

/// What is wanted of a kiosk. Its `Debug` shows no code.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Wish {
    /// What would this cost?
    Quote {
        /// What.
        lines: Vec<OrderLine>,
    },
    /// Sell this.
    Buy {
        /// What.
        lines: Vec<OrderLine>,
    },
    /// Exchange a code for its tickets.
    Redeem {
        /// What was read or typed.
        credential: Credential,
        /// What has been confirmed of the person.
        #[serde(default)]
        confirm: Option<Confirm>,
    },
    /// The visitor has gone, or wants nothing any more.
    GiveUp {
        /// The order.
        order: OrderId,
    },
    /// Staff: what was in doubt about this order is settled.
    Settle {
        /// The order.
        order: OrderId,
    },
    /// Nothing that could be read: why.
    #[serde(skip)]
    Unreadable(String),
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "show", rename_all = "kebab-case")]
pub enum Shown {
    /// What something would cost.
    Quote(Box<OrderBody>),
    /// How an order stands.
    Order(View),
    /// A wish is not fulfilled.
    Refused {
        /// Why.
        reason: String,
    },
    /// A line from the control plane.
    Message {
        /// The line.
        text: String,
        /// How long, in seconds.
        seconds: u32,
    },
    /// Whether the kiosk can sell.
    Ready {
        /// The control plane is in reach.
        online: bool,
        /// The printer can print.
        printer: bool,
    },
}

/// The kiosk's side of the screen.
#[derive(Debug)]
pub struct Front {
    pub(super) wishes: mpsc::Receiver<Wish>,
    pub(super) shown: mpsc::Sender<Shown>,
}

/// The screen's side.
#[derive(Debug)]
pub struct Screen {
    /// Where wishes go; a full one waits.
    pub wishes: mpsc::Sender<Wish>,
    /// What is shown. A screen that does not look misses the newest.
    pub shown: mpsc::Receiver<Shown>,
}

impl Front {
    /// A kiosk's side and its screen's, with so much room each way.
    pub fn pair(room: usize) -> (Self, Screen) {
        let (wishes, heard) = mpsc::channel(room);
        let (shown, seen) = mpsc::channel(room);
        (Self { wishes: heard, shown }, Screen { wishes, shown: seen })
    }

    /// The next wish; a screen that is gone wishes nothing.
    pub(super) fn poll_wish(&mut self, cx: &mut Context<'_>) -> Poll<Wish> {
        match self.wishes.poll_recv(cx) {
            Poll::Ready(Some(wish)) => Poll::Ready(wish),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Shows it, unless the screen does not look.
    pub(super) fn show(&self, shown: Shown) {
        if self.shown.try_send(shown).is_err() {
            tracing::debug!("the screen does not look");
        }
    }
}

/// Joins a screen to this process's standard input and output, each on a thread of its own, since a
/// pipe may block as long as it likes. Ends with the input.
pub fn stdio(screen: Screen) {
    let Screen { wishes, mut shown } = screen;
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let mut bounded = std::io::Read::take(&mut input, LINE_MAX_BYTES);
            match bounded.read_until(b'\n', &mut line) {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => return,
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            if wishes.blocking_send(read_wish(&line)).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        let mut output = std::io::stdout().lock();
        while let Some(shown) = shown.blocking_recv() {
            let Ok(mut line) = serde_json::to_vec(&shown) else { continue };
            line.push(b'\n');
            if output.write_all(&line).and_then(|()| output.flush()).is_err() {
                return;
            }
        }
    });
}

fn read_wish(line: &[u8]) -> Wish {
    serde_json::from_slice(line)
        .unwrap_or_else(|error| Wish::Unreadable(without_values(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_description_are_read_and_written() {
        let buy = read_wish(br#"{"do":"buy","lines":[{"product":"adult-day","count":2}]}"#);
        assert!(matches!(buy, Wish::Buy { ref lines } if lines[0].count == 2));
        let redeem =
            read_wish(br#"{"do":"redeem","credential":{"type":"exchange_code","data":"K7"}}"#);
        assert!(matches!(redeem, Wish::Redeem { confirm: None, .. }));
        assert!(!format!("{redeem:?}").contains("K7"));
        let ready = Shown::Ready { online: true, printer: false };
        let json = serde_json::to_string(&ready).unwrap();
        assert_eq!(json, r#"{"show":"ready","online":true,"printer":false}"#);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_without_its_values() {
        let Wish::Unreadable(why) = read_wish(br#"{"do":"give-up","order":"SECRET"}"#) else {
            panic!("read")
        };
        assert!(!why.contains("SECRET"), "{why}");
    }
}
