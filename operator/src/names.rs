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

/// Label of pods that keep the derivatives of an endpoint true: the endpoint's name. They never have [`ENDPOINT`], by which the pods
/// that serve are found.
pub const DERIVATIVES: &str = "resize-operator.dev/derivatives";

/// Annotation of what belongs to an endpoint and outlives it for a moment: the endpoint's uid.
pub const OWNER: &str = "resize-operator.dev/owner";

/// Name of the CronJob that sweeps.
pub fn sweep_name(name: &str) -> String {
    format!("{name}-sweep")
}

/// Name of Deployment and Service of the pod that follows events.
pub fn follow_name(name: &str) -> String {
    format!("{name}-follow")
}

/// Name of the Job that deletes all derivatives.
pub fn purge_name(name: &str) -> String {
    format!("{name}-purge")
}

/// Name of the NetworkPolicy of all these.
pub fn derivatives_name(name: &str) -> String {
    format!("{name}-derivatives")
}

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
