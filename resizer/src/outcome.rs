//! How a request ended well: what `derivative` gives to `http`, and the label that metrics and logs have for it.

use bytes::Bytes;

/// How a request for a derivative ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
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

impl Outcome {
    /// Stable label for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Redirect => "redirected",
            Self::Picture { why: Shown::Loop, .. } => "shown_in_loop",
            Self::Picture { why: Shown::NotStored, .. } => "shown_not_stored",
            Self::Picture { why: Shown::Refused, .. } => "shown_refused",
        }
    }
}
