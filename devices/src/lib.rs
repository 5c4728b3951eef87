//! Shanmen's gate side: turnstiles, kiosks, handhelds and printers as MQTT devices, and the virtual
//! park that drives a fleet.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`lane`] | the turnstile's state machine: pure, time is an argument |
//! | [`agent`] | what every kind of device does alike: connection, facts, commands, lists |
//! | [`storage`] | what is kept over a restart |
//! | [`offline`] | what a lane decides without the control plane |
//! | [`camera`] | QR codes out of camera pictures |
//! | [`drivers`] | real hardware: scanners, card readers, relays, barriers of light |
//! | [`firmware`] | a new program for a device, and starting its machine anew |
//! | [`hardware`] | the driver traits: barrier, display, scanner, passage sensor |
//! | [`handheld`] | an operator's handheld, its lines and its virtual kin |
//! | [`turnstile`] | a turnstile: the lane and its drivers behind an agent |
//! | [`kiosk`] | a machine that sells tickets and exchanges codes |
//! | [`printer`], [`print`](mod@print) | jobs that are printed once; what a ticket looks like on paper |
//! | [`virtual_lane`] | virtual drivers, and a turnstile whose visitors are made up |
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
pub mod camera;
pub mod clock;
pub mod config;
pub mod drivers;
pub mod enrol;
pub mod firmware;
pub mod handheld;
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
