//! An object as desired → the annotations by which it is known later what it was written for. `apply` above writes them; nothing is below.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{endpoint::Endpoint, fingerprint::fingerprint, watch::children::Child};

/// Annotation of what we made: changes with all that we want of it, also with what we want no more.
const APPLIED: &str = "resize-operator.dev/applied";
/// Annotation of a Deployment: the generation of the endpoint that it was written for last.
const GENERATION: &str = "resize-operator.dev/generation";

/// An object as JSON.
pub fn json_of(object: &impl serde::Serialize) -> Result<Value, kube::Error> {
    serde_json::to_value(object).map_err(kube::Error::SerdeError)
}

/// `desired` with its fingerprint.
pub fn stamped<K: Child>(desired: &K) -> Result<Value, kube::Error> {
    let mut desired = desired.clone();
    let stamp = fingerprint(&[json_of(&desired)?.to_string().as_bytes()]);
    desired.annotations_mut().insert(APPLIED.to_owned(), stamp);
    json_of(&desired)
}

/// Whether `live` was last written as `desired` is.
pub fn is_of_stamp(live: &Deployment, desired: &Value) -> bool {
    live.annotations().get(APPLIED).map(String::as_str) == desired["metadata"]["annotations"][APPLIED].as_str()
}

/// Notes in `desired` that it is for `endpoint` as it is now.
pub fn stamp_generation(desired: &mut Value, endpoint: &Endpoint) {
    desired["metadata"]["annotations"][GENERATION] = json!(generation(endpoint));
}

/// Whether `endpoint` was edited since `live` was written.
pub fn is_edited(live: &Deployment, endpoint: &Endpoint) -> bool {
    live.annotations().get(GENERATION).is_some_and(|written| *written != generation(endpoint))
}

fn generation(endpoint: &Endpoint) -> String {
    endpoint.generation.unwrap_or_default().to_string()
}
