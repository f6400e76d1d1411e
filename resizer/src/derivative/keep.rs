//! A derivative → the store, unless what is there already is as good or somebody else's.
//!
//! The sentence calls it once the picture is made. Below is `store`.

use tokio::time::timeout;

use super::{Flight, object::Derivative};
use crate::{
    error::Error,
    store::{Overwrite, Store, StoreError},
    watch::stage::Stage,
};

/// How a derivative came to be in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was stored.
    Stored,
    /// There is an object already, which stays: one with the same source ETag and settings, or one that no resizer made.
    Found,
}

impl Flight<'_> {
    pub(super) async fn keep(&mut self, derivative: &Derivative) -> Result<Kept, Error> {
        let timer = self.timer();
        let kept = self.keep_in_time(derivative).await;
        self.time(Stage::Store, timer);
        self.service.checks.stored(kept.as_ref().map(drop));
        kept
    }

    async fn keep_in_time(&mut self, derivative: &Derivative) -> Result<Kept, Error> {
        let _permit = self.lease.store().await?;
        let kept = timeout(self.service.settings.bounds.store, keep(&*self.service.store, derivative)).await;
        Ok(kept.map_err(|_| StoreError::TimedOut)??)
    }
}

/// Stores `derivative` unless the stored derivative has the same source ETag and settings: another replica may have been faster.
/// A derivative of another version of the original is replaced, an object that no resizer made is not.
pub async fn keep(store: &dyn Store, derivative: &Derivative) -> Result<Kept, StoreError> {
    let Derivative { key, object } = derivative;
    match store.put(key, object, Overwrite::Never).await {
        Err(StoreError::Exists) => {}
        outcome => return outcome.map(|()| Kept::Stored),
    }
    match store.metadata(key).await {
        Ok(found) if !derivative.replaces(&found) => Ok(Kept::Found),
        // stale, or deleted in between
        Ok(_) | Err(StoreError::Missing) => store.put(key, object, Overwrite::Always).await.map(|()| Kept::Stored),
        Err(error) => Err(error),
    }
}
