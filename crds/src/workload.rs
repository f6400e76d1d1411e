//! The Kubernetes API: how the resizer's pods run. A part of `endpoint`; nothing is below.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{Affinity, EnvVar, ResourceRequirements, Toleration, TopologySpreadConstraint},
    networking::v1::NetworkPolicyEgressRule,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The resizer's pods.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.autoscaling) || !has(self.resources) || (has(self.resources.requests) && 'cpu' in self.resources.requests) || (has(self.resources.limits) && 'cpu' in self.resources.limits)")
    .message("resources: with autoscaling want a request of cpu, which the load is measured by"))]
pub struct Workload {
    /// Number of pods. Not looked at with `autoscaling`.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,

    /// Number of pods by their load: the operator makes a HorizontalPodAutoscaler, and leaves the number to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

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

    /// ServiceAccount of the pods, for IRSA or Pod Identity. Without it the pods get no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,

    /// Image of the resizer. Default: the one that came with the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,

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

impl Default for Workload {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            autoscaling: None,
            resources: None,
            network_policy: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            affinity: None,
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
            pod_labels: BTreeMap::new(),
            pod_annotations: BTreeMap::new(),
            service_account_name: None,
            image: None,
            env: Vec::new(),
        }
    }
}
