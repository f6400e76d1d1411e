//! An [`Outcome`] or an [`Error`] → the HTTP response: status, headers and body of everything that a visitor gets.

use std::convert::Infallible;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use resize_api::{ResizedKey, settings::PublicUrl};

use crate::{error::Error, guard::admission::Refused, outcome::Outcome, store::StoreError};

/// Seconds after which a refused visitor may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The response to a request for `key`, whose derivative visitors fetch below `url`.
pub fn success(outcome: Outcome, url: &PublicUrl, key: &ResizedKey) -> Response {
    let no_store = (header::CACHE_CONTROL, NO_STORE);
    let sent_to = |location| (StatusCode::TEMPORARY_REDIRECT, [no_store.clone(), (header::LOCATION, ascii(location))]).into_response();
    match outcome {
        Outcome::Stored => sent_to(url.location(key)),
        Outcome::Original { key } => sent_to(url.object(&key)),
        Outcome::Picture { bytes, content_type, .. } => ([no_store, (header::CONTENT_TYPE, ascii(content_type))], bytes).into_response(),
    }
}

/// The response to a request that came to `error`: JSON that says nothing of the cause.
pub fn failure(error: &Error) -> Response {
    let (status, message, _) = error.public();
    let body = serde_json::json!({ "message": message }).to_string();
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = (status, [json, (header::CACHE_CONTROL, NO_STORE)], body).into_response();
    let headers = response.headers_mut();
    match error {
        Error::Refused(Refused::Busy(_)) | Error::Store(StoreError::SlowDown) => drop(headers.insert(header::RETRY_AFTER, RETRY_AFTER)),
        Error::Method => drop(headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"))),
        _ => {}
    }
    response
}

/// The body of an answer that has none, whatever its status says of lengths: an empty one would have a `Content-Length`.
pub fn nothing() -> Body {
    Body::from_stream(futures::stream::empty::<Result<Bytes, Infallible>>())
}

/// Both kinds of text are ASCII without control characters already: a URL and a known media type.
fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
