//! What a flight has made: a derivative with the memory that it holds. `make` makes it, `show` and `keep` take it.

use super::object::Derivative;
use crate::guard::admission::Charge;

/// A derivative, and the memory that it holds.
pub(super) struct Made {
    pub(super) derivative: Derivative,
    pub(super) charge: Charge,
    /// ETag of its original.
    pub(super) source: Option<String>,
}
