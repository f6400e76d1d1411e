//! The Kubernetes API: how the resizer's pods run. A part of `endpoint`; below is `secret`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        autoscaling::v2::HorizontalPodAutoscalerBehavior,
        core::v1::{Affinity, EnvVar, PodDNSConfig, ResourceRequirements, Toleration, TopologySpreadConstraint},
        networking::v1::NetworkPolicyEgressRule,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use crate::secret::SecretRef;

/// The resizer's pods.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.autoscaling) || !has(self.resources) || (has(self.resources.requests) && 'cpu' in self.resources.requests) || (has(self.resources.limits) && 'cpu' in self.resources.limits)")
    .message("resources: with autoscaling want a request of cpu, which the load is measured by"))]
#[x_kube(validation = Rule::new("!has(self.autoscaling) || !has(self.autoscaling.targetMemoryUtilizationPercentage) || !has(self.resources) || (has(self.resources.requests) && 'memory' in self.resources.requests) || (has(self.resources.limits) && 'memory' in self.resources.limits)")
    .message("resources: with autoscaling by memory want a request of memory, which the load is measured by"))]
pub struct Workload {
    /// Number of pods. Not looked at with `autoscaling`.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,

    /// Number of pods by their load: the operator makes a HorizontalPodAutoscaler, and leaves the number to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// How many pods may be missing while nodes are drained. Default: one, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,

    /// Seconds within which a rollout must get on: after them `WorkloadAvailable` says `PodsFailing`. Default: Kubernetes' own, 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub progress_deadline_seconds: Option<i32>,

    /// CPU and memory of the resizer's container. Default: requests of 100m CPU and 128Mi, a limit of 512Mi. With a CPU limit as many sizes are made at once as it has CPUs, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Keep other traffic away from the pods, by a NetworkPolicy: everybody reaches the pods' two ports, the pods reach DNS, the store, and what is added here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,

    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,

    /// Affinity of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// How the pods spread over nodes and zones. Default: evenly where that is possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,

    /// Further labels of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,

    /// Annotations of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,

    /// Annotations of the Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = { "type": "string", "maxLength": 4096 }))]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('resize-operator.dev/'))")
        .message("annotations that begin with resize-operator.dev/ are the operator's own: want others"))]
    pub service_annotations: BTreeMap<String, String>,

    /// Families of IP addresses of the Service. Default: the cluster's, mostly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_family_policy: Option<IpFamilyPolicy>,

    /// How the pods resolve names. With `ndots: 2` names such as `s3.eu-central-1.amazonaws.com` are looked up at once, not first below each of the cluster's domains. Default: `ndots: 2`, or Kubernetes' own where a URL of the pods ends in `.svc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<PodDNSConfig>,

    /// ServiceAccount of the pods, for IRSA or Pod Identity. Without it the pods get no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,

    /// Image of the resizer. Default: the one that came with the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,

    /// When nodes pull the image. Default: as those who run the operator say, else IfNotPresent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Secrets in the same namespace by which nodes pull the image. Default: those that the operator's own settings name, which must be in this namespace too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<SecretRef>,

    /// Further environment variables of the resizer. Those that the operator sets itself, from other fields, are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
}

/// Between which numbers of pods, and at which load, to scale.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas")
    .message("want minReplicas that are not over maxReplicas"))]
pub struct Autoscaling {
    /// Fewest pods.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,

    /// Most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,

    /// Load to keep, in percent of the CPU that the pods request.
    #[serde(default = "default_utilization", rename = "targetCPUUtilizationPercentage")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization_percentage: i32,

    /// Load to keep beside that, in percent of the memory that the pods request: whichever wants more pods counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_memory_utilization_percentage: Option<i32>,

    /// How fast the number of pods grows and shrinks. Default: Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}

/// How many pods may be missing at a time. With neither number: one, where there are several.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.minAvailable) && has(self.maxUnavailable))")
    .message("want minAvailable or maxUnavailable, not both"))]
#[x_kube(validation = Rule::new("self.enabled || !has(self.minAvailable) && !has(self.maxUnavailable)")
    .message("with enabled: false want neither minAvailable nor maxUnavailable"))]
pub struct DisruptionBudget {
    /// Whether there is a PodDisruptionBudget.
    #[serde(default = "default_true")]
    pub enabled: bool,

    /// Fewest pods that must serve: a number, or a percentage such as `50%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("string(self).matches('^(1000|[0-9]{1,3}|(100|[1-9]?[0-9])%)$')")
        .message("want a number of pods from 0 to 1000, or a percentage from 0% to 100%"))]
    pub min_available: Option<IntOrString>,

    /// Most pods that may be missing, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("string(self).matches('^(1000|[0-9]{1,3}|(100|[1-9]?[0-9])%)$')")
        .message("want a number of pods from 0 to 1000, or a percentage from 0% to 100%"))]
    pub max_unavailable: Option<IntOrString>,
}

/// Families of IP addresses of the Service. Default: the cluster's, mostly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, Serialize, Deserialize, JsonSchema)]
pub enum IpFamilyPolicy {
    /// One.
    SingleStack,
    /// Both, where the cluster has both.
    PreferDualStack,
    /// Both, or none.
    RequireDualStack,
}

/// When nodes pull the image. Default: as those who run the operator say, else IfNotPresent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// For every pod.
    Always,
    /// Where the node has none of that name.
    IfNotPresent,
    /// The node must have it.
    Never,
}

/// A NetworkPolicy for the resizer's pods.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// What else the pods may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<NetworkPolicyEgressRule>,
}

impl Workload {
    /// Fewest pods that there shall be.
    pub fn fewest(&self) -> i32 {
        self.autoscaling.as_ref().map_or(self.replicas, |autoscaling| autoscaling.min_replicas)
    }
}

fn default_replicas() -> i32 {
    2
}

fn default_utilization() -> i32 {
    80
}

fn default_true() -> bool {
    true
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            autoscaling: None,
            disruption_budget: None,
            progress_deadline_seconds: None,
            resources: None,
            network_policy: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            affinity: None,
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
            pod_labels: BTreeMap::new(),
            pod_annotations: BTreeMap::new(),
            service_annotations: BTreeMap::new(),
            ip_family_policy: None,
            dns_config: None,
            service_account_name: None,
            image: None,
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            env: Vec::new(),
        }
    }
}
