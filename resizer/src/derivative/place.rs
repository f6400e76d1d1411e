//! What is stored where a derivative goes → whether it is made, and what may be overwritten.
//!
//! `original` looks while it opens the original, `keep` stores by it. Below are `state` and the types of `store`.

use super::state::State;
use crate::store::Head;

/// What was found where a derivative goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing, or nothing that could be looked at.
    Empty,
    /// A derivative of another version of the original or of other settings, with its ETag.
    Old(Option<String>),
    /// One that is as good, or an object that no resizer made.
    Taken,
}

impl Place {
    /// The place of a `found` object that was judged.
    pub fn of(found: Option<(State, Head)>) -> Self {
        match found {
            None => Self::Empty,
            Some((state, found)) if state.goes() => Self::Old(found.etag),
            Some(_) => Self::Taken,
        }
    }

    /// The same place, where no condition is made on what is overwritten.
    #[must_use]
    pub fn unconditional(self) -> Self {
        if matches!(self, Self::Old(_)) { Self::Old(None) } else { self }
    }
}
