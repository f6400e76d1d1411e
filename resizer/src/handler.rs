//! HTTP request → key → policy → fetch → plan → admit → resize → store → redirect.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    middleware::map_response,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::future::FutureExt;
use http::{HeaderValue, Method, Uri, header};
use resize_api::{ResizedKey, Settings};
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking, time::Instant};

use crate::{
    admission::{Admission, Place},
    answer::{Answer, Shown},
    capacity::Capacity,
    coalesce::{Flights, Role, Ticket},
    derivative::{Derivative, Provenance, is_picture},
    error::Error,
    loop_guard::LoopGuard,
    metrics::{Metrics, Stage},
    record::{Record, Report},
    resize::{self, Plan, Request, Step},
    store::Store,
};

/// How long reading the body of an original may take.
const FETCH_DEADLINE: Duration = Duration::from_secs(30);

/// All that requests share.
pub struct Service {
    settings: Settings,
    store: Arc<dyn Store>,
    admission: Admission,
    flights: Flights<Landed>,
    loop_guard: LoopGuard,
    metrics: Arc<Metrics>,
}

/// The end of a flight, as every request for its key gets it.
type Landed = (Result<Answer, Error>, Report);

impl Service {
    /// A service on `store`, with `capacity` to give away.
    pub fn new(settings: Settings, store: Arc<dyn Store>, capacity: Capacity, metrics: Arc<Metrics>) -> Self {
        let admission = Admission::new(capacity, settings.queue_length.get(), settings.queue);
        Self { settings, store, admission, flights: Flights::new(), loop_guard: LoopGuard::default(), metrics }
    }

    /// The text for Prometheus.
    pub fn render_metrics(&self) -> String {
        self.metrics.render(self.admission.usage())
    }
}

/// The public routes.
pub fn app(service: Arc<Service>) -> Router {
    Router::new().fallback(handle).layer(map_response(no_sniff)).with_state(service)
}

