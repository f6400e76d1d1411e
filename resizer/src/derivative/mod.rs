//! The sentence: a key → look what is stored → fetch the original → make the picture → keep it if it is still true → [`Outcome`].
//!
//! `http` above starts `run`, one at a time for each key, with a lease of the queue; what comes out goes to every request for the
//! key. Below stand `service`, with all that requests share, and the rooms that it is made of; pictures are made by the crate `picture`.

mod keep;
mod make;
pub mod object;
mod original;
mod place;
pub mod resolve;
pub mod settle;
mod show;
pub mod state;

pub use self::{
    keep::{Kept, keep},
    place::Place,
};

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::FutureExt;
use resize_api::ResizedKey;
use tokio::time::Instant;

use crate::{
    error::Error,
    guard::{admission::Lease, singleflight::Hold},
    outcome::Outcome,
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
        let recalled = self.recall().await;
        if let Some(outcome) = self.stored(recalled).await? {
            return Ok(outcome);
        }
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let Some((original, place)) = self.fetch_original(recalled).await? else { return self.found().await };
            // a store that refuses the very ETag that it gave reads conditions in a way of its own
            let place = if refused.as_ref() == Some(&place) { place.unconditional() } else { place };
            let made = self.make(original).await?;
            match self.keep(&made, &place).await {
                Ok(Kept::Overtaken) => refused = Some(place),
                Ok(kept) => return self.kept(kept, made, recalled).await,
                Err(error @ Error::Store(StoreError::Missing)) => return Err(error),
                Err(error) => return self.not_kept(&error, made).await,
            }
        }
        self.take_back().await;
        Err(Error::Changing)
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
