//! One derivative in the making: key → fetch → plan → admit → resize → store → answer.

pub mod object;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::future::FutureExt;
use resize_api::ResizedKey;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use picture::{Picture, Plan, Request, Step, Stop};

use self::object::{Derivative, Provenance, is_picture, made_by_a_resizer};
use crate::{
    error::Error,
    guard::{
        admission::{Charge, Place, holding},
        coalesce::Ticket,
        loop_guard::Recalled,
    },
    http::answer::{Answer, Shown},
    service::Service,
    store::{self, Kept, Metadata, StoreError, website::Sight},
    watch::{metrics::Stage, record::Report},
};

/// How often a body that broke off is fetched again, and the pause before the first time; it doubles.
const REPETITIONS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(100);

/// The end of a flight, as every request for its key gets it.
pub(crate) type Landed = (Result<Answer, Error>, Report);

/// An object, read.
struct Fetched {
    bytes: Bytes,
    charge: Charge,
    provenance: Provenance,
}

/// Stops the work when nobody waits for it any more.
struct Stopping(Stop);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A picture, and the memory that it holds.
type Made = (Derivative, Charge);

impl Service {
    pub(crate) async fn fly(self: Arc<Self>, key: ResizedKey, mut place: Place, ticket: Arc<Ticket<Landed>>) -> Landed {
        let mut report = Report::default();
        let flight = AssertUnwindSafe(self.serve(&key, &mut place, &ticket, &mut report)).catch_unwind();
        let result = flight.await.unwrap_or(Err(Error::Internal));
        report.observe(&self.metrics);
        if let Err(error) = &result {
            self.negative.note(&key, error, Instant::now());
            if matches!(error, Error::Panic | Error::Internal) {
                self.metrics.panics.inc();
            }
            if error.rejects_source() {
                self.metrics.count_rejected(error.reason());
            }
        }
        (result, report)
    }

    async fn serve(&self, key: &ResizedKey, place: &mut Place, ticket: &Arc<Ticket<Landed>>, report: &mut Report) -> Result<Answer, Error> {
        let recalled = self.loop_guard.recall(&key.to_string(), Instant::now());
        if let Some(answer) = self.stored(key, recalled, place, report).await? {
            return Ok(answer);
        }
        let original = self.fetch(&key.original, place, report).await?;
        let made = self.make(key, original, place, ticket, report).await?;
        match self.keep(&made.0, place, report).await {
            Ok(kept) => {
                if kept == Kept::Found {
                    self.metrics.already_stored.inc();
                }
                // also of what another replica stored: whichever is asked next breaks a loop
                self.loop_guard.note(&made.0.key, Instant::now());
                if recalled == Recalled::Loop {
                    return self.show(key, Shown::Loop, made, place).await;
                }
                if self.is_refused(key).await {
                    // an original that may not be shown here: then the site's own answer must do
                    return Ok(self.show(key, Shown::Refused, made, place).await.unwrap_or(Answer::Redirect));
                }
                Ok(Answer::Redirect)
            }
            Err(error) => {
                self.metrics.store_failures.inc();
                tracing::warn!(key = made.0.key, %error, "derivative not stored");
                self.show(key, Shown::NotStored, made, place).await
            }
        }
    }

    /// The answer to a request for `key` that needs nothing to be made: it was stored a while ago and is still there.
    async fn stored(&self, key: &ResizedKey, recalled: Recalled, place: &mut Place, report: &mut Report) -> Result<Option<Answer>, Error> {
        let name = key.to_string();
        match recalled {
            Recalled::New => Ok(None),
            Recalled::Stored => {
                let found = timeout(self.settings.bounds.fetch, self.store.metadata(&name)).await;
                let ours = matches!(found, Ok(Ok(metadata)) if made_by_a_resizer(&metadata));
                if ours {
                    self.loop_guard.sent(&name, Instant::now());
                }
                Ok(ours.then_some(Answer::Redirect))
            }
            Recalled::Loop => {
                self.may_show(key).await?;
                let Ok(Fetched { bytes, charge, provenance, .. }) = self.fetch_any(&name, place, report).await else { return Ok(None) };
                let Some(content_type) = provenance.content_type.filter(|content_type| is_picture(content_type)) else { return Ok(None) };
                place.answer(bytes.len() as u64, &charge)?;
                Ok(Some(Answer::Picture { why: Shown::Loop, bytes, content_type }))
            }
        }
    }

