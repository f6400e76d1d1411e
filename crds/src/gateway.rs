//! The Kubernetes API: how visitors reach the resizer through the Gateway API. A part of `endpoint`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An HTTPRoute for the resizer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// The Gateways that serve the route. A certificate belongs to a listener of theirs; with one, set `routing.protocol` to https.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentRef>,

    /// Host name under which visitors reach the resizer.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$') && !self.matches('^[0-9]+([.][0-9]+){3}$')")
        .message("want a lower-case host name without port, such as resize.example.com, not an IP address"))]
    pub hostname: String,
}

/// A Gateway, or one of its listeners.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,

    /// Its namespace. Default: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,

    /// Name of a listener. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub section_name: Option<String>,

    /// Port of a listener. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}
