//! Events of the bucket → the derivatives of each original that changed are settled, and the warm ones made.
//!
//! Every event is only a hint where to look: what is done depends on what is stored then. So events may come twice, late and in any
//! order. `command::follow` gives it what [`sqs`] and [`webhook`] receive; below are `lanes`, `warm`, and with `derivative` the `store`.

pub mod event;
mod sequencers;
pub mod sqs;
pub mod webhook;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use resize_api::{ResizedKey, Resolution, Settings};

use self::{
    event::{Change, EventError},
    sequencers::Sequencers,
};
use super::{
    lanes::{self, ListingError},
    metered::Metered,
    reader::formats,
    warm::{self, Warmed},
};
use crate::{
    derivative::settle::{Settled, settle},
    service::Service,
    store::StoreError,
    watch::metrics::Event,
};

/// Originals looked at at once, and derivatives of each.
const AT_ONCE: usize = 8;

/// Why an event was not handled to its end: it has to come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The prefixes of derivatives could not be listed.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// A warm derivative could not be made.
    #[error("cannot make {key}: {why}")]
    Warm {
        /// The derivative.
        key: String,
        /// Why.
        why: String,
    },
}

/// What looks where events point.
pub struct Follower {
    service: Arc<Service>,
    bucket: Arc<Metered>,
    warm: BTreeSet<Resolution>,
    sequencers: Sequencers,
}

impl Follower {
    /// A follower of `bucket`, on which `service` works; derivatives of `warm` resolutions are made at once.
    pub fn new(service: Arc<Service>, bucket: Arc<Metered>, warm: BTreeSet<Resolution>) -> Self {
        Self { service, bucket, warm, sequencers: Sequencers::default() }
    }

    /// Handles `changes`; an error if any has to come again.
    pub async fn handle(&self, changes: &[Change]) -> Result<(), FollowError> {
        let looks: Vec<_> = changes.iter().map(|change| self.change(change).boxed()).collect();
        let outcomes: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect()
    }

    /// Counts an event that cannot be read.
    pub fn bad(&self, error: &EventError) {
        tracing::warn!(%error, "an event that cannot be read");
        self.service.metrics.count_event(Event::Failed);
    }

    /// Says how old an event is that was sent at this time since 1970.
    fn sent(&self, at: Duration) {
        let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(at);
        self.service.metrics.event_age.set(age.as_secs().try_into().unwrap_or(i64::MAX));
    }

    async fn change(&self, change: &Change) -> Result<(), FollowError> {
        let metrics = &self.service.metrics;
        metrics.count_event(Event::Received);
        let settings = &self.service.settings;
        if change.bucket != settings.bucket || settings.reserves(&change.key) || self.sequencers.is_old(change) {
            metrics.count_event(Event::Ignored);
            return Ok(());
        }
        match self.look(&change.key).await {
            Ok(acted) => {
                self.sequencers.handled(change);
                metrics.count_event(if acted { Event::Acted } else { Event::Ignored });
                Ok(())
            }
            Err(error) => {
                metrics.count_event(Event::Failed);
                tracing::warn!(key = change.key, %error, "an event that has to come again");
                Err(error)
            }
        }
    }

    /// Settles every derivative of `original`, and makes the warm ones. Whether anything was done. Variants that are no longer listed
    /// are left to a sweep.
    async fn look(&self, original: &str) -> Result<bool, FollowError> {
        let settings = &self.service.settings;
        let listed = &settings.allowed_resolutions;
        let resolutions = if listed.is_empty() { lanes::resolutions(&self.bucket).await? } else { listed.clone() };
        let settled: Vec<_> = derivatives(settings, &resolutions, original).map(|key| self.settle(key).boxed()).collect();
        let deleted: Vec<bool> = stream::iter(settled).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut acted = deleted.contains(&true);
        for key in derivatives(settings, &self.warm, original).filter(|_| settings.source.publishes(original)) {
            acted |= self.make(&key).await?;
        }
        Ok(acted)
    }

    /// Whether the derivative `key` was deleted.
    async fn settle(&self, key: ResizedKey) -> Result<bool, FollowError> {
        let Settled::Deleted(state) = settle(&*self.bucket, &self.service.settings, &key).await? else { return Ok(false) };
        tracing::info!(%key, ?state, "deleted");
        Ok(true)
    }

    async fn make(&self, key: &ResizedKey) -> Result<bool, FollowError> {
        match warm::make(&self.service, key).await {
            Warmed::Made => Ok(true),
            Warmed::Needless => Ok(false),
            Warmed::Failed(why) => Err(FollowError::Warm { key: key.to_string(), why }),
        }
    }
}

/// The derivatives of `original` of these resolutions, in its own format and in all variants. Of an object `cat.jpg.webp`, the first of
/// each resolution is also where that variant of `cat.jpg` lies when the object is gone.
fn derivatives(settings: &Settings, resolutions: &BTreeSet<Resolution>, original: &str) -> impl Iterator<Item = ResizedKey> {
    let places = resolutions.iter().flat_map(|resolution| formats(settings).map(|variant| (*resolution, variant)));
    places.filter_map(|(resolution, variant)| ResizedKey::of(resolution, original, variant))
}
