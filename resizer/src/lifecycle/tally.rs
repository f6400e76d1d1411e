//! What a sweep saw and did, counted while it goes on → a [`SweepReport`].
//!
//! `sweep` counts, `command` reads it to show how far it is. Below are `metered`, and the report's type.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use resize_api::sweep::{SweepOutcome, SweepReport};

use super::metered::Calls;
use crate::{derivative::state::State, store::listing::Moment};

/// Longest message of a report, in characters.
const MESSAGE: usize = 500;

/// Numbers of a sweep that goes on.
#[derive(Debug, Default)]
pub struct Tally {
    /// Originals listed.
    pub originals: AtomicU64,
    /// Derivatives listed.
    pub derivatives: AtomicU64,
    /// Derivatives that were looked at.
    pub looked_at: AtomicU64,
    /// Derivatives that are to go.
    pub doomed: AtomicU64,
    /// Those of them that a change of settings explains.
    pub explained: AtomicU64,
    /// Derivatives that were deleted.
    pub deleted: AtomicU64,
    /// Derivatives that were made.
    pub made: AtomicU64,
    /// Derivatives that were found missing and are to be made.
    pub missing: AtomicU64,
    failed: AtomicU64,
    fresh: AtomicU64,
    stale: AtomicU64,
    orphaned: AtomicU64,
    outdated: AtomicU64,
    retired: AtomicU64,
    foreign: AtomicU64,
    first_failure: Mutex<Option<String>>,
    at: Mutex<Option<String>>,
}

/// Adds one.
pub fn count(number: &AtomicU64) {
    number.fetch_add(1, Relaxed);
}

impl Tally {
    /// Counts a derivative that is `state`.
    pub fn count(&self, state: State) {
        count(match state {
            State::Fresh => &self.fresh,
            State::Stale => &self.stale,
            State::Orphaned => &self.orphaned,
            State::Outdated => &self.outdated,
            State::Retired => &self.retired,
            State::Foreign => &self.foreign,
        });
    }

    /// Counts a derivative that need not be looked at.
    pub fn pass(&self) {
        count(&self.fresh);
    }

    /// Counts an object with which something failed.
    pub fn fail(&self, key: &str, error: &str) {
        count(&self.failed);
        tracing::warn!(key, error, "failed");
        lock(&self.first_failure).get_or_insert_with(|| format!("{key}: {error}"));
    }

    /// How many objects failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// How many failed, and the first of them.
    pub fn failures(&self) -> Option<String> {
        let failed = self.failed();
        lock(&self.first_failure).as_ref().map(|first| format!("{failed} failed, the first: {first}"))
    }

    /// The listing of originals has come to `key`.
    pub fn arrive(&self, key: &str) {
        *lock(&self.at) = Some(key.to_owned());
    }

    /// The whole listing was compared.
    pub fn arrive_at_the_end(&self) {
        *lock(&self.at) = None;
    }

    /// How far the listing of originals has come, if it is not at its end.
    pub fn at(&self) -> Option<String> {
        lock(&self.at).clone()
    }

    /// All that is counted, with how it ended.
    pub fn report(&self, calls: &Calls, started: Moment, outcome: SweepOutcome, message: &str) -> SweepReport {
        let number = |number: &AtomicU64| number.load(Relaxed);
        SweepReport {
            outcome,
            message: message.chars().take(MESSAGE).collect(),
            started: started.to_string(),
            seconds: (Moment::now().0 - started.0).try_into().unwrap_or_default(),
            originals: number(&self.originals),
            fresh: number(&self.fresh),
            stale: number(&self.stale),
            orphaned: number(&self.orphaned),
            outdated: number(&self.outdated),
            retired: number(&self.retired),
            foreign: number(&self.foreign),
            deleted: number(&self.deleted),
            made: number(&self.made),
            failed: number(&self.failed),
            list_calls: number(&calls.list),
            head_calls: number(&calls.head),
            delete_calls: number(&calls.delete),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
