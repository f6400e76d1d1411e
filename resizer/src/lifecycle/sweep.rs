//! The sentence of a sweep: list → merge by original → look at what is suspect → refuse or delete → report.
//!
//! Nothing is deleted before a pass over the whole listing ended well and the brake allowed it. Then each derivative is looked at once
//! more, with its original, and deleted under its ETag. What is to go is remembered as long as it is little; if it is much, a second
//! pass deletes as it finds. `command` above starts it; below are the other files of `lifecycle`, and `derivative`.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use futures::{
    Stream, StreamExt,
    future::{BoxFuture, Either, Shared, select},
    stream,
};
use resize_api::{
    ResizedKey, Settings,
    sweep::{SweepOutcome, SweepReport},
};
use tokio::sync::Semaphore;

use super::{
    brake::{self, Found, Refusal},
    metered::Metered,
    order::Order,
    reader::{Scope, Suspect, Unread, Work},
    tally::{Tally, count},
    warm::{Warmed, make},
};
use crate::{
    derivative::{
        resolve::resolve,
        state::{Source, State, judge},
    },
    service::Service,
    store::{Head, Store, StoreError},
};

/// Requests for single objects at once.
const AT_ONCE: usize = 32;
/// So many failures are no accident.
const MOST_FAILURES: u64 = 1000;

/// Resolves when the sweep is to stop.
pub type Stop = Shared<BoxFuture<'static, ()>>;

/// A sweep of one bucket.
pub struct Sweep {
    /// The bucket.
    pub bucket: Arc<Metered>,
    /// The settings of the pods.
    pub settings: Arc<Settings>,
    /// What to do.
    pub order: Order,
    /// Makes what is missing, where that is asked for; and how many at once.
    pub warm: Option<(Arc<Service>, Semaphore)>,
    /// Memory for what is to go, in bytes; beyond that it is looked for by a second pass instead.
    pub memory: usize,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// Ends it early.
    pub stop: Stop,
}

/// Why a sweep did not end well.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("more than the {0} derivatives that may go were found in the second pass: sweep again")]
    Grew(u64),
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error("given up")]
    GivenUp,
    #[error("stopped while {0}")]
    Stopped(&'static str),
}

/// What a derivative is.
struct Looked {
    state: State,
    etag: Option<String>,
    /// Its key, read as its original says.
    key: ResizedKey,
}

/// A derivative that was looked at and is to go.
struct Doomed {
    key: String,
    etag: Option<String>,
    is_explained: bool,
}

impl Sweep {
    /// Sweeps, and says how it went.
    pub async fn run(&self) -> SweepReport {
        let started = self.order.suspicion.now;
        let ended = self.go().await;
        let (outcome, message) = match (ended, self.tally.failures()) {
            (Err(fault @ Fault::Refused(_)), _) => (SweepOutcome::Refused, fault.to_string()),
            (Err(fault @ Fault::Stopped(_)), _) => (SweepOutcome::Interrupted, format!("{fault}{}", self.progress())),
            (Err(Fault::GivenUp) | Ok(()), Some(failures)) => (SweepOutcome::Failed, failures),
            (Err(fault), _) => (SweepOutcome::Failed, fault.to_string()),
            (Ok(()), None) if self.order.dry_run => (SweepOutcome::DryRun, self.preview()),
            (Ok(()), None) => (SweepOutcome::Complete, String::new()),
        };
        self.tally.report(self.bucket.calls(), started, outcome, &message)
    }

    async fn go(&self) -> Result<(), Fault> {
        if self.order.purge && !self.order.dry_run {
            return self.delete(self.read(&self.tally), u64::MAX, Some(&self.tally)).await;
        }
        let held = self.survey().await?;
        if self.order.dry_run {
            return Ok(());
        }
        let room = if self.order.force { u64::MAX } else { brake::judge(self.found(), self.order.max_deletions)? };
        match held {
            Some(suspects) => self.delete(stream::iter(suspects).map(|suspect| Ok(Work::Look(suspect))), room, None).await,
            None => self.delete(self.read(&Tally::default()), room, None).await,
        }
    }

