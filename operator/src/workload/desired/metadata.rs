//! What all objects of an endpoint have: name, owner, labels, and what the user wants on all of them. Pods that keep derivatives true have labels of their own.

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
    let mut all = endpoint.inherited.labels.clone();
    all.extend(own_labels(endpoint, component));
    ObjectMeta {
        name: Some(name),
        namespace: Some(endpoint.namespace.clone()),
        labels: Some(all),
        annotations: annotations(endpoint, &BTreeMap::new()),
        owner_references: Some(vec![endpoint.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Annotations that the user wants on everything, and `further` ones of one object, which go before.
pub(super) fn annotations(endpoint: &Endpoint, further: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let mut all = endpoint.inherited.annotations.clone();
    all.extend(further.clone());
    Some(all).filter(|all| !all.is_empty())
}

/// Labels that say what an object is.
pub(super) fn own_labels(endpoint: &Endpoint, component: &str) -> BTreeMap<String, String> {
    let mut all = selector_labels(&endpoint.name);
    all.extend(labels([
        ("app.kubernetes.io/name", "resizer"),
        ("app.kubernetes.io/instance", &endpoint.name),
        ("app.kubernetes.io/component", component),
        ("app.kubernetes.io/part-of", OPERATOR),
        ("app.kubernetes.io/managed-by", OPERATOR),
    ]));
    all
}

/// Labels of pods that keep derivatives true: nothing that finds the pods which serve finds these.
pub(super) fn derivatives_labels(endpoint: &Endpoint, component: &str) -> BTreeMap<String, String> {
    let mut labels = own_labels(endpoint, component);
    labels.remove(ENDPOINT);
    labels.insert(DERIVATIVES.to_owned(), endpoint.name.clone());
    labels
}
