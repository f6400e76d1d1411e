//! The Kubernetes API: the `routing` of a spec, and the routing rules of S3 that the operator makes of it.
//!
//! Read by `endpoint` and `status`; nothing is below.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bucket's routing rules.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// Who writes the rules into the bucket. `Merge`: the operator, which edits only its own rules. `Observe`: you, with Terraform or another tool; the operator writes nothing, for `bucket.publicRead` neither, and publishes the rules in `status.routingRules`.
    #[serde(default)]
    pub management: RoutingManagement,

    /// Protocol of the redirect. Default: https if `ingress.tlsSecretName` is set, else http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,

    /// Host name, with port if it needs one, of the redirect. Default: `ingress.host`, else `gateway.hostname`, else the Service's name inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 259))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$') && (!self.contains(':') || int(self.split(':')[1]) <= 65535)")
        .message("want a host name, with port if needed, such as resize.example.com or resize.example.com:8443"))]
    pub host_name: Option<String>,

    /// Where the redirect carries the key. `Query`: `/default/resize?key=300x300/photo.jpg`. `Path`: `/default/resize/300x300/photo.jpg`. They differ in the characters of a key that survive websites and proxies on the way: `;` needs `Path`, `?` and `%` need `Query`.
    #[serde(default)]
    pub key_in: KeyIn,
}

/// Who writes the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RoutingManagement {
    /// The operator.
    #[default]
    Merge,
    /// Somebody else.
    Observe,
}

/// Protocol of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// http
    Http,
    /// https
    Https,
}

/// Where a redirect carries the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyIn {
    /// In the query.
    #[default]
    Query,
    /// In the path.
    Path,
}

/// A routing rule of the operator, in the words of S3's website configuration.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingRule {
    /// Which requests the rule is for.
    pub condition: RuleCondition,
    /// Where they are sent.
    pub redirect: RuleRedirect,
}

/// Which requests a rule is for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleCondition {
    /// Prefix of the key asked for; empty for every key.
    pub key_prefix_equals: String,
    /// HTTP status that the website would answer.
    pub http_error_code_returned_equals: String,
}

/// Where a rule sends a request.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleRedirect {
    /// Protocol of the redirect.
    pub protocol: Protocol,
    /// Host name of the redirect.
    pub host_name: String,
    /// What replaces the key's prefix.
    pub replace_key_prefix_with: String,
    /// HTTP status of the redirect.
    pub http_redirect_code: String,
}
