//! A key → the object's bytes, in memory that was admitted for them: with bounds on size and time, again where the body broke off.
//!
//! The sentence calls it for the original, `show` for a stored derivative. Below are `guard::admission` and `store`.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{BoxFuture, Either, FutureExt, Shared, select};
use resize_api::ResizedKey;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Flight,
    object::{Provenance, made_by_a_resizer},
    place::Place,
    ready::is_shown,
    state::{Source, judge},
};
use crate::{
    error::Error,
    guard::{admission::Charge, loop_guard::Recalled},
    service::Service,
    store::{Head, StoreError},
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

/// What is looked at beside an original while it is opened: the place where its derivative goes.
pub(super) struct Beside<'a> {
    service: &'a Service,
    key: &'a ResizedKey,
    /// Visitors who were sent to the derivative come back: it is made also where its place is taken.
    is_loop: bool,
    stored: Shared<BoxFuture<'static, Option<Head>>>,
}

impl Beside<'_> {
    /// Whether an original with this head is to be read.
    async fn is_wanted(&self, original: &Head) -> Result<bool, Error> {
        if !self.service.settings.source.publishes(&self.key.original) {
            return Err(Error::NotPublished);
        }
        if made_by_a_resizer(&original.metadata) {
            return Err(Error::Derivative);
        }
        Ok(self.is_loop || self.place(original.etag.as_deref()).await != Place::Taken || self.is_no_picture().await)
    }

    /// Whether visitors get something else than what is stored: there is an object that no resizer made and that is not shown, or one
    /// that sends them to the original.
    async fn is_no_picture(&self) -> bool {
        let Some(found) = self.stored.clone().await else { return false };
        let in_the_way = !made_by_a_resizer(&found.metadata) && !is_shown(&found);
        self.service.is_direct && in_the_way || self.service.sends_away(self.key, &found)
    }

    /// The place of the derivative of an original with this ETag.
    async fn place(&self, etag: Option<&str>) -> Place {
        let found = self.stored.clone().await;
        let judged = |found: Head| (judge(&self.service.settings, self.key, &found.metadata, Source::There(etag)), found);
        Place::of(found.map(judged))
    }
}

impl Flight {
    /// Reads the original that the key means, and looks at the same time where the derivative goes. None if that place is taken: there
    /// is nothing to make, unless visitors who were sent there come back.
    pub(super) async fn fetch_original(&mut self, recalled: Recalled) -> Result<Option<(Fetched, Place)>, Error> {
        let service = Arc::clone(&self.service);
        let (store, bound, name) = (Arc::clone(&service.store), service.settings.bounds.fetch, self.key.to_string());
        // what cannot be looked at counts as missing: S3 denies access to a missing key where keys may not be listed
        let stored = async move { timeout(bound, store.head(&name)).await.ok().and_then(Result::ok) }.boxed().shared();
        let mut readings = service.settings.readings(&self.key).into_iter().peekable();
        while let Some(key) = readings.next() {
            self.key = key.clone();
            let beside = Beside { service: &service, key: &key, is_loop: recalled == Recalled::Loop, stored: stored.clone() };
            let fetched = self.fetch(&key.original, Some(&beside)).await;
            if readings.peek().is_some() && matches!(fetched, Err(Error::Store(StoreError::Missing | StoreError::Forbidden))) {
                continue;
            }
            service.checks.read(fetched.as_ref().map(drop));
            let Some(fetched) = fetched? else { return Ok(None) };
            let place = beside.place(fetched.provenance.etag.as_deref()).await;
            return Ok(Some((fetched, place)));
        }
        Err(StoreError::Missing.into())
    }

    /// Reads the object `key`, again if its body breaks off. None if what is `beside` it makes that needless.
    pub(super) async fn fetch(&mut self, key: &str, beside: Option<&Beside<'_>>) -> Result<Option<Fetched>, Error> {
        let timer = self.timer();
        let fetched = self.fetch_repeatedly(key, beside).await;
        self.time(Stage::Fetch, timer);
        let Some(fetched) = fetched? else { return Ok(None) };
        self.report.source_bytes = Some(fetched.bytes.len() as u64);
        Ok(Some(fetched))
    }

    async fn fetch_repeatedly(&mut self, key: &str, beside: Option<&Beside<'_>>) -> Result<Option<Fetched>, Error> {
        let _permit = self.lease.fetch().await?;
        let mut left = self.service.settings.bounds.fetch;
        let mut pause = PAUSE;
        for _ in 0..REPETITIONS {
            match self.fetch_once(key, beside, &mut left).await {
                Err(Error::Store(error)) if error.is_passing() => {
                    tracing::warn!(key, %error, "fetching again");
                    self.service.metrics.refetches.inc();
                    sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
        self.fetch_once(key, beside, &mut left).await
    }

    /// `left` is the time that the store still has; waiting for memory does not count. An object that is not wanted, or whose
    /// first bytes are no picture's, is not read to its end.
    async fn fetch_once(&mut self, key: &str, beside: Option<&Beside<'_>>, left: &mut Duration) -> Result<Option<Fetched>, Error> {
        let limit = self.service.settings.limits.max_source_bytes;
        let start = Instant::now();
        let get = pin!(timeout(*left, self.service.store.get(key)));
        let opened = match beside {
            // both at once, within the permit for this fetch
            Some(beside) => match select(get, beside.stored.clone()).await {
                Either::Left((opened, _)) => opened,
                Either::Right((_, get)) => get.await,
            },
            None => get.await,
        };
        let mut object = opened.map_err(|_| StoreError::TimedOut)??;
        if let Some(beside) = beside
            && !beside.is_wanted(&object.head).await?
        {
            return Ok(None);
        }
        let provenance = Provenance { content_type: object.head.content_type.clone(), etag: object.head.etag.clone() };
        self.provenance = Some(provenance.clone()).filter(|_| beside.is_some());
        let length = object.bounded_length(limit)?;
        let head = object.head(picture::HEAD, left.saturating_sub(start.elapsed())).await?;
        picture::sniff(&head).map_err(|error| object.head.content_encoding.clone().map_or(Error::Resize(error), Error::Encoded))?;
        *left = left.saturating_sub(start.elapsed());
        self.lease.hold_source(length).await?;
        let start = Instant::now();
        let bytes = object.read(limit, *left).await;
        *left = left.saturating_sub(start.elapsed());
        let (bytes, charge) = self.lease.source(bytes?).ok_or(Error::Internal)?;
        Ok(Some(Fetched { bytes, charge, provenance }))
    }
}
