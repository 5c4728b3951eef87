//! Shanmen's gate side: a turnstile as an MQTT device, and the virtual park that drives a fleet.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`lane`] | the turnstile's state machine: pure, time is an argument |
//! | [`agent`] | what every kind of device does alike: connection, facts, commands, lists |
//! | [`storage`] | what is kept over a restart |
//! | [`offline`] | what a lane decides without the control plane |
//! | [`firmware`] | a new program for a device, and starting its machine anew |
//! | [`hardware`] | the driver traits: barrier, display, scanner, passage sensor |
//! | [`turnstile`] | a turnstile: the lane and its drivers behind an agent |
//! | [`virtual_lane`] | virtual drivers, and a turnstile whose visitors are made up |
//! | [`print`](mod@print) | tickets on paper: layout, printer languages, the printer's connection |
//! | [`printer`] | a printer: jobs that are never printed twice, behind an agent |
//! | [`kiosk`] | a kiosk: orders that survive a power cut, a payment, a screen |
//! | [`park`] | a virtual park: the fleet, and visitors with a believable day |
//! | [`tls`] | what a device trusts, and its own certificate |
//! | [`config`] | the file that a device is told by |
//! | [`enrol`] | trading a claim for that file |
//! | [`pipe`] | hardware as lines of JSON on a pipe, for testers |
//! | [`clock`] | the only file that reads a clock |
//!
//! What a device says and hears is `shanmen_protocols::device`; nothing here makes up a message
//! or a topic of its own.

pub mod agent;
pub mod clock;
pub mod config;
pub mod enrol;
pub mod firmware;
pub mod hardware;
pub mod kiosk;
pub mod lane;
pub mod offline;
pub mod park;
pub mod pipe;
pub mod print;
pub mod printer;
pub mod storage;
pub mod tls;
pub mod turnstile;
pub mod virtual_lane;
