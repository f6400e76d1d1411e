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

use picture::{Picture, Plan, Request, Step};

use self::object::{Derivative, Provenance, is_picture, made_by_a_resizer};
use crate::{
    error::Error,
    guard::{admission::Place, coalesce::Ticket},
    http::answer::{Answer, Shown},
    service::Service,
    store::{self, Kept, Metadata, StoreError},
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
    provenance: Provenance,
    metadata: Metadata,
}

impl Service {
    pub(crate) async fn fly(self: Arc<Self>, key: ResizedKey, mut place: Place, ticket: Arc<Ticket<Landed>>) -> Landed {
        let mut report = Report::default();
        let flight = AssertUnwindSafe(self.serve(&key, &mut place, &ticket, &mut report)).catch_unwind();
        let result = flight.await.unwrap_or(Err(Error::Panic));
        report.observe(&self.metrics);
        if let Err(error) = &result {
            self.negative.note(&key, error, Instant::now());
            if matches!(error, Error::Panic) {
                self.metrics.panics.inc();
            }
            if error.rejects_source() {
                self.metrics.count_rejected(error.reason());
            }
        }
        (result, report)
    }

    async fn serve(&self, key: &ResizedKey, place: &mut Place, ticket: &Ticket<Landed>, report: &mut Report) -> Result<Answer, Error> {
        let is_loop = self.loop_guard.is_loop(&key.to_string(), Instant::now());
        if is_loop && let Some(picture) = self.stored(key, place, report).await {
            return Ok(picture);
        }
        let original = self.fetch(&key.original, place, report).await?;
        if made_by_a_resizer(&original.metadata) {
            return Err(Error::Derivative);
        }
        let derivative = self.make(key, original, place, ticket, report).await?;
        match self.keep(&derivative, place, report).await {
            Ok(kept) => {
                if kept == Kept::Found {
                    self.metrics.already_stored.inc();
                }
                // also of what another replica stored: whichever is asked next breaks a loop
                self.loop_guard.note(&derivative.key, Instant::now());
                Ok(if is_loop { show(Shown::Loop, derivative) } else { Answer::Redirect })
            }
            Err(error) => {
                self.metrics.store_failures.inc();
                tracing::warn!(key = derivative.key, %error, "derivative not stored");
                Ok(show(Shown::NotStored, derivative))
            }
        }
    }

    /// The derivative of `key` as it was stored a moment ago, unless it is gone.
    async fn stored(&self, key: &ResizedKey, place: &mut Place, report: &mut Report) -> Option<Answer> {
        let Fetched { bytes, provenance, .. } = self.fetch(&key.to_string(), place, report).await.ok()?;
        let content_type = provenance.content_type.filter(|content_type| is_picture(content_type))?;
        Some(Answer::Picture { why: Shown::Loop, bytes, content_type })
    }

    /// Reads the object `key`, again if its body breaks off.
    async fn fetch(&self, key: &str, place: &mut Place, report: &mut Report) -> Result<Fetched, Error> {
        let fetched = report.time(Stage::Fetch, place, async |place: &mut Place| {
            let _fetch = place.fetch().await?;
            let mut left = self.settings.bounds.fetch;
            let mut pause = PAUSE;
            for _ in 0..REPETITIONS {
                match self.fetch_once(key, place, &mut left).await {
                    Err(Error::Store(error)) if error.is_passing() => {
                        tracing::warn!(key, %error, "fetching again");
                        self.metrics.refetches.inc();
                        sleep(pause).await;
                        pause *= 2;
                    }
                    outcome => return outcome,
                }
            }
            self.fetch_once(key, place, &mut left).await
        });
        let fetched = fetched.await?;
        report.source_bytes = Some(fetched.bytes.len() as u64);
        Ok(fetched)
    }

    /// `left` is what the store may still take; waiting for memory is not its fault.
    async fn fetch_once(&self, key: &str, place: &mut Place, left: &mut Duration) -> Result<Fetched, Error> {
        let limit = self.settings.limits.max_source_bytes;
        let start = Instant::now();
        let original = timeout(*left, self.store.get(key)).await.map_err(|_| StoreError::TimedOut)??;
        *left = left.saturating_sub(start.elapsed());
        place.hold_source(original.bounded_length(limit)?).await?;
        let provenance = Provenance { content_type: original.content_type.clone(), etag: original.etag.clone() };
        let metadata = original.metadata.clone();
        let start = Instant::now();
        let bytes = original.read(limit, *left).await;
        *left = left.saturating_sub(start.elapsed());
        Ok(Fetched { bytes: place.source(bytes?), provenance, metadata })
    }

    /// Resizes `original` where and when there is room for it.
    async fn make(
        &self,
        key: &ResizedKey,
        original: Fetched,
        place: &mut Place,
        ticket: &Ticket<Landed>,
        report: &mut Report,
    ) -> Result<Derivative, Error> {
        let Fetched { bytes: source, provenance, .. } = original;
        let request = Request { resolution: key.resolution, limits: self.settings.limits, recipe: self.settings.recipe };
        let plan = plan(source.clone(), request).await?;
        report.memory_bytes = Some(plan.memory());
        let (start, waited) = (SystemTime::now(), place.waited());
        let admitted = place.admit(plan.memory()).await;
        report.add(Stage::Queue, start, place.waited().saturating_sub(waited));
        let room = admitted?;
        ticket.commit();
        let size = |(picture, _): &(Result<Picture, _>, _)| picture.as_ref().map_or(0, |picture| picture.bytes.len() as u64);
        let resized = timeout(self.settings.bounds.resize, room.run(move || resize(&source, &plan), size)).await;
        let ((picture, steps), memory) = resized.map_err(|_| Error::TooSlow)??;
        for (step, start, duration) in steps {
            report.add(step.into(), start, duration);
        }
        let picture = picture?;
        report.output_bytes = Some(picture.bytes.len() as u64);
        Ok(Derivative::new(key, picture, &request, &provenance, &self.settings.cache_control).holding(memory))
    }

    async fn keep(&self, derivative: &Derivative, place: &mut Place, report: &mut Report) -> Result<Kept, Error> {
        let kept = report.time(Stage::Store, place, async |place: &mut Place| {
            let _store = place.store().await?;
            let kept = timeout(self.settings.bounds.store, store::keep(&*self.store, derivative)).await;
            Ok(kept.map_err(|_| StoreError::TimedOut)??)
        });
        kept.await
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
fn resize(source: &[u8], plan: &Plan) -> (Result<Picture, picture::Error>, Vec<Took>) {
    let (mut steps, mut began, mut start) = (Vec::with_capacity(Step::ALL.len()), SystemTime::now(), Instant::now());
    let result = picture::execute_in_steps(source, plan, &picture::Stop::new(), |step| {
        steps.push((step, began, start.elapsed()));
        (began, start) = (SystemTime::now(), Instant::now());
    });
    if let Some(&failed) = Step::ALL.get(steps.len()) {
        steps.push((failed, began, start.elapsed()));
    }
    (result, steps)
}

fn show(why: Shown, derivative: Derivative) -> Answer {
    Answer::Picture { why, bytes: derivative.bytes, content_type: derivative.content_type }
}
