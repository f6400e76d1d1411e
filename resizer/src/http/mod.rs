//! HTTP request → key → policy → flight → HTTP answer.

pub mod admin;
pub mod answer;
pub mod connection;
pub mod places;
pub mod request_id;
pub mod server;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    middleware::map_response,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use resize_api::{KeyError, ResizedKey};
use tokio::time::{Instant, timeout};

use self::{
    answer::{Answer, Shown},
    request_id::{REQUEST_ID, RequestId},
};
use crate::{error::Error, guard::coalesce::Role, service::Service, watch::record::Record};

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