    /// One pass, which makes what is missing and gives what is to go; none if that is too much to remember.
    async fn survey(&self) -> Result<Option<Vec<Suspect>>, Fault> {
        let found = self.read(&self.tally).take_until(self.stop.clone());
        let mut found = pin!(found.map(|work| self.examine(work)).buffer_unordered(AT_ONCE));
        let (mut held, mut bytes) = (Some(Vec::new()), 0);
        while let Some(doomed) = found.next().await {
            let Some(suspect) = doomed? else { continue };
            bytes += suspect.bytes();
            match &mut held {
                Some(suspects) if bytes <= self.memory => suspects.push(suspect),
                _ => held = None,
            }
        }
        if self.is_stopped() { Err(Fault::Stopped("the bucket was compared")) } else { Ok(held) }
    }

    fn read<'a>(&'a self, tally: &'a Tally) -> impl Stream<Item = Result<Work, Unread>> + 'a {
        Scope { bucket: &self.bucket, settings: &self.settings, order: &self.order, tally }.read()
    }

    /// Counts what a suspect is; gives it back if it is to go.
    async fn examine(&self, work: Result<Work, Unread>) -> Result<Option<Suspect>, Fault> {
        let suspect = match work? {
            Work::Look(suspect) => suspect,
            Work::Make(key) => {
                if !self.order.dry_run {
                    self.make(&key).await?;
                }
                return Ok(None);
            }
        };
        let looked = self.look(&suspect, Some(&self.tally)).await?;
        Ok(looked.filter(|looked| looked.state.goes()).map(|_| suspect))
    }

    /// Deletes those suspects that are still to go when they are looked at again: at most `room` of those that are not explained.
    async fn delete(&self, work: impl Stream<Item = Result<Work, Unread>>, room: u64, tally: Option<&Tally>) -> Result<(), Fault> {
        let left = AtomicU64::new(room);
        let deleted = work.take_until(self.stop.clone()).map(|work| self.delete_one(work, &left, tally)).buffer_unordered(AT_ONCE);
        let mut deleted = pin!(deleted);
        while let Some(outcome) = deleted.next().await {
            if !outcome? {
                return Err(Fault::Grew(room));
            }
        }
        if self.is_stopped() { Err(Fault::Stopped("derivatives were deleted")) } else { Ok(()) }
    }

    /// Whether there was room for it.
    async fn delete_one(&self, work: Result<Work, Unread>, left: &AtomicU64, tally: Option<&Tally>) -> Result<bool, Fault> {
        let Some(Doomed { key, etag, is_explained }) = self.condemn(work, tally).await? else { return Ok(true) };
        if !is_explained && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() {
            return Ok(false);
        }
        match self.bucket.delete(&key, etag.as_deref()).await {
            Ok(()) => {
                count(&self.tally.deleted);
                tracing::debug!(key, "deleted");
            }
            // somebody replaced it in the meantime
            Err(StoreError::Exists) => {}
            Err(error) => self.fail(&key, &error)?,
        }
        Ok(true)
    }

    /// Looks at a suspect once more. What is warm is replaced instead of deleted, if it can be.
    async fn condemn(&self, work: Result<Work, Unread>, tally: Option<&Tally>) -> Result<Option<Doomed>, Fault> {
        let Work::Look(suspect) = work? else { return Ok(None) };
        let looked = self.look(&suspect, tally).await?.filter(|looked| looked.state.goes());
        let Some(Looked { state, etag, key }) = looked else { return Ok(None) };
        let is_made_anew = matches!(state, State::Stale | State::Outdated) && self.order.warm.contains(&key.resolution);
        if is_made_anew && self.make(&key).await? {
            return Ok(None);
        }
        Ok(Some(Doomed { key: key.to_string(), etag, is_explained: self.is_explained(state, &suspect) }))
    }

