//! An HTTP request → key → policy → one flight per key → an HTTP response.
//!
//! The top room of the service: `main` gives it listeners. Below are `derivative`, which makes what is missing, and `service`.

pub mod admin;
pub mod answer;
pub mod connection;
pub mod gallery;
pub mod request_id;
mod seats;
pub mod server;

use std::sync::Arc;

use axum::{Extension, Router, extract::State, middleware::map_request, response::Response};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use resize_api::{KeyError, ResizedKey};
use tokio::time::{Instant, timeout};
use tower_http::{
    request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
};

use self::request_id::{NewId, REQUEST_ID};
use crate::{
    derivative,
    error::Error,
    guard::singleflight::Role,
    outcome::{Outcome, Shown},
    service::Service,
    watch::record::Record,
};

/// The public routes.
pub fn app(service: Arc<Service>) -> Router {
    Router::new()
        .fallback(handle)
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewId))
        .layer(map_request(request_id::drop_unusable))
        .with_state(service)
}

async fn handle(
    State(service): State<Arc<Service>>,
    Extension(id): Extension<RequestId>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let id = id.header_value().to_str().unwrap_or_default().to_owned();
    let mut record = Record::begin(Arc::clone(&service.metrics), service.traces.clone(), &uri, headers, id);
    let deadline = service.settings.bounds.request;
    match timeout(deadline, service.answer(&method, &uri, &mut record)).await.unwrap_or(Err(Error::TimedOut)) {
        Ok((outcome, key)) => {
            let label = outcome.label();
            let response = answer::success(outcome, &service.settings.url, &key);
            record.end(label, response.status(), None);
            response
        }
        Err(error) => {
            let response = answer::failure(&error);
            record.end(error.reason(), response.status(), Some(&error));
            response
        }
    }
}

impl Service {
    async fn answer(self: &Arc<Self>, method: &Method, uri: &Uri, record: &mut Record) -> Result<(Outcome, ResizedKey), Error> {
        let key = self.requested(method, uri)?;
        if self.settings.reserves(&key.original) {
            return Err(Error::Key(KeyError::Invalid));
        }
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
        let start = |lease, hold| derivative::run(Arc::clone(self), key.clone(), lease, hold);
        let ((result, report), role) = self.flights.join(key.to_string(), || self.admission.lease(), start).await?;
        (record.coalesced, record.report) = (Some(role == Role::Follower), report);
        if matches!(result, Ok(Outcome::Picture { why: Shown::Loop, .. })) {
            self.metrics.loop_guard_hits.inc();
        }
        if role == Role::Follower {
            self.metrics.coalesced.inc();
        }
        result.map(|outcome| (outcome, key))
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
