//! The number of pods by their load.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};
use resize_api::workload::Autoscaling;

use super::metadata::metadata;
use crate::endpoint::Endpoint;
use crate::names::resizer_name;

pub(super) fn build(endpoint: &Endpoint, wanted: &Autoscaling) -> HorizontalPodAutoscaler {
    let cpu = load("cpu", wanted.target_cpu_utilization_percentage);
    HorizontalPodAutoscaler {
        metadata: metadata(endpoint),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: resizer_name(&endpoint.name),
            },
            min_replicas: Some(wanted.min_replicas),
            max_replicas: wanted.max_replicas,
            // memory first: so the API server has them after it stored them in its first version, which knew of CPU alone
            metrics: Some(
                wanted.target_memory_utilization_percentage.map(|percent| load("memory", percent)).into_iter().chain([cpu]).collect(),
            ),
            behavior: wanted.behavior.clone(),
        },
        status: None,
    }
}

/// Load to keep, in percent of what pods request.
fn load(resource: &str, percent: i32) -> MetricSpec {
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: resource.to_owned(),
            target: MetricTarget { type_: "Utilization".to_owned(), average_utilization: Some(percent), ..MetricTarget::default() },
        }),
        ..MetricSpec::default()
    }
}
