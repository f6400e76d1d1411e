//! The resizer's address inside the cluster.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::metadata::{annotations, metadata};
use crate::endpoint::Endpoint;
use crate::names::selector_labels;

/// Port of the Service.
pub(super) const PORT: i32 = 80;

pub(super) fn build(endpoint: &Endpoint) -> Service {
    Service {
        metadata: ObjectMeta { annotations: annotations(endpoint, &endpoint.workload.service_annotations), ..metadata(endpoint) },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector_labels(&endpoint.name)),
            // health and metrics stay off the Service: they are not for visitors
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: PORT,
                target_port: Some(IntOrString::String("http".to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ip_family_policy: ip_family_policy(endpoint),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// What the user says of all Services of the endpoint.
pub(super) fn ip_family_policy(endpoint: &Endpoint) -> Option<String> {
    endpoint.workload.ip_family_policy.map(|policy| policy.to_string())
}
