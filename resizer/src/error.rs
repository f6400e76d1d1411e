//! Everything that can go wrong with a request → status, public message, stable label.
//!
//! The three stand side by side in `Error::public`: a visitor sees status and message, metrics and logs see the label, and only
//! logs see the cause. Errors come from `guard`, `store` and the crate `picture`; `http` makes responses of them.

use http::StatusCode;
use resize_api::{KeyError, delivery::NOT_FOUND};

use crate::{
    guard::{admission::Refused, negative::Blame},
    store::StoreError,
};

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
    /// The original is not among those that are published here.
    #[error("original is not to be published")]
    NotPublished,
    /// The picture can only be shown here, and visitors may not read its original.
    #[error("visitors cannot read the original at the public URL")]
    NotPublic,
    /// The original was made by a resizer, as its metadata says.
    #[error("original is itself a derivative")]
    Derivative,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The original is no picture as it is stored.
    #[error("stored with Content-Encoding {0:?}, which makes it no picture; store it without")]
    Encoded(String),
    /// The original cannot be resized.
    #[error(transparent)]
    Resize(#[from] picture::Error),
    /// No memory, worker or queue slot for it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A codec panicked.
    #[error("panic while resizing")]
    Panic,
    /// Something else than a codec panicked.
    #[error("panic outside of the codecs")]
    Internal,
    /// A codec takes longer than it may.
    #[error("resizing takes too long")]
    TooSlow,
    /// The original changes faster than a picture of it is made.
    #[error("original changes while its picture is made")]
    Changing,
    /// The whole request takes longer than it may.
    #[error("request takes too long")]
    TimedOut,
}

impl Error {
    /// Status, public message and stable label.
    pub(crate) fn public(&self) -> (StatusCode, &'static str, &'static str) {
        const INVALID: &str = "Bad Request: Invalid key format";
        const BUSY: &str = "Service Unavailable: Too busy, try again later";
        const TOO_LARGE: &str = "Payload Too Large: Original image too large";
        const FAILED: &str = "Bad Gateway: Storage failed";
        const TOO_LONG: &str = "Gateway Timeout: Took too long";
        const DAMAGED: &str = "Unprocessable Content: Original image cannot be read";
        match self {
            Self::UnknownPath => (StatusCode::NOT_FOUND, "Not Found", "unknown_path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", "method_not_allowed"),
            Self::Key(KeyError::Missing) => (StatusCode::BAD_REQUEST, "Bad Request: Missing key query parameter", "missing_key"),
            Self::Key(KeyError::Invalid) => (StatusCode::BAD_REQUEST, INVALID, "invalid_key"),
            // the same answer as for a missing original: it must not tell that there is one
            Self::NotPublished => (StatusCode::NOT_FOUND, NOT_FOUND, "not_published"),
            Self::NotPublic => (StatusCode::NOT_FOUND, NOT_FOUND, "not_public"),
            Self::Derivative => (StatusCode::BAD_REQUEST, INVALID, "derivative"),
            Self::NotAllowed => (StatusCode::FORBIDDEN, "Forbidden: Resolution not allowed", "not_allowed"),
            Self::Store(StoreError::Missing) => (StatusCode::NOT_FOUND, NOT_FOUND, "original_missing"),
            // without s3:ListBucket, S3 says 403 for a key that is not there
            Self::Store(StoreError::Forbidden) => (StatusCode::NOT_FOUND, NOT_FOUND, "original_forbidden"),
            Self::Store(StoreError::Archived) => (StatusCode::CONFLICT, "Conflict: Original image is archived", "original_archived"),
            Self::Store(StoreError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, "too_many_bytes"),
            Self::Store(StoreError::Short { .. }) => (StatusCode::BAD_GATEWAY, FAILED, "store_short"),
            Self::Store(StoreError::Interrupted(_)) => (StatusCode::BAD_GATEWAY, FAILED, "store_interrupted"),
            Self::Store(StoreError::SlowDown) => (StatusCode::SERVICE_UNAVAILABLE, BUSY, "store_slow_down"),
            Self::Store(StoreError::Credentials(_)) => (StatusCode::BAD_GATEWAY, FAILED, "store_credentials"),
            Self::Store(StoreError::Failed(_) | StoreError::NoBucket | StoreError::Exists | StoreError::NotImplemented) => {
                (StatusCode::BAD_GATEWAY, FAILED, "store_failed")
            }
            Self::Store(StoreError::TimedOut) => (StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout: Storage timed out", "store_timed_out"),
            Self::Encoded(_) => {
                let message = "Unsupported Media Type: Original is stored with a Content-Encoding";
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, message, "content_encoding")
            }
            Self::Resize(error @ picture::Error::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, error.reason()),
            Self::Resize(error @ picture::Error::Unsupported(_)) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type: Original is not a supported image", error.reason())
            }
            Self::Resize(error @ picture::Error::Stopped) => (StatusCode::SERVICE_UNAVAILABLE, BUSY, error.reason()),
            Self::Resize(error @ picture::Error::Damaged(_)) => (StatusCode::UNPROCESSABLE_ENTITY, DAMAGED, error.reason()),
            Self::Refused(Refused::OverBudget { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, "over_budget"),
            Self::Refused(Refused::Busy(_)) => (StatusCode::SERVICE_UNAVAILABLE, BUSY, "busy"),
            Self::Panic => (StatusCode::UNPROCESSABLE_ENTITY, DAMAGED, "panic"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", "internal"),
            Self::TooSlow => (StatusCode::GATEWAY_TIMEOUT, TOO_LONG, "too_slow"),
            Self::Changing => (StatusCode::SERVICE_UNAVAILABLE, BUSY, "changing"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, TOO_LONG, "request_timed_out"),
        }
    }

    /// Whether the next request for the same would come to the same.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Store(StoreError::Missing | StoreError::Forbidden) => Blame::Missing,
            Self::Derivative
            | Self::Panic
            | Self::Encoded(_)
            | Self::Store(StoreError::Archived | StoreError::TooLarge { .. })
            | Self::Resize(picture::Error::Damaged(_) | picture::Error::Unsupported(_)) => Blame::Original,
            // whether it is too large or too slow depends on the resolution as well as on the source
            Self::Resize(picture::Error::TooLarge(_)) | Self::Refused(Refused::OverBudget { .. }) | Self::TooSlow | Self::NotPublic => {
                Blame::Derivative
            }
            _ => Blame::Passing,
        }
    }

    /// Whether a source was looked at and refused.
    pub fn rejects_source(&self) -> bool {
        match self {
            Self::NotPublished => true,
            error => matches!(error.blame(), Blame::Original | Blame::Derivative),
        }
    }

    /// Stable label for metrics and logs.
    pub fn reason(&self) -> &'static str {
        self.public().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_the_original_lasts() {
        for (error, blame) in [
            (Error::Refused(Refused::Busy("no worker")), Blame::Passing),
            (Error::Store(StoreError::TimedOut), Blame::Passing),
            (Error::Store(StoreError::Failed("500".into())), Blame::Passing),
            (Error::Store(StoreError::Missing), Blame::Missing),
            (Error::Resize(picture::Error::Damaged("on purpose".into())), Blame::Original),
            (Error::Refused(Refused::OverBudget { needed: 2, budget: 1 }), Blame::Derivative),
        ] {
            assert_eq!(error.blame(), blame, "{error}");
        }
    }
}