async fn no_sniff(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn handle(State(service): State<Arc<Service>>, method: Method, uri: Uri) -> Response {
    let mut record = Record::begin(Arc::clone(&service.metrics), &uri);
    let result = service.answer(&method, &uri, &mut record).await;
    let (outcome, error) = match &result {
        Ok((answer, _)) => (answer.outcome(), None),
        Err(error) => (error.reason(), Some(error.clone())),
    };
    let response = match result {
        Ok((answer, key)) => answer.into_response(&service.settings.url, &key),
        Err(error) => error.into_response(),
    };
    record.end(outcome, response.status(), error.as_ref());
    response
}

impl Service {
    async fn answer(self: &Arc<Self>, method: &Method, uri: &Uri, record: &mut Record) -> Result<(Answer, ResizedKey), Error> {
        let key = self.requested(method, uri)?;
        record.key = Some(key.to_string());
        if !self.settings.allow(&key) {
            return Err(Error::NotAllowed);
        }
        let depart = |ticket| Arc::clone(self).fly(key.clone(), ticket);
        let ((result, report), role) = self.flights.join(key.to_string(), depart).await;
        (record.role, record.report) = (Some(role), report);
        if role == Role::Follower {
            self.metrics.coalesced.inc();
        }
        if matches!(result, Ok(Answer::Picture { why: Shown::Loop, .. })) {
            self.metrics.loop_guard_hits.inc();
        }
        result.map(|answer| (answer, key))
    }

    /// The derivative that a request names, in its query or in its path.
    fn requested(&self, method: &Method, uri: &Uri) -> Result<ResizedKey, Error> {
        let rest = uri.path().strip_prefix(&self.settings.path).ok_or(Error::UnknownPath)?;
        if method != Method::GET && method != Method::HEAD {
            return Err(Error::Method);
        }
        if matches!(rest, "" | "/") {
            return Ok(ResizedKey::from_query(uri.query().unwrap_or_default())?);
        }
        Ok(ResizedKey::from_encoded(rest.strip_prefix('/').ok_or(Error::UnknownPath)?)?)
    }

    async fn fly(self: Arc<Self>, key: ResizedKey, ticket: Arc<Ticket<Landed>>) -> Landed {
        let mut report = Report::default();
        let flight = AssertUnwindSafe(self.serve(&key, &ticket, &mut report)).catch_unwind();
        let result = flight.await.unwrap_or(Err(Error::Panic));
        report.observe(&self.metrics);
        (result, report)
    }

    async fn serve(&self, key: &ResizedKey, ticket: &Ticket<Landed>, report: &mut Report) -> Result<Answer, Error> {
        let mut place = self.admission.enter()?;
        let is_loop = self.loop_guard.is_loop(&key.to_string(), Instant::now());
        if is_loop && let Some(picture) = self.stored(key, &mut place, report).await {
            return Ok(picture);
        }
        let (source, provenance) = self.fetch(&key.original, &mut place, report).await?;
        let (derivative, _memory) = self.make(key, source, &provenance, &mut place, ticket, report).await?;
        let stored = report.time(Stage::Store, &mut place, async |_| self.store.put(&derivative).await).await;
        match stored {
            Ok(()) if !is_loop => {
                self.loop_guard.note(&derivative.key, Instant::now());
                Ok(Answer::Redirect)
            }
            Ok(()) => Ok(show(Shown::Loop, derivative)),
            Err(error) => {
                self.metrics.store_failures.inc();
                tracing::warn!(key = derivative.key, %error, "derivative not stored");
                Ok(show(Shown::NotStored, derivative))
            }
        }
    }

    /// The derivative of `key` as it was stored a moment ago, unless it is gone.
    async fn stored(&self, key: &ResizedKey, place: &mut Place, report: &mut Report) -> Option<Answer> {
        let (bytes, provenance) = self.fetch(&key.to_string(), place, report).await.ok()?;
        let content_type = provenance.content_type.filter(|content_type| is_picture(content_type))?;
        Some(Answer::Picture { why: Shown::Loop, bytes, content_type })
    }

    async fn fetch(&self, key: &str, place: &mut Place, report: &mut Report) -> Result<(Bytes, Provenance), Error> {
        let limit = self.settings.limits.max_source_bytes;
        let fetched = report.time(Stage::Fetch, place, async |place: &mut Place| {
            let original = self.store.get(key).await?;
            place.hold_source(original.bounded_length(limit)?).await?;
            let provenance = Provenance { content_type: original.content_type.clone(), etag: original.etag.clone() };
            Ok::<_, Error>((original.read(limit, FETCH_DEADLINE).await?, provenance))
        });
        let (bytes, provenance) = fetched.await?;
        report.source_bytes = Some(bytes.len() as u64);
        Ok((bytes, provenance))
    }

    /// Resizes `source` where and when there is room for it.
    async fn make(
        &self,
        key: &ResizedKey,
        source: Bytes,
        provenance: &Provenance,
        place: &mut Place,
        ticket: &Ticket<Landed>,
        report: &mut Report,
    ) -> Result<(Derivative, OwnedSemaphorePermit), Error> {
        let request = Request::new(key.resolution, self.settings.limits);
        let plan = plan(source.clone(), request.clone()).await?;
        report.memory_bytes = Some(plan.memory());
        let waited = place.waited();
        let admitted = place.admit(plan.memory()).await;
        report.add(Stage::Queue, place.waited().saturating_sub(waited));
        let room = admitted?;
        ticket.commit();
        let size = |(picture, _): &(Result<resize::Picture, _>, _)| picture.as_ref().map_or(0, |picture| picture.bytes.len() as u64);
        let ((picture, steps), memory) = room.run(move || resize(&source, &plan), size).await?;
        for (step, duration) in steps {
            report.add(step.into(), duration);
        }
        place.release_source();
        let picture = picture?;
        report.output_bytes = Some(picture.bytes.len() as u64);
        let derivative = Derivative::new(key, picture, &request, provenance, &self.settings.cache_control);
        Ok((derivative, memory))
    }
}

/// Headers come from strangers too: they are read where a panic does no harm.
async fn plan(source: Bytes, request: Request) -> Result<Plan, Error> {
    let planned = spawn_blocking(move || resize::plan(&source, &request)).await;
    Ok(planned.map_err(|_| Error::Panic)??)
}

/// The picture, and how long each step took. A step that failed counts as well.
fn resize(source: &[u8], plan: &Plan) -> (Result<resize::Picture, resize::Error>, Vec<(Step, Duration)>) {
    let (mut steps, mut start) = (Vec::with_capacity(Step::ALL.len()), Instant::now());
    let result = resize::execute_in_steps(source, plan, |step| {
        steps.push((step, start.elapsed()));
        start = Instant::now();
    });
    if let Some(&failed) = Step::ALL.get(steps.len()) {
        steps.push((failed, start.elapsed()));
    }
    (result, steps)
}

fn show(why: Shown, derivative: Derivative) -> Answer {
    Answer::Picture { why, bytes: derivative.bytes, content_type: derivative.content_type }
}
