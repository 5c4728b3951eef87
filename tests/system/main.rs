//! Whole-system tests: the real program as a process, over real sockets, by subject.

mod bad_input;
mod demo;
mod durability;
mod feed;
mod foreign;
mod http;
mod outside_broker;
mod pages;
mod scan;
mod signed_code;
mod stale;
mod support;
