//! The emergency (消防联动): whether every lane of the site stands open. On record, kept over a
//! restart, told to every device at once and to each that comes later.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::api::EmergencyView;

/// Whether every lane stands open.
pub(crate) struct Emergency {
    on: AtomicBool,
    state: Mutex<EmergencyView>,
    /// Held by whoever changes it, from the change until all are told.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Emergency {
    /// As the ledger has it.
    pub(crate) fn new(state: Option<EmergencyView>) -> Self {
        let state = state.unwrap_or(EmergencyView {
            on: false,
            since: None,
            actor: String::new(),
            reason: String::new(),
        });
        let turn = tokio::sync::Mutex::default();
        Self { on: AtomicBool::new(state.on), state: Mutex::new(state), turn }
    }

    /// Whether it is on: asked at each presentation.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// With who and why.
    pub(crate) fn view(&self) -> EmergencyView {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a change that is on record.
    pub(crate) fn set(&self, state: EmergencyView) {
        self.on.store(state.on, Ordering::Release);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}
