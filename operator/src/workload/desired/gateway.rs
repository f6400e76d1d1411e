//! The resizer's address outside the cluster, by the Gateway API.

use kube::CustomResource;
use resize_api::gateway::{Gateway, ParentRef};
use serde::{Deserialize, Serialize};

use super::{metadata, service};
use crate::endpoint::Endpoint;
use crate::names::resizer_name;

/// As much of an HTTPRoute as is written here.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "HTTPRoute", namespaced, schema = "disabled")]
#[serde(rename_all = "camelCase")]
pub struct HTTPRouteSpec {
    #[serde(default)]
    parent_refs: Vec<ParentRef>,
    #[serde(default)]
    hostnames: Vec<String>,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    matches: Vec<Match>,
    #[serde(default)]
    backend_refs: Vec<Backend>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Match {
    path: Option<PathMatch>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PathMatch {
    #[serde(rename = "type")]
    type_: Option<String>,
    value: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Backend {
    name: String,
    port: Option<i32>,
}

pub(super) fn build(endpoint: &Endpoint, wanted: &Gateway) -> HTTPRoute {
    let path = PathMatch { type_: Some("PathPrefix".to_owned()), value: Some(endpoint.target.path.clone()) };
    HTTPRoute {
        metadata: metadata(endpoint),
        spec: HTTPRouteSpec {
            parent_refs: wanted.parent_refs.clone(),
            hostnames: vec![wanted.hostname.clone()],
            rules: vec![Rule {
                matches: vec![Match { path: Some(path) }],
                backend_refs: vec![Backend { name: resizer_name(&endpoint.name), port: Some(service::PORT) }],
            }],
        },
    }
}
