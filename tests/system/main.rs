//! Whole-system tests: the real program as a process, over real sockets, by subject.

#![allow(clippy::print_stdout, reason = "a test tells what it measured")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod alarms;
mod bad_input;
mod commands;
mod demo;
mod durability;
mod feed;
mod foreign;
mod handheld;
mod history;
mod http;
mod lists;
mod offline;
mod ops;
mod orders;
mod outside_broker;
mod outside_tls;
mod pages;
mod people;
mod products;
mod room;
mod scan;
mod security;
mod signed_code;
mod stale;
mod support;
