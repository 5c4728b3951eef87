//! A frame as it goes over the wire: its text behind its WebSocket header, made once, and the same
//! bytes for all viewers.
//!
//! A server's frames are not masked (RFC 6455, 5.1), so that nothing in them is a viewer's own: a
//! session hands these bytes to its socket without a copy, and a viewer that does not read holds
//! no memory but the kernel's.

use axum::body::Bytes;
use serde::Serialize;

/// Room for the longest header of a frame that is not masked.
const HEADER_MAX_BYTES: usize = 10;

/// The first byte of a whole text frame: FIN, and opcode 1.
const WHOLE_TEXT: u8 = 0x81;

/// A text with its header before it.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    bytes: Bytes,
    header_bytes: usize,
}

impl Wire {
    /// Header and text.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The text alone.
    pub(crate) fn text(&self) -> Bytes {
        self.bytes.slice(self.header_bytes..)
    }

    /// The JSON of `frame`. Plain structs, strings and numbers always serialize; should one not,
    /// the empty object makes viewers ask anew instead of taking the program down.
    pub(crate) fn of(frame: &impl Serialize) -> Self {
        let mut room = vec![0; HEADER_MAX_BYTES];
        if let Err(error) = serde_json::to_writer(&mut room, frame) {
            tracing::error!(%error, "feed frame not serialized");
            room.truncate(HEADER_MAX_BYTES);
            room.extend_from_slice(b"{}");
        }
        let length = room.len() - HEADER_MAX_BYTES;
        let mut header = vec![WHOLE_TEXT];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..126), _) => header.push(short),
            (_, Ok(middle)) => {
                header.push(126);
                header.extend_from_slice(&middle.to_be_bytes());
            }
            _ => {
                header.push(127);
                header.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let from = HEADER_MAX_BYTES - header.len();
        room[from..HEADER_MAX_BYTES].copy_from_slice(&header);
        Self { bytes: Bytes::from(room).slice(from..), header_bytes: header.len() }
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
