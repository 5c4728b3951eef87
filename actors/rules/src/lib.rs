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
//! | `credential.rs` | what a scanner types, cleaned and checked |
//!
//! Deliberately absent: occupancy (flow owns it and answers through [`Room`]), the repeat of a
//! scan id (the device's twin answers it), signed codes (`protocols`).

mod admission;
mod calendar;
mod checks;
mod compile;
pub mod credential;
pub mod definition;
mod park;
mod passage;
mod span;
mod stamp;
mod ticket;
mod verdict;

pub use admission::decide;
pub use calendar::{Calendar, Moment};
pub use checks::condition::Condition;
pub use compile::{DEPTH_MAX, Fault, PARTS_MAX};
pub use definition::{Class, Days, Need, ParkDefinition, Span, Text, TimeOfDay};
pub use park::{
    Area, AreaIx, Entitlement, Gate, GateIx, Lane, LaneIx, Park, Product, ProductIx, Reentry, Site,
};
pub use passage::{Conflict, Movement, Movements, OpenGrant};
pub use span::Day;
pub use ticket::{IssueFault, IssueTerms, Status, TicketState};
pub use verdict::{
    Admission, Boundless, Confirm, Facts, LaneState, Needs, Person, Presentation, Room, Verdict,
};
