//! A frame as it goes over the wire: its text behind its WebSocket header, made once, and the same
//! bytes for all viewers.
//!
//! A server's frames are not masked (RFC 6455, 5.1), so that nothing in them is a viewer's own: a
//! session hands these bytes to its socket without a copy, and a viewer that does not read holds
//! no memory but the kernel's.

use axum::body::Bytes;
use serde::Serialize;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

/// A text with its header before it.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    bytes: Bytes,
    text_bytes: usize,
}

impl Wire {
    /// Header and text.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The text alone.
    pub(crate) fn text(&self) -> Bytes {
        self.bytes.slice(self.bytes.len() - self.text_bytes..)
    }

    /// The JSON of `frame`. Plain structs, strings and numbers always serialize, and memory takes all
    /// that is written; should that ever fail, the empty object makes viewers ask anew instead of
    /// taking the program down.
    pub(crate) fn of(frame: &impl Serialize) -> Self {
        let text = serde_json::to_vec(frame).unwrap_or_else(|error| {
            tracing::error!(%error, "feed frame not serialized");
            b"{}".to_vec()
        });
        let text_bytes = text.len();
        let frame = Frame::message(text, OpCode::Data(Data::Text), true);
        let mut bytes = Vec::with_capacity(frame.len());
        if let Err(error) = frame.format(&mut bytes) {
            tracing::error!(%error, "feed frame not framed");
        }
        Self { bytes: bytes.into(), text_bytes }
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };

    use super::*;
    use futures_util::StreamExt as _;

    #[tokio::test]
    async fn a_frame_of_every_length_is_read_as_it_was_written() {
        for length in [0, 1, 123, 124, 125, 126, 65_533, 65_534, 100_000] {
            let wire = Wire::of(&"x".repeat(length));
            assert_eq!(wire.text().len(), length + 2, "its text, in quotes");
            let mut read = &wire.bytes()[..];
            let pipe = tokio::io::join(&mut read, tokio::io::sink());
            let mut socket = WebSocketStream::from_raw_socket(pipe, Role::Client, None).await;
            let message = socket.next().await.unwrap().unwrap();
            let Message::Text(text) = message else { panic!("{message:?}") };
            assert_eq!(text.as_bytes(), &wire.text()[..], "{length}");
        }
    }
}
