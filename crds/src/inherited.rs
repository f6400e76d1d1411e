//! The Kubernetes API: labels and annotations that everything of an endpoint has. A part of `endpoint`; nothing is below.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Labels and annotations of everything.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InheritedMetadata {
    /// Labels, such as those by which costs are shared out. No selector has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 32,
        "additionalProperties" = { "type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$" }
    ))]
    #[x_kube(validation = Rule::new("self.all(name, !name.matches('^([A-Za-z0-9.-]*[.])?(resize-operator[.]dev|kubernetes[.]io|k8s[.]io)/'))")
            .message("labels of resize-operator.dev, kubernetes.io and k8s.io say what an object is, or belong to others: want names of your own, such as example.com/team"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = { "type": "string", "maxLength": 4096 }))]
    #[x_kube(validation = Rule::new("self.all(name, !name.matches('^([A-Za-z0-9.-]*[.])?(resize-operator[.]dev|kubernetes[.]io|k8s[.]io)/'))")
        .message("annotations of resize-operator.dev, kubernetes.io and k8s.io are for single objects (podAnnotations, serviceAnnotations, ingress.annotations), or the operator's own: want names of your own, such as example.com/owner"))]
    pub annotations: BTreeMap<String, String>,
}
