//! How a request ended well: what `derivative` gives to `http`, and the label that metrics and logs have for it.

use bytes::Bytes;

/// How a request for a derivative ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The derivative is stored: the visitor gets it from there.
    Stored,
    /// The original is a picture that is not read here: visitors get it as it is.
    Original {
        /// Its key.
        key: String,
    },
    /// Here it is.
    Picture {
        /// Why it is shown.
        why: Shown,
        /// The encoded picture.
        bytes: Bytes,
        /// Media type.
        content_type: String,
        /// Entity tag, where the resizer itself answers visitors.
        etag: Option<String>,
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
    /// It was made just now, and the resizer itself answers visitors.
    Made,
}

impl Shown {
    /// Stable label for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loop => "shown_in_loop",
            Self::NotStored => "shown_not_stored",
            Self::Refused => "shown_refused",
            Self::Made => "made",
        }
    }
}

impl Outcome {
    /// Stable label for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Stored => "redirected",
            Self::Original { .. } => "original",
            Self::Picture { why, .. } => why.label(),
        }
    }
}
