//! Names and labels that objects of ours carry.

use std::collections::BTreeMap;

/// Name of the operator as field manager, controller and label.
pub const OPERATOR: &str = "resize-operator";

/// Keeps the object until its rules are out of the bucket.
pub const FINALIZER: &str = "resize-operator.dev/routing-rules";
/// What labels and annotations of ours begin with.
pub const PREFIX: &str = "resize-operator.dev/";
/// Label of everything that belongs to an endpoint: the endpoint's name.
pub const ENDPOINT: &str = "resize-operator.dev/endpoint";

/// Name of the objects that belong to the endpoint `name`.
pub fn resizer_name(name: &str) -> String {
    format!("{name}-resizer")
}

/// Labels by which the pods of the endpoint `name` are found: one that no other chart has.
/// They must never change: a Deployment's selector cannot.
pub fn selector_labels(name: &str) -> BTreeMap<String, String> {
    labels([(ENDPOINT, name)])
}

/// The same as the text of a selector.
pub fn selector(name: &str) -> String {
    format!("{ENDPOINT}={name}")
}

pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
