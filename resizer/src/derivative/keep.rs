//! A derivative → the store, in the place that was looked at before; then its original is looked at once more.
//!
//! The sentence calls it once the picture is made. Below are `settle` and `store`.

use tokio::time::timeout;

use super::{
    Flight,
    made::Made,
    object::Derivative,
    place::Place,
    resolve::resolve,
    settle::settle,
    state::{Source, State, judge},
};
use crate::{
    error::Error,
    store::{Object, Overwrite, Store, StoreError},
    watch::stage::Stage,
};

/// How a derivative came to be in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was stored.
    Stored,
    /// There is an object already, which stays.
    Found,
    /// The place or the original is another than it was: what to make has to be looked at again.
    Overtaken,
}

impl Flight {
    /// Stores what was made, and makes sure that it is still what the original gives.
    pub(super) async fn keep(&mut self, made: &Derivative, place: &Place) -> Result<Kept, Error> {
        let timer = self.timer();
        let kept = self.keep_in_time(made, place).await;
        self.time(Stage::Store, timer);
        self.service.checks.stored(kept.as_ref().map(drop));
        if kept == Ok(Kept::Stored) { self.confirm(made).await } else { kept }
    }

    async fn keep_in_time(&mut self, made: &Derivative, place: &Place) -> Result<Kept, Error> {
        let _permit = self.lease.store().await?;
        let kept = keep(&*self.service.store, &made.key, &made.object, place);
        Ok(timeout(self.service.settings.bounds.store, kept).await.map_err(|_| StoreError::TimedOut)??)
    }

    /// Stores what a visitor has got already. What fails is counted, and the next visitor makes it again.
    pub(super) async fn keep_behind(mut self, made: Made, place: Place) {
        let mut kept = self.keep(&made.derivative, &place).await;
        // a store that refuses the very ETag that it gave reads conditions in a way of its own
        if kept == Ok(Kept::Overtaken) && self.is_unchanged(&place).await {
            kept = self.keep(&made.derivative, &place.unconditional()).await;
        }
        match kept {
            // in the second case the original is gone, and so is its derivative
            Ok(Kept::Stored) | Err(Error::Store(StoreError::Missing)) => {}
            Ok(Kept::Found) => drop(self.service.metrics.already_stored.inc()),
            // made by another replica, or the original was replaced: what is stale is not shown, and made again
            Ok(Kept::Overtaken) => self.take_back().await,
            Err(error) => self.count_unstored(&error),
        }
        self.report.observe(&self.service.metrics);
    }

    /// Whether what was to be replaced is still there.
    async fn is_unchanged(&self, place: &Place) -> bool {
        let Place::Old(Some(etag)) = place else { return false };
        let found = timeout(self.service.settings.bounds.store, self.service.store.head(&self.key.to_string())).await;
        matches!(found, Ok(Ok(head)) if head.etag.as_ref() == Some(etag))
    }

    /// The derivative could not be stored.
    pub(super) fn count_unstored(&self, error: &Error) {
        self.service.metrics.store_failures.inc();
        tracing::warn!(key = %self.key, %error, "derivative not stored");
    }

    /// Looks at the original once more: it may have been replaced or deleted since it was read.
    async fn confirm(&self, made: &Derivative) -> Result<Kept, Error> {
        let Self { service, key, .. } = self;
        let found = timeout(service.settings.bounds.store, resolve(&*service.store, &service.settings, key)).await;
        match found.unwrap_or(Err(StoreError::TimedOut)) {
            Ok(Some((meant, original))) => {
                let metadata = made.metadata();
                let state = judge(&service.settings, &meant, &metadata, Source::There(original.etag.as_deref()));
                Ok(if meant != *key || state == State::Stale { Kept::Overtaken } else { Kept::Stored })
            }
            Ok(None) => {
                self.take_back().await;
                Err(StoreError::Missing.into())
            }
            Err(error) => {
                service.metrics.unsettled.inc();
                tracing::warn!(key = key.original, %error, "stored, but the original could not be looked at once more");
                Ok(Kept::Stored)
            }
        }
    }

    /// Deletes the derivative that was just stored, if it is no longer true. Pods that may not delete leave it to a sweep.
    pub(super) async fn take_back(&self) {
        let Self { service, key, .. } = self;
        let settled = timeout(service.settings.bounds.store, settle(&*service.store, &service.settings, key)).await;
        if let Err(error) = settled.unwrap_or(Err(StoreError::TimedOut)) {
            service.metrics.unsettled.inc();
            tracing::warn!(%key, %error, "the original changed while this was made, and what was stored could not be deleted: a sweep will");
        }
    }
}

/// Stores `object` under `key` if the place is still as it was found.
pub async fn keep(store: &dyn Store, key: &str, object: &Object, place: &Place) -> Result<Kept, StoreError> {
    let overwrite = match place {
        Place::Taken => return Ok(Kept::Found),
        Place::Empty => Overwrite::Never,
        Place::Old(Some(etag)) => Overwrite::Version(etag),
        Place::Old(None) => Overwrite::Always,
    };
    match store.put(key, object, overwrite).await {
        Ok(()) => Ok(Kept::Stored),
        // replaced, or deleted: S3 answers 404 to a condition on what is gone
        Err(StoreError::Exists | StoreError::Missing) => Ok(Kept::Overtaken),
        Err(error) => Err(error),
    }
}
