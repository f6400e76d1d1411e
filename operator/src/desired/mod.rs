//! Valid endpoint → the Kubernetes objects that it wants. Pure, and cannot fail.

mod deployment;
mod ingress;
mod service;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Service, networking::v1::Ingress},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::validate::Endpoint;

/// Name of the operator as field manager, controller and label.
pub const OPERATOR: &str = "resize-operator";

/// Everything in Kubernetes that belongs to an endpoint.
#[derive(Clone, Debug)]
pub struct Objects {
    /// The resizer's pods.
    pub deployment: Deployment,
    /// Their address in the cluster.
    pub service: Service,
    /// Their address outside, if wanted.
    pub ingress: Option<Ingress>,
}

impl Objects {
    /// The objects of `endpoint`.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self {
            deployment: deployment::build(endpoint),
            service: service::build(endpoint),
            ingress: endpoint.ingress.as_ref().map(|ingress| ingress::build(endpoint, ingress)),
        }
    }
}

/// Name of the objects that belong to the endpoint `name`.
pub fn resizer_name(name: &str) -> String {
    format!("{name}-resizer")
}

/// Labels by which the pods of the endpoint `name` are found. They must never change: a Deployment's selector cannot.
pub fn selector_labels(name: &str) -> BTreeMap<String, String> {
    labels([("app.kubernetes.io/name", "resizer"), ("app.kubernetes.io/instance", name)])
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn metadata(endpoint: &Endpoint) -> ObjectMeta {
    let mut all = selector_labels(&endpoint.name);
    all.extend(labels([
        ("app.kubernetes.io/component", "resizer"),
        ("app.kubernetes.io/part-of", OPERATOR),
        ("app.kubernetes.io/managed-by", OPERATOR),
    ]));
    ObjectMeta {
        name: Some(resizer_name(&endpoint.name)),
        namespace: Some(endpoint.namespace.clone()),
        labels: Some(all),
        owner_references: Some(vec![endpoint.owner.clone()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::EnvVar;
    use resize_api::{ResizeEndpoint, endpoint::SecretRef};

    use super::*;
    use crate::fixtures::{config, resource};

    fn objects(edit: fn(&mut ResizeEndpoint)) -> Objects {
        let mut resource = resource();
        edit(&mut resource);
        Objects::new(&Endpoint::new(&resource, &config()).unwrap())
    }

    #[test]
    fn the_smallest_endpoint() {
        let Objects { deployment, service, ingress } = objects(|_| ());
        insta::assert_yaml_snapshot!("deployment", deployment);
        insta::assert_yaml_snapshot!("service", service);
        insta::assert_yaml_snapshot!("ingress", ingress.unwrap());
    }

    #[test]
    fn everything_set() {
        let Objects { deployment, ingress, .. } = objects(|resource| {
            let spec = &mut resource.spec;
            spec.bucket.endpoint = Some("http://s3.example.com:7480".into());
            spec.bucket.force_path_style = Some(true);
            spec.bucket.expected_owner = Some("111122223333".into());
            spec.bucket.credentials_secret_ref = Some(SecretRef { name: "s3".into() });
            let ingress = spec.ingress.as_mut().unwrap();
            ingress.class_name = Some("nginx".into());
            ingress.path = "/img".into();
            ingress.tls_secret_name = Some("tls".into());
            ingress.annotations = labels([("example.com/a", "b")]);
            spec.resize = serde_json::from_value(serde_json::json!({
                "fit": "Contain", "position": "RightTop", "withoutEnlargement": true, "background": "#336699", "kernel": "Mitchell",
            }))
            .unwrap();
            spec.output = serde_json::from_value(serde_json::json!({
                "format": "Avif", "quality": 55, "progressive": true, "avifSpeed": 6, "animation": "Keep", "cacheControl": "no-cache",
            }))
            .unwrap();
            spec.workload = serde_json::from_value(serde_json::json!({
                "replicas": 3,
                "resources": { "limits": { "memory": "1Gi" } },
                "nodeSelector": { "disk": "fast" },
                "tolerations": [{ "key": "pictures", "operator": "Exists" }],
                "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway" }],
                "priorityClassName": "high",
                "podLabels": { "team": "web", "app.kubernetes.io/name": "mine" },
                "podAnnotations": { "example.com/c": "d" },
                "serviceAccountName": "photos",
                "image": "registry.example.com/resizer:1",
            }))
            .unwrap();
            spec.workload.env = vec![EnvVar { name: "LOG_FORMAT".into(), value: Some("json".into()), ..EnvVar::default() }];
        });
        insta::assert_yaml_snapshot!("deployment_with_everything", deployment);
        insta::assert_yaml_snapshot!("ingress_with_everything", ingress.unwrap());
    }

    #[test]
    fn no_ingress_unless_wanted() {
        assert!(objects(|resource| resource.spec.ingress = None).ingress.is_none());
    }
}
