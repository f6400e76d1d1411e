//! An HTTP request → key → policy → one flight per key → an HTTP response.
//!
//! The top room of the service: `main` gives it listeners. Where the bucket's website answers visitors, a key comes to a redirect; where
//! the resizer itself does, `direct` comes first. Below are `derivative`, which makes what is missing, and `service`.

pub mod admin;
pub mod answer;
mod asked;
pub mod connection;
mod direct;
pub mod gallery;
pub mod request_id;
mod seats;
pub mod server;
mod stream;
mod target;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    middleware::map_request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use resize_api::{KeyError, ResizedKey};
use tokio::time::timeout;
use tower_http::{
    request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
};

use self::{
    asked::Asked,
    request_id::{NewId, REQUEST_ID},
    target::Target,
};
use crate::{
    derivative,
    error::Error,
    guard::{negative::Blame, singleflight::Role},
    outcome::{Outcome, Shown},
    service::Service,
    watch::record::Record,
};

/// What every answer carries: pictures are for every site, and a browser believes their types.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    (HeaderName::from_static("timing-allow-origin"), HeaderValue::from_static("*")),
];

/// What is answered to a request, and the label that metrics and logs have for it.
struct Answer {
    label: &'static str,
    response: Response,
}

/// The public routes.
pub fn app(service: Arc<Service>) -> Router {
    let router = Router::new().fallback(handle);
    let always = |router: Router<_>, (name, value)| router.layer(SetResponseHeaderLayer::overriding(name, value));
    ALWAYS
        .into_iter()
        .fold(router, always)
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
    let asked = Asked::new(&method, &headers);
    let mut record = Record::begin(Arc::clone(&service.metrics), service.traces.clone(), &uri, headers, id);
    let target = service.target(&method, &uri);
    let varies = matches!(&target, Ok(Target::Derivative(key)) if service.negotiates(key));
    let answering = async {
        match target? {
            Target::Preflight => Ok(Answer { label: "preflight", response: preflight() }),
            Target::Original(key) => service.original_itself(&key, &asked, &mut record).await,
            Target::Derivative(key) => service.answer(key, &asked, &mut record).await,
        }
    };
    let answered = timeout(service.settings.bounds.request, answering).await.unwrap_or(Err(Error::TimedOut));
    let (label, mut response, error) = match answered {
        Ok(Answer { label, response }) => (label, response, None),
        Err(error) => (error.reason(), answer::failure(&error), Some(error)),
    };
    if varies {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    }
    record.end(label, response.status(), error.as_ref().map(|error| error as &dyn std::fmt::Display));
    response
}

/// What a browser asks before a script reads a picture of another site.
fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
        (header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS")),
    ];
    (StatusCode::NO_CONTENT, headers, answer::nothing()).into_response()
}

impl Service {
    /// The answer to a request for a derivative.
    async fn answer(self: &Arc<Self>, key: ResizedKey, asked: &Asked, record: &mut Record) -> Result<Answer, Error> {
        if let Some(variant) = self.wanted(&key, asked) {
            match self.derivative(&variant, asked, record).await {
                // its suffix names a variant too, and only an original of that name could have another one
                Err(error) if error.blame() == Blame::Missing && self.settings.readings(&key).len() > 1 => {}
                answered => return answered,
            }
        }
        self.derivative(&key, asked, record).await
    }

    /// The answer to a request for the derivative `key`, if it may be made.
    async fn derivative(self: &Arc<Self>, key: &ResizedKey, asked: &Asked, record: &mut Record) -> Result<Answer, Error> {
        if self.settings.reserves(&key.original) {
            return Err(Error::Key(KeyError::Invalid));
        }
        record.key = Some(key.to_string());
        if !self.settings.allow(key) {
            return Err(Error::NotAllowed);
        }
        if !self.settings.allowed_resolutions.is_empty() {
            record.resolution = Some(key.resolution);
        }
        if !self.settings.readings(key).iter().any(|reading| self.settings.source.publishes(&reading.original)) {
            self.metrics.count_rejected(Error::NotPublished.reason());
            return Err(Error::NotPublished);
        }
        if let Some(error) = self.recall_error(key) {
            self.metrics.negative_cache_hits.inc();
            return Err(error);
        }
        if self.is_direct {
            return self.direct(key, asked, record).await;
        }
        let outcome = self.fly(key, None, record).await?;
        if matches!(outcome, Outcome::Picture { why: Shown::Loop, .. }) {
            self.metrics.loop_guard_hits.inc();
        }
        Ok(Answer { label: outcome.label(), response: answer::success(outcome, &self.settings.url, key) })
    }

    /// What the flight for this `version` of `key` comes to, whoever began it. One that still stores the picture of an earlier original
    /// is not joined.
    async fn fly(self: &Arc<Self>, key: &ResizedKey, version: Option<&str>, record: &mut Record) -> Result<Outcome, Error> {
        let start = |lease, hold| derivative::run(Arc::clone(self), key.clone(), lease, hold);
        let name = version.map_or_else(|| key.to_string(), |version| format!("{key} {version}"));
        let ((result, report), role) = self.flights.join(name, || self.admission.lease(), start).await?;
        (record.coalesced, record.report) = (Some(role == Role::Follower), report);
        if role == Role::Follower {
            self.metrics.coalesced.inc();
        }
        result
    }
}
