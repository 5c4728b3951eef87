//! The hub on paused time, the sessions over real TCP, and the pages as they are served.

mod fixture;
mod hub;
mod pages;
mod sessions;
mod sockets;
