//! The sentence: a key → look what is stored → fetch the original → make the picture → keep it if it is still true → [`Outcome`].
//!
//! `http` above starts `run`, one at a time for each key, with a lease of the queue; what comes out goes to every request for the
//! key. Below stand `service`, with all that requests share, and the rooms that it is made of; pictures are made by the crate `picture`.

mod keep;
mod make;
pub mod object;
mod original;
pub mod settle;
mod show;
pub mod state;

pub use self::keep::{Kept, Place, keep};

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::FutureExt;
use resize_api::ResizedKey;
use tokio::time::Instant;

use self::make::Made;
use crate::{
    error::Error,
    guard::{admission::Lease, loop_guard::Recalled, singleflight::Hold},
    outcome::{Outcome, Shown},
    service::{Finished, Service},
    store::StoreError,
    watch::{record::Report, stage::Stage},
};

/// How often a picture is made anew because its original changed meanwhile.
const ATTEMPTS: u32 = 3;

/// One derivative in the making: what it holds, and what it has spent.
struct Flight<'a> {
    service: &'a Service,
    key: &'a ResizedKey,
    lease: Lease,
    hold: Arc<Hold<Finished>>,
    report: Report,
}

/// Makes the derivative `key`, and counts how that ended.
pub(crate) async fn run(service: Arc<Service>, key: ResizedKey, lease: Lease, hold: Arc<Hold<Finished>>) -> Finished {
    let mut flight = Flight { service: &service, key: &key, lease, hold, report: Report::default() };
    let result = AssertUnwindSafe(flight.outcome()).catch_unwind().await.unwrap_or(Err(Error::Internal));
    flight.report.observe(&service.metrics);
    if let Err(error) = &result {
        service.negative.note(&key, error.blame(), error, Instant::now());
        if matches!(error, Error::Panic | Error::Internal) {
            service.metrics.panics.inc();
        }
        if error.rejects_source() {
            service.metrics.count_rejected(error.reason());
        }
    }
    (result, flight.report)
}

impl Flight<'_> {
    async fn outcome(&mut self) -> Result<Outcome, Error> {
        let recalled = self.service.loop_guard.recall(&self.key.to_string(), Instant::now());
        if let Some(outcome) = self.stored(recalled).await? {
            return Ok(outcome);
        }
        for _ in 0..ATTEMPTS {
            let Some((original, place)) = self.fetch_original(recalled).await? else { return self.found().await };
            let made = self.make(original).await?;
            match self.keep(&made, &place).await {
                Ok(Kept::Overtaken) => {
                    tracing::info!(key = %self.key, "the original or the derivative changed while this was made: once more")
                }
                Ok(kept) => return self.kept(kept, made, recalled).await,
                Err(error @ Error::Store(StoreError::Missing)) => return Err(error),
                Err(error) => return self.not_kept(&error, made).await,
            }
        }
        self.take_back().await;
        Err(Error::Changing)
    }

    /// The outcome where the derivative is stored.
    async fn kept(&mut self, kept: Kept, made: Made, recalled: Recalled) -> Result<Outcome, Error> {
        if kept == Kept::Found {
            self.service.metrics.already_stored.inc();
        }
        // also when another replica stored it: whichever replica is asked next ends a redirect loop
        self.service.loop_guard.note(&made.derivative.key, Instant::now());
        if recalled == Recalled::Loop {
            return self.show(Shown::Loop, made).await;
        }
        if self.is_refused().await {
            // where the original may not be shown either, the redirect and the site's own error must do
            return Ok(self.show(Shown::Refused, made).await.unwrap_or(Outcome::Redirect));
        }
        Ok(Outcome::Redirect)
    }

    /// The outcome where the derivative could not be stored.
    async fn not_kept(&mut self, error: &Error, made: Made) -> Result<Outcome, Error> {
        self.service.metrics.store_failures.inc();
        tracing::warn!(key = made.derivative.key, %error, "derivative not stored");
        self.show(Shown::NotStored, made).await
    }

    /// Begins to time a stage.
    fn timer(&self) -> Timer {
        Timer { start: SystemTime::now(), began: Instant::now(), waited: self.lease.waited() }
    }

    /// Reports `stage` since `timer`; what was waited for permits meanwhile counts as [`Stage::Queue`].
    fn time(&mut self, stage: Stage, timer: Timer) {
        let queued = self.lease.waited().saturating_sub(timer.waited);
        self.report.add(stage, timer.start, timer.began.elapsed().saturating_sub(queued));
        self.report.add_queued(queued);
    }
}

/// When a stage began, and how long its flight had waited by then.
struct Timer {
    start: SystemTime,
    began: Instant,
    waited: Duration,
}
