//! A key → the object's bytes, in memory that was admitted for them: with bounds on size and time, again where the body broke off.
//!
//! The sentence calls it for the original, `show` for a stored derivative. Below are `guard::admission` and `store`.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Flight,
    object::{Provenance, made_by_a_resizer},
};
use crate::{
    error::Error,
    guard::admission::Charge,
    store::{Metadata, StoreError},
    watch::stage::Stage,
};

/// How often a body that broke off is fetched again, and the pause before the first time; it doubles.
const REPETITIONS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(100);

/// An object, read.
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    pub(super) charge: Charge,
    pub(super) provenance: Provenance,
}

impl Flight<'_> {
    /// Reads the original; a derivative is none.
    pub(super) async fn fetch_original(&mut self) -> Result<Fetched, Error> {
        let fetched = self.fetch(&self.key.original, |metadata| !made_by_a_resizer(metadata)).await;
        self.service.checks.read(fetched.as_ref().map(drop));
        fetched
    }

    /// Reads the object `key` if it is `wanted`, again if its body breaks off.
    pub(super) async fn fetch(&mut self, key: &str, wanted: impl Fn(&Metadata) -> bool) -> Result<Fetched, Error> {
        let timer = self.timer();
        let fetched = self.fetch_repeatedly(key, wanted).await;
        self.time(Stage::Fetch, timer);
        let fetched = fetched?;
        self.report.source_bytes = Some(fetched.bytes.len() as u64);
        Ok(fetched)
    }

    async fn fetch_repeatedly(&mut self, key: &str, wanted: impl Fn(&Metadata) -> bool) -> Result<Fetched, Error> {
        let _permit = self.lease.fetch().await?;
        let mut left = self.service.settings.bounds.fetch;
        let mut pause = PAUSE;
        for _ in 0..REPETITIONS {
            match self.fetch_once(key, &wanted, &mut left).await {
                Err(Error::Store(error)) if error.is_passing() => {
                    tracing::warn!(key, %error, "fetching again");
                    self.service.metrics.refetches.inc();
                    sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
        self.fetch_once(key, &wanted, &mut left).await
    }

    /// `left` is the time that the store still has; waiting for memory does not count. An object that is not wanted, or whose
    /// first bytes are no picture's, is not read to its end.
    async fn fetch_once(&mut self, key: &str, wanted: impl Fn(&Metadata) -> bool, left: &mut Duration) -> Result<Fetched, Error> {
        let limit = self.service.settings.limits.max_source_bytes;
        let start = Instant::now();
        let mut object = timeout(*left, self.service.store.get(key)).await.map_err(|_| StoreError::TimedOut)??;
        if !wanted(&object.metadata) {
            return Err(Error::Derivative);
        }
        let length = object.bounded_length(limit)?;
        let head = object.head(picture::HEAD, left.saturating_sub(start.elapsed())).await?;
        picture::sniff(&head).map_err(|error| object.content_encoding.clone().map_or(Error::Resize(error), Error::Encoded))?;
        *left = left.saturating_sub(start.elapsed());
        self.lease.hold_source(length).await?;
        let provenance = Provenance { content_type: object.content_type.clone(), etag: object.etag.clone() };
        let start = Instant::now();
        let bytes = object.read(limit, *left).await;
        *left = left.saturating_sub(start.elapsed());
        let (bytes, charge) = self.lease.source(bytes?).ok_or(Error::Internal)?;
        Ok(Fetched { bytes, charge, provenance })
    }
}
