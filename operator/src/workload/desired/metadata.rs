//! What all objects of an endpoint have: name, labels, owner.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    endpoint::Endpoint,
    names::{OPERATOR, labels, resizer_name, selector_labels},
};

pub(super) fn metadata(endpoint: &Endpoint) -> ObjectMeta {
    let mut all = selector_labels(&endpoint.name);
    all.extend(labels([
        ("app.kubernetes.io/name", "resizer"),
        ("app.kubernetes.io/instance", &endpoint.name),
        ("app.kubernetes.io/component", "resizer"),
        ("app.kubernetes.io/part-of", OPERATOR),
        ("app.kubernetes.io/managed-by", OPERATOR),
    ]));
    ObjectMeta {
        name: Some(resizer_name(&endpoint.name)),
        namespace: Some(endpoint.namespace.clone()),
        labels: Some(all),
        owner_references: Some(vec![endpoint.owner.clone()]),
        ..ObjectMeta::default()
    }
}
