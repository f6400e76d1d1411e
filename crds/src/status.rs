//! What the operator reports in a `ResizeEndpoint`: conditions, routing rules, and the record of what it wrote. Below are
//! `routing` and `derivatives`.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{ca_bundle::CaBundle, derivatives::DerivativesStatus, routing::RoutingRule};

/// What the operator saw and did last.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
// unknown fields are kept: a later version of the operator may record more, and the chart may be rolled back
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ResizeEndpointStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Accepted, WorkloadAvailable, RoutingRuleApplied, PublicUrlVerified, OriginalsReadable, DerivativesCurrent where `derivatives` asks for it, and Ready, which sums up all but the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Where the bucket sends a request for a missing size, the key left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,

    /// The operator's rules in the bucket's website configuration; with `routing.management: Observe` the rules that should be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routing_rules: Vec<RoutingRule>,

    /// Whether a write of the rules has begun and was not seen to succeed yet. Until then `routingRules` lists every rule that may be in the bucket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub routing_rules_pending: bool,

    /// When the rules were found removed by somebody else. After three times in an hour the operator leaves the bucket alone, until the spec changes or an hour has passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routing_rules_removed: Vec<Time>,

    /// Rules that the operator wrote before `routing.management` became `Observe` and that are still in the bucket though they should not be. With `Merge` they are taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routing_rules_left: Vec<RoutingRule>,

    /// Whether the operator gave the bucket its website configuration, because it had none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub website_created: bool,

    /// The store that `routingRules`, `websiteCreated` and `publicRead` are about, or that the pods of `delivery.mode: Direct` could read, and how it was reached. When `bucket.endpoint` leads to another one, they are first taken back here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,

    /// What `bucket.publicRead` changed beside the bucket's policy. It is put back when that is false again, and on deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_read: Option<PublicRead>,

    /// What became of `derivatives`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivatives: Option<DerivativesStatus>,

    /// Number of the resizer's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// Label selector of the resizer's pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// The operator's mark in a bucket, as a status holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The store that all this is about.
    pub store: Option<Store>,
    /// The rules that are or may be there.
    pub rules: Vec<RoutingRule>,
    /// Whether the website configuration is the operator's creation.
    pub created: bool,
    /// Whether a write has begun that nobody saw succeed.
    pub pending: bool,
    /// When others had removed the rules.
    pub removed: Vec<Timestamp>,
    /// Rules of ours beside these, which `Observe` leaves where they are.
    pub left: Vec<RoutingRule>,
}

impl From<&ResizeEndpointStatus> for Record {
    fn from(status: &ResizeEndpointStatus) -> Self {
        Self {
            store: status.store.clone(),
            rules: status.routing_rules.clone(),
            created: status.website_created,
            pending: status.routing_rules_pending,
            removed: status.routing_rules_removed.iter().map(|time| time.0).collect(),
            left: status.routing_rules_left.clone(),
        }
    }
}

/// A store and how it was reached.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// Base URL; AWS if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Region.
    #[serde(default)]
    pub region: String,
    /// Whether the bucket was addressed in the path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_path_style: bool,
    /// Account that had to own the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_owner: Option<String>,
    /// Secret with the credentials; the operator's own if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<String>,
    /// Authorities by which it was trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundle>,
}

/// Parts of the bucket's public access block that were on and that the operator lifted.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicRead {
    /// Whether BlockPublicPolicy was lifted.
    #[serde(default)]
    pub block_public_policy_lifted: bool,
    /// Whether RestrictPublicBuckets was lifted.
    #[serde(default)]
    pub restrict_public_buckets_lifted: bool,
}
