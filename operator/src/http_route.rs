//! HTTPRoute of the Gateway API, as much of it as is written here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use resize_api::gateway::ParentRef;
use serde::{Deserialize, Serialize};

/// As much of an HTTPRoute as is written here.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    namespaced,
    schema = "disabled",
    status = "HTTPRouteStatus"
)]
#[serde(rename_all = "camelCase")]
pub struct HTTPRouteSpec {
    /// The Gateways.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// What visitors write.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Where which paths lead.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// As much of what Gateways say of it as is read here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HTTPRouteStatus {
    /// One for each Gateway whose controller has looked at it.
    #[serde(default)]
    pub parents: Vec<Parent>,
}

/// What one Gateway says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// `Accepted` and others.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Requests, and where they lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// Where they lead.
    #[serde(default)]
    pub backend_refs: Vec<Backend>,
}

/// A kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// By its path.
    pub path: Option<PathMatch>,
}

/// A path, or what it begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathMatch {
    /// Exact or PathPrefix.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The path.
    pub value: Option<String>,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: Option<i32>,
}
