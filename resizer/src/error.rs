//! Everything that can go wrong with a request → status, public message, stable label.
//!
//! The three stand side by side in [`Error::answer`]. A visitor sees status and
//! message, metrics and logs see the label, and only logs see the cause.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use resize_api::KeyError;

use crate::{resize, store::StoreError};

/// Seconds after which a refused visitor may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a request is not answered with a picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a path of this service.
    #[error("unknown path")]
    UnknownPath,
    /// Neither GET nor HEAD.
    #[error("method not allowed")]
    Method,
    /// The request names no derivative.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The resolution is not in the list or over the limits.
    #[error("resolution not allowed")]
    NotAllowed,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The original cannot be resized.
    #[error(transparent)]
    Resize(#[from] resize::Error),
    /// More memory is needed than there will ever be.
    #[error("needs {needed} KiB of memory, the budget has {budget}")]
    OverBudget {
        /// KiB needed.
        needed: u64,
        /// KiB that the budget has when nothing else runs.
        budget: u64,
    },
    /// No room within the time that one waits for it.
    #[error("no room: {0}")]
    Busy(&'static str),
    /// A codec panicked.
    #[error("panic while resizing")]
    Panic,
}

impl Error {
    /// Status, public message and stable label.
    fn answer(&self) -> (StatusCode, &'static str, &'static str) {
        const TOO_LARGE: &str = "Payload Too Large: Original image too large";
        const NOT_FOUND: &str = "Not Found: Original image not found";
        const FAILED: &str = "Bad Gateway: Storage failed";
        const DAMAGED: &str = "Unprocessable Content: Original image cannot be read";
        match self {
            Self::UnknownPath => (StatusCode::NOT_FOUND, "Not Found", "unknown_path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", "method_not_allowed"),
            Self::Key(KeyError::Missing) => (StatusCode::BAD_REQUEST, "Bad Request: Missing key query parameter", "missing_key"),
            Self::Key(KeyError::Invalid) => (StatusCode::BAD_REQUEST, "Bad Request: Invalid key format", "invalid_key"),
            Self::NotAllowed => (StatusCode::FORBIDDEN, "Forbidden: Resolution not allowed", "not_allowed"),
            Self::Store(StoreError::Missing) => (StatusCode::NOT_FOUND, NOT_FOUND, "original_missing"),
            // without s3:ListBucket, S3 says 403 for a key that is not there
            Self::Store(StoreError::Forbidden) => (StatusCode::NOT_FOUND, NOT_FOUND, "original_forbidden"),
            Self::Store(StoreError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, "too_many_bytes"),
            Self::Store(StoreError::Short { .. }) => (StatusCode::BAD_GATEWAY, FAILED, "store_short"),
            Self::Store(StoreError::Failed(_)) => (StatusCode::BAD_GATEWAY, FAILED, "store_failed"),
            Self::Store(StoreError::TimedOut) => (StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout: Storage timed out", "store_timed_out"),
            Self::Resize(error @ resize::Error::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, error.reason()),
            Self::Resize(error @ resize::Error::Unsupported(_)) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type: Original is not a supported image", error.reason())
            }
            Self::Resize(error @ resize::Error::Damaged(_)) => (StatusCode::UNPROCESSABLE_ENTITY, DAMAGED, error.reason()),
            Self::OverBudget { .. } => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, "over_budget"),
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable: Too busy, try again later", "busy"),
            Self::Panic => (StatusCode::UNPROCESSABLE_ENTITY, DAMAGED, "panic"),
        }
    }

    /// Stable label for metrics and logs.
    pub fn reason(&self) -> &'static str {
        self.answer().2
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, message, _) = self.answer();
        let body = serde_json::json!({ "message": message }).to_string();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Busy(_) => drop(headers.insert(header::RETRY_AFTER, RETRY_AFTER)),
            Self::Method => drop(headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"))),
            _ => {}
        }
        response
    }
}
