//! How many pods a drain of nodes may take at a time.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use resize_api::workload::DisruptionBudget;

use super::metadata::metadata;
use crate::endpoint::Endpoint;
use crate::names::selector_labels;

/// As the user says, else one pod after the other, and nothing for a single pod, which could never be moved.
pub(super) fn build(endpoint: &Endpoint) -> Option<PodDisruptionBudget> {
    let (min_available, max_unavailable) = match &endpoint.workload.disruption_budget {
        Some(DisruptionBudget { enabled: false, .. }) => return None,
        Some(DisruptionBudget { min_available: Some(fewest), .. }) => (Some(fewest.clone()), None),
        Some(DisruptionBudget { max_unavailable: Some(most), .. }) => (None, Some(most.clone())),
        _ if endpoint.workload.fewest() > 1 => (None, Some(IntOrString::Int(1))),
        _ => return None,
    };
    Some(PodDisruptionBudget {
        metadata: metadata(endpoint),
        spec: Some(PodDisruptionBudgetSpec {
            min_available,
            max_unavailable,
            selector: Some(LabelSelector { match_labels: Some(selector_labels(&endpoint.name)), ..LabelSelector::default() }),
            // pods that are not ready do not block a drain
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        }),
        status: None,
    })
}
