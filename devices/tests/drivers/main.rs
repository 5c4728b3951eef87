//! The drivers against pseudo-terminals: the other end of each line is played by the test, byte by
//! byte, as the hardware's manual says. No root, no hardware.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod config;
mod id_card;
mod line;
mod relay;
mod scanner;
