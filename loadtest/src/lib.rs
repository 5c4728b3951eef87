//! Shanmen's load test: a virtual fleet of real devices, open-loop visitors, an oracle that checks
//! every answer, and the raw round trip through the same broker beside every figure.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`arrivals`] | when visitors come: a seeded Poisson process |
//! | [`plan`] | what each of them does: the mix |
//! | [`oracle`] | what must be answered, and what the counts must be |
//! | [`pace`] | the one thread that keeps the schedule |
//! | [`lanes`] | free lanes, and the queue before them |
//! | [`drivers`] | virtual drivers that note the moment of the decision |
//! | [`fleet`] | the turnstiles, and the visit of one visitor ([`shown`]: the code) |
//! | [`echo`] | the raw round trip: broker, responder and clients |
//! | [`server`] | a server process of one's own, and its park ([`park`]) |
//! | [`http`] | one keep-alive HTTP connection |
//! | [`setup`] | login, enrolment, tickets |
//! | [`run`] | the measured run, alone or interleaved with the echo |
//! | [`callers`] | admissions over HTTP |
//! | [`feed`] | viewers at the feed beside the visitors |
//! | [`figures`] | histograms and what is read from them |
//! | [`usage`], [`metrics`] | what the server process used, and what it says of itself |
//! | [`report`] | tables and JSON |
//! | [`clock`] | the only file that reads a clock |
//!
//! It knows the control plane by its contract alone: MQTT, HTTP, and the command line.

pub mod arrivals;
pub mod callers;
pub mod cli;
pub mod clock;
pub mod drivers;
pub mod echo;
pub mod feed;
pub mod figures;
pub mod fleet;
pub mod http;
pub mod lanes;
pub mod metrics;
pub mod oracle;
pub mod pace;
pub mod park;
pub mod plan;
pub mod progress;
pub mod report;
pub mod run;
pub mod server;
pub mod setup;
pub mod shown;
pub mod usage;
