//! The resizer's address outside the cluster.

use k8s_openapi::{
    api::networking::v1::{
        HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec, IngressTLS,
        ServiceBackendPort,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use resize_api::endpoint;

use super::{
    metadata::{annotations, metadata},
    service,
};
use crate::endpoint::Endpoint;
use crate::names::resizer_name;

pub(super) fn build(endpoint: &Endpoint, wanted: &endpoint::Ingress) -> Ingress {
    let metadata = ObjectMeta { annotations: annotations(endpoint, &wanted.annotations), ..metadata(endpoint) };
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: resizer_name(&endpoint.name),
            port: Some(ServiceBackendPort { number: Some(service::PORT), name: None }),
        }),
        resource: None,
    };
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(wanted.host.clone()),
                http: Some(HTTPIngressRuleValue {
                    paths: vec![HTTPIngressPath {
                        path: Some(endpoint.outside_path().to_owned()),
                        path_type: "Prefix".to_owned(),
                        backend,
                    }],
                }),
            }]),
            tls: wanted
                .tls_secret_name
                .as_ref()
                .map(|secret| vec![IngressTLS { hosts: Some(vec![wanted.host.clone()]), secret_name: Some(secret.clone()) }]),
            default_backend: None,
        }),
        status: None,
    }
}
