//! Shanmen 山门: the gate control plane for scenic areas, as one program.
//!
//! Owns what a program needs around the control plane: the command line, the configuration, the
//! HTTP API, the keys on disk and the composition root. It decides nothing about admission and
//! keeps no state of its own beside its files; [`shanmen_actors::ControlPlane`] does both.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`cli`] | the command line |
//! | [`check`] | the scenario checker |
//! | [`broker_acl`] | access lists for outside brokers |
//! | [`config`] | one TOML file, the environment over it, every fault with its place |
//! | [`serve`] | the composition root: start, run, stop in order |
//! | [`folder`] | the data folder: its lock, private files, the addresses |
//! | [`keys_file`] | ticket keys and the credential key on disk |
//! | [`keys_tls`] | an authority and a server certificate, made on request |
//! | [`tls_files`] | the certificates that the configuration names |
//! | [`first_login`] | the first admin |
//! | [`logging`] | structured logs and the metrics recorder |
//! | [`http`] | the HTTP API |
//! | [`demo`] | `--demo`: a virtual fleet and its visitors |

pub mod broker_acl;
pub mod check;
pub mod cli;
pub mod config;
pub mod demo;
pub mod first_login;
pub mod folder;
pub mod http;
pub mod keys_file;
pub mod keys_tls;
pub mod logging;
pub mod serve;
pub mod tls_files;
