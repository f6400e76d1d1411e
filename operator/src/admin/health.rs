//! The phase of the process: leading, standing by, or waiting for something → `/readyz`, a gauge, and a log line when it changes.

use std::sync::{Arc, Mutex, PoisonError};

/// What the process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It cannot begin, or go on; the text says what it waits for.
    Waiting(String),
    /// Another one leads, and this one could.
    Standby,
    /// It reconciles.
    Leading,
}

/// The phase, shared by who sets and who asks.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<Phase>>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Phase::Waiting("starting".to_owned()))))
    }
}

impl Health {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the phase, and logs it if it is another than before.
    pub fn set(&self, next: Phase) {
        let mut phase = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *phase == next {
            return;
        }
        match &next {
            Phase::Waiting(what) => tracing::warn!(what, "waiting"),
            Phase::Standby => tracing::info!("standing by: another process leads"),
            Phase::Leading => tracing::info!("leading"),
        }
        *phase = next;
    }
}
