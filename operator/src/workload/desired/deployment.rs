//! The resizer's pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, Container, ContainerPort, HTTPGetAction, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
            ResourceRequirements, SeccompProfile, SecurityContext, TopologySpreadConstraint,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::metadata::metadata;
use crate::endpoint::Endpoint;
use crate::names::selector_labels;

/// User of the image, `nonroot` as many call it.
const USER: i64 = 65532;
/// Annotation of pods: changes with the Secret's content, and so replaces the pods, which read it once.
pub const CREDENTIALS: &str = "resize-operator.dev/credentials";
/// What the pod needs beyond the resizer's own bounds to come to its end.
const GRACE: i64 = 5;

pub(super) fn build(endpoint: &Endpoint, credentials: Option<&str>) -> Deployment {
    Deployment {
        metadata: metadata(endpoint),
        spec: Some(DeploymentSpec {
            // with an autoscaler `replicas` is not ours to set
            replicas: Some(endpoint.workload.replicas).filter(|_| endpoint.workload.autoscaling.is_none()),
            selector: LabelSelector { match_labels: Some(selector_labels(&endpoint.name)), ..LabelSelector::default() },
            // a rollout never goes below the wanted number, also with one replica
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: PodTemplateSpec { metadata: Some(pod_metadata(endpoint, credentials)), spec: Some(pod(endpoint)) },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod_metadata(endpoint: &Endpoint, credentials: Option<&str>) -> ObjectMeta {
    let mut labels = endpoint.workload.pod_labels.clone();
    labels.extend(metadata(endpoint).labels.unwrap_or_default());
    let mut annotations = endpoint.workload.pod_annotations.clone();
    annotations.extend(credentials.map(|fingerprint| (CREDENTIALS.to_owned(), fingerprint.to_owned())));
    ObjectMeta {
        labels: Some(labels),
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
        ..ObjectMeta::default()
    }
}

fn pod(endpoint: &Endpoint) -> PodSpec {
    let workload = &endpoint.workload;
    let filled = |map: &BTreeMap<_, _>| Some(map.clone()).filter(|map| !map.is_empty());
    PodSpec {
        containers: vec![container(endpoint)],
        service_account_name: workload.service_account_name.clone(),
        // IRSA and Pod Identity bring a token of their own; the resizer never calls Kubernetes
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(grace(endpoint)),
        node_selector: filled(&workload.node_selector),
        tolerations: Some(workload.tolerations.clone()).filter(|list| !list.is_empty()),
        affinity: workload.affinity.clone(),
        topology_spread_constraints: Some(spread(endpoint)),
        priority_class_name: workload.priority_class_name.clone(),
        ..PodSpec::default()
    }
}

/// As the user says, else evenly over zones and nodes where that is possible.
fn spread(endpoint: &Endpoint) -> Vec<TopologySpreadConstraint> {
    if !endpoint.workload.topology_spread_constraints.is_empty() {
        return endpoint.workload.topology_spread_constraints.clone();
    }
    let over = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector { match_labels: Some(selector_labels(&endpoint.name)), ..LabelSelector::default() }),
        // counts pods of one ReplicaSet: pods of the old one do not skew the spread
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    vec![over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")]
}

fn grace(endpoint: &Endpoint) -> i64 {
    let bounds = endpoint.settings.drain + endpoint.settings.shutdown;
    i64::try_from(bounds.as_secs()).unwrap_or(i64::MAX).saturating_add(GRACE)
}

fn container(endpoint: &Endpoint) -> Container {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let probe = |path: &str, period| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(2),
        ..Probe::default()
    };
    Container {
        name: "resizer".to_owned(),
        image: Some(endpoint.image.clone()),
        image_pull_policy: Some(endpoint.image_pull_policy.clone()),
        env: Some(endpoint.environment()),
        ports: Some(vec![port("http", endpoint.settings.listen.port()), port("admin", endpoint.settings.admin_listen.port())]),
        readiness_probe: Some(probe("/readyz", 5)),
        // the last log line becomes the termination message, which the conditions show
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        liveness_probe: Some(probe("/healthz", 10)),
        resources: Some(endpoint.workload.resources.clone().unwrap_or_else(default_resources)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn default_resources() -> ResourceRequirements {
    let quantities =
        |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect());
    ResourceRequirements {
        requests: quantities(&[("cpu", "100m"), ("memory", "128Mi")]),
        // no CPU limit: throttling would only make the same work take longer
        limits: quantities(&[("memory", "512Mi")]),
        claims: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{config, resource};

    #[test]
    fn pods_carry_the_selector_whatever_labels_the_user_adds() {
        let mut resource = resource();
        resource.spec.workload.pod_labels = [("app.kubernetes.io/name".to_owned(), "mine".to_owned())].into();
        let endpoint = Endpoint::new(&resource, &config()).unwrap();
        let spec = build(&endpoint, None).spec.unwrap();
        let pod = spec.template.metadata.unwrap().labels.unwrap();
        for (name, value) in spec.selector.match_labels.unwrap() {
            assert_eq!(pod.get(&name), Some(&value));
        }
    }

    #[test]
    fn other_credentials_make_other_pods() {
        let endpoint = Endpoint::new(&resource(), &config()).unwrap();
        let pod = |credentials| build(&endpoint, credentials).spec.unwrap().template;
        assert_ne!(pod(Some("a")), pod(Some("b")));
        assert_eq!(pod(Some("a")).metadata.unwrap().annotations.unwrap()[CREDENTIALS], "a");
    }

    #[test]
    fn ports_and_grace_follow_what_the_user_tells_the_resizer() {
        let mut resource = resource();
        let env = serde_json::json!([
            { "name": "LISTEN", "value": "0.0.0.0:8000" }, { "name": "ADMIN_LISTEN", "value": "0.0.0.0:9000" },
            { "name": "DRAIN_SECONDS", "value": "60" },
        ]);
        resource.spec.workload.env = serde_json::from_value(env).unwrap();
        let pod = build(&Endpoint::new(&resource, &config()).unwrap(), None).spec.unwrap().template.spec.unwrap();
        let ports = pod.containers[0].ports.iter().flatten().map(|port| port.container_port).collect::<Vec<_>>();
        assert_eq!((ports, pod.termination_grace_period_seconds), (vec![8000, 9000], Some(60 + 20 + GRACE)));
    }

    #[test]
    fn with_an_autoscaler_no_number_is_sent() {
        let mut resource = resource();
        resource.spec.workload.autoscaling = Some(resize_api::workload::Autoscaling::default());
        let endpoint = Endpoint::new(&resource, &config()).unwrap();
        let sent = serde_json::to_value(build(&endpoint, None)).unwrap();
        assert!(sent["spec"].get("replicas").is_none(), "{sent}");
    }
}
