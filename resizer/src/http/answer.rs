//! What a flight came to → an HTTP answer.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use resize_api::{ResizedKey, settings::PublicUrl};

/// How a request for a derivative ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The derivative is stored: the visitor fetches it there.
    Redirect,
    /// The derivative is not where the visitor could fetch it: here it is.
    Picture {
        /// Why it is shown.
        why: Shown,
        /// The encoded picture.
        bytes: Bytes,
        /// Media type.
        content_type: String,
    },
}

/// Why a picture is shown instead of redirected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It was stored seconds ago, and yet the visitor came back.
    Loop,
    /// It could not be stored.
    NotStored,
    /// It was stored, and the public URL does not show it.
    Refused,
}

impl Answer {
    /// Stable label for metrics and logs.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Redirect => "redirected",
            Self::Picture { why: Shown::Loop, .. } => "shown_in_loop",
            Self::Picture { why: Shown::NotStored, .. } => "shown_not_stored",
            Self::Picture { why: Shown::Refused, .. } => "shown_refused",
        }
    }

    /// The HTTP answer to a request for `key`.
    pub fn into_response(self, url: &PublicUrl, key: &ResizedKey) -> Response {
        let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Redirect => (StatusCode::TEMPORARY_REDIRECT, [no_store, (header::LOCATION, ascii(url.location(key)))]).into_response(),
            Self::Picture { bytes, content_type, .. } => ([no_store, (header::CONTENT_TYPE, ascii(content_type))], bytes).into_response(),
        }
    }
}

/// Both kinds of text are ASCII without control characters already: a URL and a known media type.
fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
