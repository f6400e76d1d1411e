//! Errors by who is at fault.
//!
//! On the ground.

/// Why no picture came out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a picture of a format that is read here.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A picture that breaks its format's rules, or ends early.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Source or output is over a limit.
    #[error("too large: {0}")]
    TooLarge(String),
    /// Somebody wanted it to [stop](crate::Stop::stop).
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Stable label for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "unsupported",
            Self::Damaged(_) => "damaged",
            Self::TooLarge(_) => "too_large",
            Self::Stopped => "stopped",
        }
    }
}