    /// What a suspect is now; none if it is gone, or could not be looked at.
    async fn look(&self, suspect: &Suspect, tally: Option<&Tally>) -> Result<Option<Looked>, Fault> {
        match self.look_at(suspect).await {
            Ok(found) => {
                if let (Some(Looked { state, .. }), Some(tally)) = (&found, tally) {
                    tally.count(*state);
                    count(&tally.looked_at);
                    if state.goes() {
                        count(&tally.doomed);
                    }
                    if state.goes() && self.is_explained(*state, suspect) {
                        count(&tally.explained);
                    }
                }
                Ok(found)
            }
            Err(error) => self.fail(&suspect.key.to_string(), &error).map(|()| None),
        }
    }

    /// The originals that its key may mean are only asked for where what was listed does not let the derivative stay.
    async fn look_at(&self, suspect: &Suspect) -> Result<Option<Looked>, StoreError> {
        let Suspect { key, original, .. } = suspect;
        let Head { etag, metadata, .. } = match self.bucket.head(&key.to_string()).await {
            Ok(found) => found,
            Err(StoreError::Missing) => return Ok(None),
            Err(error) => return Err(error),
        };
        let judged = |key: &ResizedKey, source| judge(&self.settings, key, &metadata, source);
        let listed = original.as_ref().map_or(Source::Gone, |etag| Source::There(etag.as_deref()));
        let (key, state) = match judged(key, listed) {
            State::Foreign => (key.clone(), State::Foreign),
            _ if self.order.purge => (key.clone(), State::Retired),
            state if !state.goes() => (key.clone(), state),
            _ => match resolve(&*self.bucket, &self.settings, key).await? {
                Some((key, original)) => {
                    let state = judged(&key, Source::There(original.etag.as_deref()));
                    (key, state)
                }
                None => (key.clone(), judged(key, Source::Gone)),
            },
        };
        Ok(Some(Looked { state, etag, key }))
    }

    fn is_explained(&self, state: State, suspect: &Suspect) -> bool {
        matches!(state, State::Outdated | State::Retired) && self.order.suspicion.is_explained(suspect.modified)
    }

    /// Makes a derivative; whether there is one now.
    async fn make(&self, key: &ResizedKey) -> Result<bool, Fault> {
        let Some((service, at_once)) = &self.warm else { return Ok(false) };
        let making = pin!(async {
            let _permit = at_once.acquire().await;
            make(service, key).await
        });
        let Either::Left((warmed, _)) = select(making, self.stop.clone()).await else {
            return Err(Fault::Stopped("a derivative was made"));
        };
        match warmed {
            Warmed::Made => count(&self.tally.made),
            Warmed::Needless => return Ok(false),
            Warmed::Failed(error) => {
                self.tally.fail(&key.to_string(), &error);
                self.give_up_at_last()?;
            }
        }
        Ok(true)
    }

    fn fail(&self, key: &str, error: &StoreError) -> Result<(), Fault> {
        self.tally.fail(key, &error.to_string());
        if matches!(error, StoreError::Credentials(_) | StoreError::NoBucket) { Err(Fault::GivenUp) } else { self.give_up_at_last() }
    }

    fn give_up_at_last(&self) -> Result<(), Fault> {
        if self.tally.failed() > MOST_FAILURES { Err(Fault::GivenUp) } else { Ok(()) }
    }

    fn found(&self) -> Found {
        let Tally { originals, derivatives, doomed, explained, .. } = &*self.tally;
        let [originals, derivatives, doomed, explained] = [originals, derivatives, doomed, explained].map(|number| number.load(Relaxed));
        Found { originals, derivatives, doomed, explained }
    }

    fn is_stopped(&self) -> bool {
        self.stop.peek().is_some()
    }

    /// How far it came.
    fn progress(&self) -> String {
        let at = self.tally.at().map(|at| format!(", at `{at}`")).unwrap_or_default();
        let (deleted, doomed) = (self.tally.deleted.load(Relaxed), self.tally.doomed.load(Relaxed));
        format!("{at}: {deleted} deleted, of {doomed} found so far")
    }

    /// What would have been done.
    fn preview(&self) -> String {
        let found = self.found();
        let mut text = format!("would delete {} derivatives and make {}", found.doomed, self.tally.missing.load(Relaxed));
        if let (false, Err(refusal)) = (self.order.force || self.order.purge, brake::judge(found, self.order.max_deletions)) {
            text = format!("would refuse: {refusal}");
        }
        text
    }
}
