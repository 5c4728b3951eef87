//! Shanmen's admission rules: facts in, verdict out.
//!
//! [`decide`] takes the compiled [`Park`], a [`Presentation`], the [`TicketState`] and the
//! [`Room`], and gives a [`Verdict`]. No clock, no await, no lookup, no I/O: time is an argument.
//! The same code decides in the server's validation pool, on an offline gate and in
//! `shanmen check`.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `admission.rs` | the order of the checks |
//! | `checks/*.rs` | one rule each |
//! | `calendar.rs` | the business day and the wall clock |
//! | `ticket.rs`, `passage.rs` | a ticket's state, and what a passage does to it |
//! | `definition.rs`, `compile.rs` | the written form, checked and compiled |
//! | `levels.rs` | what is done at which share of the capacity |
//! | `credential.rs` | what a scanner types, cleaned and checked |
//!
//! # Where the words leave room
//!
//! - An **entry** is an admission that consumes a use; a re-entry is none, neither in `entries`
//!   and `entries_today` nor for `per_day` nor in an area's day count. `min_gap` and
//!   `within_first` hold for a re-entry too, since all limits of a product hold, and so does a
//!   slot: the time is asked before the use.
//! - Counts of a group are **persons**: 30 people with one use have 30 entries to make. The rest
//!   of a partly taken group belongs to the same admission on the same business day, and `min_gap`
//!   does not hold it up. A group that does not fit in whole is `area_full`.
//! - Re-entry is tried before a use is consumed; its `count` is for each admission, `within` and
//!   `min_away` run from the exit. At the very end of `within` and `within_first` one may still
//!   pass, at the very end of `min_gap` and `min_away` one may already.
//! - Where the uses are gone, `per_day` is not asked (a re-entry is no use of the day), and
//!   `already_inside` of a hard anti-passback stands before the re-entry's own reason.
//! - A count of **days** counts its first day: three days from the issue on the 1st end with the
//!   3rd. Weekday and blackout are asked of the business day, hours of the wall clock.
//! - An **exit** is a passage out, or one that enters no area (from a sub-area back into its
//!   parent). It is asked for the lane only (checks 1), also with an unknown ticket.
//! - A sub-area is covered only where an entitlement names it. `wrong_gate` comes from a product's
//!   own optional list `gates`.
//! - A ticket is one person (or `persons` of them): presented again while inside, it moves from
//!   where it was, and the occupancy does not grow.
//! - A passage reported later that is a use too many is taken to be somebody else's: they count as
//!   people inside, and the ticket's own people stay where they were.
//! - **Capacity levels**: `stop_entry` holds people back at its percent of `instant` or `daily`, never
//!   above 100; `stop_sales` is asked by the desk; `announce` and `slow` are shown, and people act.
//! - A ticket's blob holds indexes: an index never changes its meaning, see [`ProductVersion`].
//!
//! Deliberately absent: occupancy (flow owns it and answers through [`Room`]), the repeat of a
//! scan id (the device's twin answers it), signed codes (`protocols`).

mod admission;
mod calendar;
mod checks;
mod compile;
pub mod credential;
pub mod definition;
mod levels;
mod movement;
mod park;
mod passage;
mod span;
mod stamp;
mod ticket;
mod verdict;

pub use admission::{Standing, decide, standing};
pub use calendar::{Calendar, Moment};
pub use checks::condition::Condition;
pub use compile::{DEPTH_MAX, Fault, PARTS_MAX, ProductVersion, check_for_sold};
pub use definition::{Class, Days, Need, ParkDefinition, Span, Text, TimeOfDay};
pub use levels::{Actions, Counts, SalesStop};
pub use movement::{Movement, Movements};
pub use park::{
    Area, AreaIx, Entitlement, Gate, GateIx, Lane, LaneIx, Limits, Park, Product, ProductIx,
    Reentry, Site,
};
pub use passage::{Conflict, OpenGrant, SinceThen};
pub use span::Day;
pub use ticket::{IssueFault, IssueTerms, Status, TicketState};
pub use verdict::{
    Admission, Boundless, Confirm, Facts, LaneState, Needs, Person, Presentation, Room, Verdict,
};
