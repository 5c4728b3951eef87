//! What a device's lists hold: text in lines, each line an entry, sorted.
//!
//! | list | a line |
//! | --- | --- |
//! | `deny` | a digest in hex: of a credential, a ticket, or a superseded issue of its code |
//! | `tickets` | [`TicketEntry`] as JSON |
//! | `keys` | [`KeyEntry`] as JSON |
//! | `park` | one line: the park as JSON, for devices that decide by the same rules |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TicketId;

/// The names of the lists of this version.
pub const NAMES: &[&str] = &["deny", "tickets", "keys", "park"];

/// A ticket that may come today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketEntry {
    /// The ticket.
    pub ticket: TicketId,
    /// The digests of the credentials that lead to it, in hex. A signed code leads to it by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<String>,
    /// Its state in the form of `shanmen-rules` (postcard, in Base64), to be read with the list
    /// `park` of the same `park` version. A device with rules of its own needs only what is below.
    pub state: String,
    /// The version of the list `park` that `state` refers to.
    pub park: u64,
    /// Persons.
    pub persons: u16,
    /// Areas that it may still be used for today; empty for a ticket that is used up.
    pub areas: Vec<String>,
}

/// A key that a device needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "use", rename_all = "snake_case")]
pub enum KeyEntry {
    /// A public key of signed ticket codes.
    Ticket {
        /// Its id, as the codes name it.
        kid: String,
        /// Ed25519, 32 bytes in hex.
        key: String,
    },
    /// The key for digests of credentials: a secret of the site.
    Digest {
        /// 32 bytes in hex.
        key: String,
    },
}

/// Never shows a key.
impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ticket { kid, .. } => write!(f, "Ticket({kid})"),
            Self::Digest { .. } => f.write_str("Digest"),
        }
    }
}
