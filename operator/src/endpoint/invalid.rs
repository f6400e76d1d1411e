//! A field of the spec that cannot be used.

/// A field that cannot be used: its path, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.{field}: {problem}")]
pub struct InvalidField {
    field: String,
    problem: String,
}

/// An error about `field`, a path below `spec`.
pub(super) fn invalid(field: &str, problem: impl Into<String>) -> InvalidField {
    InvalidField { field: field.to_owned(), problem: problem.into() }
}
