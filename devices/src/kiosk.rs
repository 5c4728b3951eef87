//! A kiosk: sells tickets and exchanges codes, and loses neither money nor tickets to a power cut.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`orders`] | each order's state machine: pure |
//! | [`core`] | orders and print jobs as one: pure |
//! | [`payment`] | the payment service's trait, and one driven by files |

pub mod core;
pub mod orders;
pub mod payment;
