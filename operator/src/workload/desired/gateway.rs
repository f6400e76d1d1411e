//! The resizer's address outside the cluster, by the Gateway API.

use resize_api::gateway::Gateway;

use super::{metadata::metadata, service};
use crate::{
    endpoint::Endpoint,
    http_route::{Backend, HTTPRoute, HTTPRouteSpec, Match, PathMatch, Rule},
    names::resizer_name,
};

pub(super) fn build(endpoint: &Endpoint, wanted: &Gateway) -> HTTPRoute {
    let path = PathMatch { type_: Some("PathPrefix".to_owned()), value: Some(endpoint.outside_path().to_owned()) };
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
        status: None,
    }
}
