//! What all objects of an endpoint have: name, labels, owner. Pods that keep derivatives true have labels of their own.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    endpoint::Endpoint,
    names::{DERIVATIVES, ENDPOINT, OPERATOR, labels, resizer_name, selector_labels},
};

pub(super) fn metadata(endpoint: &Endpoint) -> ObjectMeta {
    named(endpoint, resizer_name(&endpoint.name), "resizer")
}

/// The same for an object of this name, which does what `component` says.
pub(super) fn named(endpoint: &Endpoint, name: String, component: &str) -> ObjectMeta {
    let mut all = selector_labels(&endpoint.name);
    all.extend(labels([
        ("app.kubernetes.io/name", "resizer"),
        ("app.kubernetes.io/instance", &endpoint.name),
        ("app.kubernetes.io/component", component),
        ("app.kubernetes.io/part-of", OPERATOR),
        ("app.kubernetes.io/managed-by", OPERATOR),
    ]));
    ObjectMeta {
        name: Some(name),
        namespace: Some(endpoint.namespace.clone()),
        labels: Some(all),
        owner_references: Some(vec![endpoint.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Labels of pods that keep derivatives true: nothing that finds the pods which serve finds these.
pub(super) fn derivatives_labels(endpoint: &Endpoint, component: &str) -> BTreeMap<String, String> {
    let mut labels = named(endpoint, String::new(), component).labels.unwrap_or_default();
    labels.remove(ENDPOINT);
    labels.insert(DERIVATIVES.to_owned(), endpoint.name.clone());
    labels
}
