//! The resizer's pods.

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{Container, PodSpec, PodTemplateSpec, TopologySpreadConstraint},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{
    metadata::{metadata, own_labels},
    pod,
};
use crate::endpoint::Endpoint;
use crate::names::selector_labels;

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
            progress_deadline_seconds: endpoint.workload.progress_deadline_seconds,
            template: PodTemplateSpec { metadata: Some(pod_metadata(endpoint, credentials)), spec: Some(pod(endpoint)) },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod_metadata(endpoint: &Endpoint, credentials: Option<&str>) -> ObjectMeta {
    pod::metadata(endpoint, own_labels(endpoint, "resizer"), credentials)
}

fn pod(endpoint: &Endpoint) -> PodSpec {
    let service_account = endpoint.workload.service_account_name.clone();
    PodSpec { topology_spread_constraints: Some(spread(endpoint)), ..pod::spec(endpoint, service_account, container(endpoint)) }
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

fn container(endpoint: &Endpoint) -> Container {
    Container {
        ports: Some(vec![pod::port("http", endpoint.settings.listen.port()), pod::port("admin", endpoint.settings.admin_listen.port())]),
        readiness_probe: Some(pod::probe("/readyz", 5)),
        liveness_probe: Some(pod::probe("/healthz", 10)),
        ..pod::container(endpoint, "resizer", endpoint.environment())
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
        let template = |credentials| build(&endpoint, credentials).spec.unwrap().template;
        assert_ne!(template(Some("a")), template(Some("b")));
        assert_eq!(template(Some("a")).metadata.unwrap().annotations.unwrap()[pod::CREDENTIALS], "a");
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
        assert_eq!((ports, pod.termination_grace_period_seconds), (vec![8000, 9000], Some(60 + 20 + pod::GRACE)));
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
