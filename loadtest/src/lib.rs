//! Shanmen's load test: a virtual fleet of real devices, open-loop visitors, an oracle that checks
//! every answer, and the raw round trip through the same broker beside every figure.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`scenario`] | what is played: a file, or one rate |
//! | [`arrivals`] | when visitors come: a seeded Poisson process along a curve |
//! | [`plan`] | what each of them does: the mix |
//! | [`oracle`] | what must be answered, and what the counts must be |
//! | [`pace`] | the one thread that keeps the schedule |
//! | [`lanes`] | free lanes, and the queue before them |
//! | [`drivers`] | virtual drivers that note the moment of the decision |
//! | [`fleet`] | turnstiles and handhelds, and the visit of one visitor ([`shown`]: the code) |
//! | [`switch`] | a piece of network that can fail |
//! | [`viewers`], [`kiosks`] | who looks at the feed, and who sells, at the same time |
//! | [`echo`] | the raw round trip: broker, responder and clients |
//! | [`server`] | a server process of one's own, and its park ([`park`]) |
//! | [`http`] | one keep-alive HTTP connection |
//! | [`setup`] | login, enrolment, tickets |
//! | [`preload`] | tickets that are there before |
//! | [`run`] | the measured run, alone or interleaved with the echo |
//! | [`saturate`], [`rest`] | the highest rate that is held; lanes at rest and their return |
//! | [`callers`] | admissions over HTTP |
//! | [`feed`] | viewers at the feed beside the visitors |
//! | [`figures`] | histograms and what is read from them |
//! | [`usage`], [`metrics`], [`series`] | what the server used and says of itself, second by second |
//! | [`limits`] | whether the machine lets us open so many files |
//! | [`report`] | tables, JSON, a page with charts, and two runs compared |
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
pub mod kiosks;
pub mod lanes;
pub mod limits;
pub mod metrics;
pub mod oracle;
pub mod pace;
pub mod park;
pub mod plan;
pub mod preload;
pub mod progress;
pub mod report;
pub mod rest;
pub mod run;
pub mod saturate;
pub mod scenario;
pub mod series;
pub mod server;
pub mod setup;
pub mod shown;
pub mod switch;
pub mod usage;
pub mod viewers;
