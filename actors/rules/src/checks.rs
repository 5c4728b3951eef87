//! The rules, one a file. None of them knows another: only [`crate::admission`] orders them.

pub(crate) mod condition;
pub(crate) mod hours;
pub(crate) mod lane;
pub(crate) mod passback;
pub(crate) mod person;
pub(crate) mod place;
pub(crate) mod reentry;
pub(crate) mod room;
pub(crate) mod slot;
pub(crate) mod spacing;
pub(crate) mod status;
pub(crate) mod uses;
pub(crate) mod validity;
