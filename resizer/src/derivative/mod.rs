//! The sentence: a key → look what is stored → fetch the original → make the picture → keep it if it is still true → [`Outcome`].
//! Where the resizer itself answers visitors, they get the picture once it is made, and it is kept behind that.
//!
//! `http` above starts `run`, one at a time for each key, with a lease of the queue; what comes out goes to every request for the
//! key. Below stand `service`, with all that requests share, and the rooms that it is made of; pictures are made by the crate `picture`.

mod keep;
mod made;
mod make;
pub mod object;
mod original;
mod place;
pub mod ready;
pub mod resolve;
pub mod settle;
mod show;
pub mod state;
mod tag;
mod unread;

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

use self::{made::Made, object::Provenance};
use crate::{
    error::Error,
    guard::{
        admission::{Lease, Refused},
        loop_guard::Recalled,
        singleflight::Hold,
    },
    outcome::Outcome,
    service::{Finished, Service},
    store::StoreError,
    watch::{record::Report, stage::Stage},
};

/// How often a picture is made anew because its original changed meanwhile.
const ATTEMPTS: u32 = 3;

/// One derivative in the making: what it holds, and what it has spent.
struct Flight {
    service: Arc<Service>,
    /// The key as it was asked for; once its original is found, as it is meant.
    key: ResizedKey,
    lease: Lease,
    hold: Arc<Hold<Finished>>,
    report: Report,
    /// What is known of the original, once it was opened.
    provenance: Option<Provenance>,
}

/// Makes the derivative `key`, and counts how that ended.
pub(crate) async fn run(service: Arc<Service>, key: ResizedKey, lease: Lease, hold: Arc<Hold<Finished>>) -> Finished {
    let mut flight = Flight { service: Arc::clone(&service), key: key.clone(), lease, hold, report: Report::default(), provenance: None };
    let result = AssertUnwindSafe(flight.outcome()).catch_unwind().await.unwrap_or(Err(Error::Internal));
    flight.report.observe(&service.metrics);
    if let Err(error) = &result {
        service.remember(&key, &flight.key, error);
        if matches!(error, Error::Panic | Error::Internal) {
            service.metrics.panics.inc();
        }
        if error.rejects_source() {
            service.metrics.count_rejected(error.reason());
        }
    }
    let report = std::mem::take(&mut flight.report);
    let result = result.map(|(outcome, behind)| {
        if let Some((made, place)) = behind {
            tokio::spawn(flight.keep_behind(made, place));
        }
        outcome
    });
    (result, report)
}

/// What is to be kept behind an answer.
type Behind = Option<(Made, Place)>;

impl Flight {
    async fn outcome(&mut self) -> Result<(Outcome, Behind), Error> {
        let result =
            if self.service.is_direct { self.made_at_once().await } else { self.kept_first().await.map(|outcome| (outcome, None)) };
        match result {
            Err(error) if self.is_unread(&error) => Ok((self.send_to_original().await, None)),
            result => result,
        }
    }

    /// The picture is made, and given before it is kept.
    async fn made_at_once(&mut self) -> Result<(Outcome, Behind), Error> {
        let Some((original, place)) = self.fetch_original(Recalled::New).await? else {
            self.service.metrics.already_stored.inc();
            return Ok((Outcome::Stored, None));
        };
        let made = self.make(original).await?;
        if let Some(outcome) = self.give(&made) {
            return Ok((outcome, Some((made, place))));
        }
        // no memory for one more answer: the visitor gets it from the store
        match self.keep(&made.derivative, &place).await {
            Ok(_) => Ok((Outcome::Stored, None)),
            Err(error @ Error::Store(StoreError::Missing)) => Err(error),
            Err(error) => {
                self.count_unstored(&error);
                Err(Refused::Busy("no memory for one more answer").into())
            }
        }
    }

    /// The picture is kept before a visitor is sent to it.
    async fn kept_first(&mut self) -> Result<Outcome, Error> {
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
            match self.keep(&made.derivative, &place).await {
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
