//! Identifiers. Past the codec no plain string stands for one.
//!
//! Names (`SiteId`, `LaneId` …) are chosen by people: `[a-z0-9-]{1,32}`. Numbers (`ScanId`,
//! `GrantId` …) are UUIDs, made as version 7 so that they sort by time.

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

/// The longest name in bytes.
pub const NAME_MAX_BYTES: usize = 32;

/// Why a string is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 32 of a-z, 0-9 and '-', not {0:?}")]
pub struct NotAName(String);

/// Whether `text` may be a site, device, lane, gate, area or product id.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_MAX_BYTES
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(
            #[schemars(with = "String", regex(pattern = "^[a-z0-9-]{1,32}$"))] Arc<str>,
        );

        impl $name {
            /// Checks and takes `text`.
            ///
            /// # Errors
            /// [`NotAName`] when `text` is not `[a-z0-9-]{1,32}`.
            pub fn new(text: &str) -> Result<Self, NotAName> {
                if is_name(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(NotAName(text.chars().take(2 * NAME_MAX_BYTES).collect()))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                Self::new(&text).map_err(D::Error::custom)
            }
        }
    };
}

name!(
    /// A scenic area (景区).
    SiteId
);
name!(
    /// One device: a turnstile, kiosk, handheld or printer. On the wire it is a topic level.
    DeviceId
);
name!(
    /// One turnstile's lane (通道) of a gate.
    LaneId
);
name!(
    /// A gate (门) between two areas.
    GateId
);
name!(
    /// An area or sub-area (区域, 子景点); `outside` is the world around the site.
    AreaId
);
name!(
    /// What is sold: a ticket product.
    ProductId
);
name!(
    /// How a ticket was sold (渠道): `direct`, `kiosk`, `counter`, `ota` …
    Channel
);

impl Channel {
    /// Nobody said how.
    pub fn direct() -> Self {
        Self(Arc::from("direct"))
    }

    /// At a counter.
    pub fn counter() -> Self {
        Self(Arc::from("counter"))
    }

    /// By a device of a kind: a kiosk's sales are `kiosk`, a handheld's `handheld`.
    pub fn of(kind: DeviceKind) -> Self {
        Self(Arc::from(kind.as_str()))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id of this very moment (UUID version 7).
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

number!(
    /// A presentation's idempotency key, made by the device: the same id gets the same answer.
    ScanId
);
number!(
    /// One permission to pass, made by the control plane; it ends in exactly one outcome.
    GrantId
);
number!(
    /// A command's idempotency key, made by the control plane: a repeat has no second effect.
    CommandId
);
number!(
    /// A question's key, made by the device: the same id gets the same answer.
    RequestId
);
number!(
    /// One order at the counter or a kiosk, made by whoever begins it: a repeat changes nothing.
    OrderId
);
number!(
    /// One print job: the same id is never printed twice.
    JobId
);
number!(
    /// A ticket. Its 16 bytes are the `cti` claim of a signed code.
    TicketId
);

/// The number of one connection of a device: random for each connect, a string on the wire.
///
/// Kept as opaque text (a JSON number is taken too), since it is only ever compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Session(#[schemars(with = "String", length(min = 1, max = 64))] Arc<str>);

/// The number of a device's event storage: new after a wipe, so that sequence numbers never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Epoch(#[schemars(with = "String", length(min = 1, max = 64))] Arc<str>);

macro_rules! opaque {
    ($name:ident, $what:literal) => {
        impl $name {
            /// The longest value in bytes.
            pub const MAX_BYTES: usize = 64;

            /// Takes `text` as it is; `None` when it is empty or longer than [`Self::MAX_BYTES`].
            pub fn new(text: &str) -> Option<Self> {
                (!text.is_empty() && text.len() <= Self::MAX_BYTES).then(|| Self(Arc::from(text)))
            }

            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!($what, ": a string of 1 to 64 bytes"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).ok_or_else(|| E::invalid_length(text.len(), &self))
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$name, E> {
                        self.visit_str(&number.to_string())
                    }
                }
                // A format that does not describe itself has written a string.
                if from.is_human_readable() {
                    from.deserialize_any(Visitor)
                } else {
                    from.deserialize_str(Visitor)
                }
            }
        }
    };
}
opaque!(Session, "a session");
opaque!(Epoch, "an epoch");

/// Which way through a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the gate's `from` area to its `to` area.
    #[default]
    In,
    /// Back.
    Out,
}

impl Direction {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// The other way.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}

/// What kind of machine a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A gate with a barrier (三辊闸, 翼闸, 摆闸).
    Turnstile,
    /// A self-service ticket machine (自助售兑票机).
    Kiosk,
    /// A handheld checker (手持检票机).
    Handheld,
    /// A ticket printer (出票打印机).
    Printer,
}

impl DeviceKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turnstile => "turnstile",
            Self::Kiosk => "kiosk",
            Self::Handheld => "handheld",
            Self::Printer => "printer",
        }
    }
}
