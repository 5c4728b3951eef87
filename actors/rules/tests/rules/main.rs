//! The rules' tests, one binary: what each file is about stands at its head.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod allocations;
mod calendar;
mod credentials;
mod definition;
mod facts;
mod late;
mod model;
mod passages;
mod support;
mod undo;
mod verdicts;
