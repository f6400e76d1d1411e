//! How many pods a drain of nodes may take at a time.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::metadata::metadata;
use crate::endpoint::Endpoint;
use crate::names::selector_labels;

/// One pod after the other; nothing for a single pod, which could never be moved.
pub(super) fn build(endpoint: &Endpoint) -> Option<PodDisruptionBudget> {
    (endpoint.workload.fewest() > 1).then(|| PodDisruptionBudget {
        metadata: metadata(endpoint),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector { match_labels: Some(selector_labels(&endpoint.name)), ..LabelSelector::default() }),
            // pods that are not ready do not block a drain
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
