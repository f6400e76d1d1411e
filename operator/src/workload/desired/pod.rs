//! What all pods of an endpoint have, those that serve and those that keep derivatives true.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, HTTPGetAction, KeyToPath, LocalObjectReference,
        PodDNSConfig, PodDNSConfigOption, PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource,
        SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use resize_api::ca_bundle::CaBundle;

use super::metadata;
use crate::{
    endpoint::{AUTHORITIES_FOLDER, Endpoint},
    names::{DERIVATIVES, ENDPOINT},
};

/// User of the image, `nonroot` as many call it.
const USER: i64 = 65532;
/// Annotation of pods: changes with the Secret's content, and so replaces the pods, which read it once.
pub const CREDENTIALS: &str = "resize-operator.dev/credentials";
/// Name of the volume with authorities.
const AUTHORITIES: &str = "ca-bundle";
/// What the pod needs beyond the resizer's own bounds to come to its end.
pub(super) const GRACE: i64 = 5;

/// The user's labels and annotations, and `ours`. None of the user's says whose pod it is.
pub(super) fn metadata(endpoint: &Endpoint, ours: BTreeMap<String, String>, credentials: Option<&str>) -> ObjectMeta {
    let mut labels = endpoint.inherited.labels.clone();
    labels.extend(endpoint.workload.pod_labels.clone());
    for name in [ENDPOINT, DERIVATIVES] {
        labels.remove(name);
    }
    labels.extend(ours);
    let mut annotations = metadata::annotations(endpoint, &endpoint.workload.pod_annotations).unwrap_or_default();
    annotations.extend(credentials.map(|fingerprint| (CREDENTIALS.to_owned(), fingerprint.to_owned())));
    ObjectMeta {
        labels: Some(labels),
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
        ..ObjectMeta::default()
    }
}

pub(super) fn spec(endpoint: &Endpoint, service_account: Option<String>, container: Container) -> PodSpec {
    let workload = &endpoint.workload;
    let filled = |map: &BTreeMap<_, _>| Some(map.clone()).filter(|map| !map.is_empty());
    PodSpec {
        volumes: endpoint.bucket.ca_bundle.as_ref().map(|bundle| vec![authorities(bundle)]),
        dns_config: workload.dns_config.clone().or_else(|| default_dns_config(&container)),
        containers: vec![container],
        image_pull_secrets: Some(endpoint.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect())
            .filter(|secrets: &Vec<_>| !secrets.is_empty()),
        service_account_name: service_account,
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
        priority_class_name: workload.priority_class_name.clone(),
        ..PodSpec::default()
    }
}

/// The volume with the one file of authorities that `bundle` names.
fn authorities(bundle: &CaBundle) -> Volume {
    let item = KeyToPath { key: bundle.key.clone(), path: "ca.crt".to_owned(), mode: None };
    let config_map = bundle.config_map.clone().map(|name| ConfigMapVolumeSource {
        name,
        items: Some(vec![item.clone()]),
        ..ConfigMapVolumeSource::default()
    });
    let secret = bundle.secret.clone().filter(|_| config_map.is_none());
    let secret =
        secret.map(|name| SecretVolumeSource { secret_name: Some(name), items: Some(vec![item]), ..SecretVolumeSource::default() });
    Volume { name: AUTHORITIES.to_owned(), config_map, secret, ..Volume::default() }
}

/// Names of stores are looked up at once, not first below each of the cluster's domains. The image's libc then never looks for
/// `store.namespace.svc` below them, so a pod that is told such a name keeps what Kubernetes gives it.
fn default_dns_config(container: &Container) -> Option<PodDNSConfig> {
    let values = container.env.iter().flatten().filter_map(|variable| variable.value.as_deref());
    let names_a_service = |value: &str| value.match_indices(".svc").any(|(at, found)| !value[at + found.len()..].starts_with(is_of_a_name));
    let ndots = || PodDNSConfigOption { name: Some("ndots".to_owned()), value: Some("2".to_owned()) };
    (!values.into_iter().any(names_a_service)).then(|| PodDNSConfig { options: Some(vec![ndots()]), ..PodDNSConfig::default() })
}

fn is_of_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.')
}

fn grace(endpoint: &Endpoint) -> i64 {
    let bounds = endpoint.settings.drain + endpoint.settings.shutdown;
    i64::try_from(bounds.as_secs()).unwrap_or(i64::MAX).saturating_add(GRACE)
}

pub(super) fn container(endpoint: &Endpoint, name: &str, env: Vec<EnvVar>) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(endpoint.image.clone()),
        image_pull_policy: Some(endpoint.image_pull_policy.clone()),
        env: Some(env),
        volume_mounts: endpoint.bucket.ca_bundle.as_ref().map(|_| {
            vec![VolumeMount {
                name: AUTHORITIES.to_owned(),
                mount_path: AUTHORITIES_FOLDER.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            }]
        }),
        // the last log line becomes the termination message, which the conditions show
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
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

pub(super) fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

pub(super) fn probe(path: &str, period: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(2),
        ..Probe::default()
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

    #[test]
    fn names_of_services_keep_the_clusters_domains() {
        let is_left = |value: &str| {
            let variable = EnvVar { name: "A".into(), value: Some(value.into()), ..EnvVar::default() };
            default_dns_config(&Container { env: Some(vec![variable]), ..Container::default() }).is_none()
        };
        for (value, left) in [
            ("http://minio.storage.svc:9000", true),
            ("http://minio.storage.svc", true),
            ("a.b.svc,http://c.svc/path", true),
            ("http://minio.storage.svc.cluster.local:9000", false),
            ("http://minio.storage:9000", false),
            ("https://www.svcs.example.com", false),
            ("https://s3.eu-central-1.amazonaws.com", false),
        ] {
            assert_eq!(is_left(value), left, "{value}");
        }
    }
}
