//! HTTP request → key → policy → flight → HTTP answer.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    middleware::map_response,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use resize_api::{ResizedKey, Settings};
use tokio::time::{Instant, timeout};

use crate::{
    admission::Admission,
    answer::{Answer, Shown},
    capacity::Capacity,
    coalesce::{Flights, Role},
    error::Error,
    flight::Landed,
    loop_guard::LoopGuard,
    metrics::Metrics,
    negative::Negative,
    record::Record,
    request_id::{REQUEST_ID, RequestId},
    store::Store,
    traces::Traces,
};

/// All that requests share.
pub struct Service {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) admission: Admission,
    flights: Flights<Landed>,
    pub(crate) negative: Negative,
    pub(crate) loop_guard: LoopGuard,
    pub(crate) metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
}

impl Service {
    /// A service on `store`, with `capacity` to give away.
    pub fn new(settings: Settings, store: Arc<dyn Store>, capacity: Capacity, metrics: Arc<Metrics>) -> Self {
        let (admission, negative) = (Admission::new(capacity, &settings), Negative::new(settings.bounds.negative));
        Self { settings, store, admission, flights: Flights::new(), negative, loop_guard: LoopGuard::default(), metrics, traces: None }
    }

    /// The same service, which hands over spans to `traces`.
    #[must_use]
    pub fn with_traces(self, traces: Option<Arc<Traces>>) -> Self {
        Self { traces, ..self }
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

async fn handle(State(service): State<Arc<Service>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let id = RequestId::of(&headers);
    let mut record = Record::begin(Arc::clone(&service.metrics), service.traces.clone(), &uri, headers, id.clone());
    let deadline = service.settings.bounds.request;
    let result = timeout(deadline, service.answer(&method, &uri, &mut record)).await.unwrap_or(Err(Error::TimedOut));
    let (outcome, error) = match &result {
        Ok((answer, _)) => (answer.outcome(), None),
        Err(error) => (error.reason(), Some(error.clone())),
    };
    let mut response = match result {
        Ok((answer, key)) => answer.into_response(&service.settings.url, &key),
        Err(error) => error.into_response(),
    };
    response.headers_mut().insert(REQUEST_ID, id.into());
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
        if !self.settings.allowed_resolutions.is_empty() {
            record.resolution = Some(key.resolution);
        }
        if !self.settings.source.publishes(&key.original) {
            self.metrics.count_rejected(Error::NotPublished.reason());
            return Err(Error::NotPublished);
        }
        if let Some(error) = self.negative.look_up(&key, Instant::now()) {
            self.metrics.negative_cache_hits.inc();
            return Err(error);
        }
        let depart = |place, ticket| Arc::clone(self).fly(key.clone(), place, ticket);
        let ((result, report), role) = self.flights.join(key.to_string(), || self.admission.enter(), depart).await?;
        (record.role, record.report) = (Some(role), report);
        if matches!(result, Ok(Answer::Picture { why: Shown::Loop, .. })) {
            self.metrics.loop_guard_hits.inc();
        }
        if role == Role::Follower {
            self.metrics.coalesced.inc();
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
}