    /// The picture itself, from memory of its own.
    async fn show(&self, key: &ResizedKey, why: Shown, (derivative, charge): Made, place: &Place) -> Result<Answer, Error> {
        self.may_show(key).await?;
        place.answer(derivative.bytes.len() as u64, &charge)?;
        Ok(Answer::Picture { why, bytes: derivative.bytes, content_type: derivative.content_type })
    }

    /// An error unless visitors may read the original of `key`: the settings say so, or the public URL shows it to everybody.
    async fn may_show(&self, key: &ResizedKey) -> Result<(), Error> {
        if !self.settings.source.include_prefixes.is_empty() {
            return Ok(());
        }
        match self.visible.original(&self.settings.url.object(&key.original)).await {
            Sight::Shown => Ok(()),
            Sight::Refused(_) | Sight::Unknown => Err(Error::NotPublic),
        }
    }

    /// Whether the public URL does not show what was just stored under `key`.
    async fn is_refused(&self, key: &ResizedKey) -> bool {
        let url = self.settings.url.location(key);
        let Sight::Refused(status) = self.visible.derivative(&url).await else { return false };
        self.metrics.public_url_failures.inc();
        let status = status.as_u16();
        tracing::warn!(url, status, "stored, but the public URL does not show it: look at the bucket's policy, or set OUTPUT_ACL");
        true
    }

    /// Reads the original `key`.
    async fn fetch(&self, key: &str, place: &mut Place, report: &mut Report) -> Result<Fetched, Error> {
        let fetched = self.fetch_if(key, |metadata| !made_by_a_resizer(metadata), place, report).await;
        self.checks.read(fetched.as_ref().map(drop));
        fetched
    }

    /// Reads the object `key`, whoever made it.
    async fn fetch_any(&self, key: &str, place: &mut Place, report: &mut Report) -> Result<Fetched, Error> {
        self.fetch_if(key, |_| true, place, report).await
    }

    /// Reads the object `key` if it is `wanted`, again if its body breaks off.
    async fn fetch_if(
        &self,
        key: &str,
        wanted: impl Fn(&Metadata) -> bool,
        place: &mut Place,
        report: &mut Report,
    ) -> Result<Fetched, Error> {
        let fetched = report.time(Stage::Fetch, place, async |place: &mut Place| {
            let _fetch = place.fetch().await?;
            let mut left = self.settings.bounds.fetch;
            let mut pause = PAUSE;
            for _ in 0..REPETITIONS {
                match self.fetch_once(key, &wanted, place, &mut left).await {
                    Err(Error::Store(error)) if error.is_passing() => {
                        tracing::warn!(key, %error, "fetching again");
                        self.metrics.refetches.inc();
                        sleep(pause).await;
                        pause *= 2;
                    }
                    outcome => return outcome,
                }
            }
            self.fetch_once(key, &wanted, place, &mut left).await
        });
        let fetched = fetched.await?;
        report.source_bytes = Some(fetched.bytes.len() as u64);
        Ok(fetched)
    }

    /// `left` is what the store may still take; waiting for memory is not its fault. What is not
    /// wanted, and what its first bytes show to be no picture, is not read to its end.
    async fn fetch_once(
        &self,
        key: &str,
        wanted: impl Fn(&Metadata) -> bool,
        place: &mut Place,
        left: &mut Duration,
    ) -> Result<Fetched, Error> {
        let limit = self.settings.limits.max_source_bytes;
        let start = Instant::now();
        let mut object = timeout(*left, self.store.get(key)).await.map_err(|_| StoreError::TimedOut)??;
        if !wanted(&object.metadata) {
            return Err(Error::Derivative);
        }
        let length = object.bounded_length(limit)?;
        let head = object.head(picture::HEAD, left.saturating_sub(start.elapsed())).await?;
        picture::sniff(&head).map_err(|error| object.content_encoding.clone().map_or(Error::Resize(error), Error::Encoded))?;
        *left = left.saturating_sub(start.elapsed());
        place.hold_source(length).await?;
        let provenance = Provenance { content_type: object.content_type.clone(), etag: object.etag.clone() };
        let start = Instant::now();
        let bytes = object.read(limit, *left).await;
        *left = left.saturating_sub(start.elapsed());
        let (bytes, charge) = place.source(bytes?).ok_or(Error::Internal)?;
        Ok(Fetched { bytes, charge, provenance })
    }

    /// Resizes `original` where and when there is room for it.
    async fn make(
        &self,
        key: &ResizedKey,
        original: Fetched,
        place: &mut Place,
        ticket: &Arc<Ticket<Landed>>,
        report: &mut Report,
    ) -> Result<Made, Error> {
        let Fetched { bytes: source, provenance, .. } = original;
        let request = Request { resolution: key.resolution, limits: self.settings.limits, recipe: self.settings.recipe };
        let plan = plan(source.clone(), request).await?;
        report.memory_bytes = Some(plan.memory());
        let (start, waited) = (SystemTime::now(), place.waited());
        let admitted = place.admit(plan.memory()).await;
        report.add(Stage::Queue, start, place.waited().saturating_sub(waited));
        let room = admitted?;
        ticket.commit();
        // who stops waiting stops the thread, and the key is not free before the thread is
        let (held, stop) = (Arc::clone(ticket), Stop::new());
        let _stopping = Stopping(stop.clone());
        let work = move || {
            let result = resize(&source, &plan, &stop);
            drop(held);
            result
        };
        let size = |(picture, _): &(Result<Picture, _>, _)| picture.as_ref().map_or(0, |picture| picture.bytes.len() as u64);
        let resized = timeout(self.settings.bounds.resize, room.run(work, size)).await;
        let ((picture, steps), memory) = resized.map_err(|_| Error::TooSlow)??;
        for (step, start, duration) in steps {
            report.add(step.into(), start, duration);
        }
        let picture = picture?;
        report.output_bytes = Some(picture.bytes.len() as u64);
        let mut derivative = Derivative::new(key, picture, &request, &provenance, &self.settings.cache_control);
        let (bytes, charge) = holding(derivative.bytes, memory);
        derivative.bytes = bytes;
        Ok((derivative, charge))
    }

    async fn keep(&self, derivative: &Derivative, place: &mut Place, report: &mut Report) -> Result<Kept, Error> {
        let kept = report.time(Stage::Store, place, async |place: &mut Place| {
            let _store = place.store().await?;
            let kept = timeout(self.settings.bounds.store, store::keep(&*self.store, derivative)).await;
            Ok(kept.map_err(|_| StoreError::TimedOut)??)
        });
        let kept = kept.await;
        self.checks.stored(kept.as_ref().map(drop));
        kept
    }
}

/// Headers come from strangers too: they are read where a panic does no harm.
async fn plan(source: Bytes, request: Request) -> Result<Plan, Error> {
    let planned = spawn_blocking(move || picture::plan(&source, &request)).await;
    Ok(planned.map_err(|_| Error::Panic)??)
}

/// A step, when it began and how long it took.
type Took = (Step, SystemTime, Duration);

/// The picture, and what each step took. A step that failed counts as well.
fn resize(source: &[u8], plan: &Plan, stop: &Stop) -> (Result<Picture, picture::Error>, Vec<Took>) {
    let (mut steps, mut began, mut start) = (Vec::with_capacity(Step::ALL.len()), SystemTime::now(), Instant::now());
    let result = picture::execute_in_steps(source, plan, stop, |step| {
        steps.push((step, began, start.elapsed()));
        (began, start) = (SystemTime::now(), Instant::now());
    });
    if let Some(&failed) = Step::ALL.get(steps.len()) {
        steps.push((failed, began, start.elapsed()));
    }
    (result, steps)
}
