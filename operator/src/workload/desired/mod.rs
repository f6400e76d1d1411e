//! Valid endpoint → the Kubernetes objects that it wants. Pure, and cannot fail.
//!
//! `apply` writes what it builds; below is `endpoint`. One file for each kind of object.

mod autoscaler;
mod budget;
mod deployment;
mod derivatives;
mod gateway;
mod ingress;
mod metadata;
mod network_policy;
mod pod;
mod service;

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::Service,
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};

pub use self::{
    derivatives::{DerivativeObjects, purge},
    pod::CREDENTIALS as CREDENTIALS_ANNOTATION,
};
use crate::{endpoint::Endpoint, http_route::HTTPRoute};

/// Everything in Kubernetes that belongs to an endpoint.
#[derive(Clone, Debug)]
pub struct Objects {
    /// The resizer's pods.
    pub deployment: Deployment,
    /// Their address in the cluster.
    pub service: Service,
    /// Their address outside, if wanted.
    pub ingress: Option<Ingress>,
    /// The same by the Gateway API, if wanted.
    pub route: Option<HTTPRoute>,
    /// Who says how many pods there are, if not the spec.
    pub autoscaler: Option<HorizontalPodAutoscaler>,
    /// How many of several pods may be missing.
    pub budget: Option<PodDisruptionBudget>,
    /// What may talk to them, and they to it, if that is wanted.
    pub network_policy: Option<NetworkPolicy>,
}

impl Objects {
    /// The objects of `endpoint`, whose pods use credentials with this fingerprint.
    pub fn new(endpoint: &Endpoint, credentials: Option<&str>) -> Self {
        let workload = &endpoint.workload;
        Self {
            deployment: deployment::build(endpoint, credentials),
            service: service::build(endpoint),
            ingress: endpoint.ingress.as_ref().map(|ingress| ingress::build(endpoint, ingress)),
            route: endpoint.gateway.as_ref().map(|gateway| gateway::build(endpoint, gateway)),
            autoscaler: workload.autoscaling.as_ref().map(|autoscaling| autoscaler::build(endpoint, autoscaling)),
            budget: budget::build(endpoint),
            network_policy: workload.network_policy.as_ref().map(|policy| network_policy::build(endpoint, policy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::core::v1::EnvVar, apimachinery::pkg::util::intstr::IntOrString};
    use resize_api::{ResizeEndpoint, endpoint::SecretRef, inherited::InheritedMetadata, workload::NetworkPolicy};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        config::Config,
        names::{DERIVATIVES, ENDPOINT, labels},
        testing::fixtures::{config, resource},
    };

    fn objects(edit: fn(&mut ResizeEndpoint)) -> Objects {
        let mut resource = resource();
        edit(&mut resource);
        Objects::new(&Endpoint::new(&resource, &config()).unwrap(), None)
    }

    #[test]
    fn the_smallest_endpoint() {
        let objects = objects(|_| ());
        insta::assert_yaml_snapshot!("deployment", objects.deployment);
        insta::assert_yaml_snapshot!("service", objects.service);
        insta::assert_yaml_snapshot!("ingress", objects.ingress.unwrap());
        insta::assert_yaml_snapshot!("budget", objects.budget.unwrap());
        assert!(objects.route.is_none() && objects.autoscaler.is_none() && objects.network_policy.is_none());
    }

    #[test]
    fn everything_set() {
        let objects = objects(|resource| {
            let spec = &mut resource.spec;
            spec.bucket.endpoint = Some("http://s3.example.com:7480".into());
            spec.bucket.force_path_style = Some(true);
            spec.bucket.expected_owner = Some("111122223333".into());
            spec.bucket.credentials_secret_ref = Some(SecretRef { name: "s3".into() });
            spec.bucket.ca_bundle = serde_json::from_value(json!({ "configMap": "authorities", "key": "ours.pem" })).unwrap();
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
                "format": "Avif", "quality": 55, "progressive": true, "effort": "Small", "avifSpeed": 6, "animation": "Keep", "cacheControl": "no-cache",
            }))
            .unwrap();
            spec.workload = serde_json::from_value(serde_json::json!({
                "autoscaling": {
                    "minReplicas": 3, "maxReplicas": 9, "targetCPUUtilizationPercentage": 60, "targetMemoryUtilizationPercentage": 70,
                    "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } },
                },
                "disruptionBudget": { "minAvailable": "50%" },
                "progressDeadlineSeconds": 120,
                "serviceAnnotations": { "example.com/e": "f" },
                "ipFamilyPolicy": "PreferDualStack",
                "dnsConfig": { "options": [{ "name": "ndots", "value": "1" }] },
                "imagePullPolicy": "Always",
                "imagePullSecrets": [{ "name": "registry" }],
                "networkPolicy": { "egress": [{ "to": [{ "namespaceSelector": { "matchLabels": { "name": "proxy" } } }] }] },
                "resources": { "limits": { "cpu": "1500m", "memory": "1Gi" } },
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
            spec.gateway = serde_json::from_value(serde_json::json!({
                "parentRefs": [{ "name": "public", "namespace": "gateways", "sectionName": "https" }], "hostname": "resize.example.com",
            }))
            .unwrap();
            spec.inherited_metadata = Some(inherited());
            spec.workload.env = vec![EnvVar { name: "LOG_FORMAT".into(), value: Some("json".into()), ..EnvVar::default() }];
        });
        insta::assert_yaml_snapshot!("deployment_with_everything", objects.deployment);
        insta::assert_yaml_snapshot!("ingress_with_everything", objects.ingress.unwrap());
        insta::assert_yaml_snapshot!("service_with_everything", objects.service);
        insta::assert_yaml_snapshot!("budget_with_everything", objects.budget.unwrap());
        insta::assert_yaml_snapshot!("route", objects.route.unwrap());
        insta::assert_yaml_snapshot!("autoscaler", objects.autoscaler.unwrap());
        insta::assert_yaml_snapshot!("network_policy", objects.network_policy.unwrap());
    }

    #[test]
    fn with_direct_every_path_of_the_host_leads_to_the_pods() {
        let objects = objects(|resource| {
            resource.spec.delivery = serde_json::from_value(serde_json::json!({ "mode": "Direct", "originals": true })).unwrap();
            resource.spec.workload.network_policy = Some(NetworkPolicy::default());
            resource.spec.bucket.credentials_secret_ref = Some(SecretRef { name: "s3".into() });
            resource.spec.gateway =
                serde_json::from_value(serde_json::json!({ "parentRefs": [{ "name": "public" }], "hostname": "b.example.com" })).unwrap();
        });
        let path = &objects.ingress.unwrap().spec.unwrap().rules.unwrap()[0].http.as_ref().unwrap().paths[0].clone();
        assert_eq!((path.path.as_deref(), path.path_type.as_str()), (Some("/"), "Prefix"));
        let path = objects.route.unwrap().spec.rules[0].matches[0].path.clone().unwrap();
        assert_eq!((path.value.as_deref(), path.type_.as_deref()), (Some("/"), Some("PathPrefix")));
        let egress = objects.network_policy.unwrap().spec.unwrap().egress.unwrap();
        let ports = egress.iter().flat_map(|rule| rule.ports.iter().flatten()).filter_map(|port| port.port.clone()).collect::<Vec<_>>();
        assert_eq!(ports, [53, 53, 443].map(IntOrString::Int), "nobody looks at the public URL");
        let env = objects.deployment.spec.unwrap().template.spec.unwrap().containers.remove(0).env.unwrap();
        let value = |name| env.iter().find(|variable| variable.name == name).and_then(|variable| variable.value.clone());
        assert_eq!(value("DELIVERY_MODE").as_deref(), Some("Direct"));
        assert_eq!(value("DELIVERY_ORIGINALS").as_deref(), Some("true"));
        assert_eq!(value("RESIZE_PATH"), None, "the two other forms stay where they are");
    }

    fn inherited() -> InheritedMetadata {
        let costs = labels([("example.com/costs", "web"), ("team", "inherited")]);
        InheritedMetadata { labels: costs, annotations: labels([("example.com/owner", "web@example.com")]) }
    }

    /// Every object, and every template in one, of an endpoint that has all of them.
    fn everything(edit: fn(&mut ResizeEndpoint)) -> Vec<(String, Value)> {
        let mut resource = resource();
        let mut spec = serde_json::to_value(&resource.spec).unwrap();
        let patch = json!({
            "gateway": { "parentRefs": [{ "name": "public" }], "hostname": "b.example.com" },
            "workload": { "networkPolicy": {}, "autoscaling": { "maxReplicas": 9 } },
            "derivatives": { "sweep": { "schedule": "@daily" }, "events": { "webhook": { "tokenSecretRef": { "name": "events" } } } },
        });
        json_patch::merge(&mut spec, &patch);
        resource.spec = serde_json::from_value(spec).unwrap();
        edit(&mut resource);
        let endpoint = Endpoint::new(&resource, &config()).unwrap();
        let objects = Objects::new(&endpoint, Some("c0ffee"));
        let derivatives = DerivativeObjects::new(&endpoint, "1970", None);
        let purge = purge(&endpoint, endpoint.derivatives.as_ref().unwrap());
        let mut all = vec![
            json!(objects.deployment),
            json!(objects.service),
            json!(objects.ingress.unwrap()),
            json!(objects.route.unwrap()),
            json!(objects.autoscaler.unwrap()),
            json!(objects.budget.unwrap()),
            json!(objects.network_policy.unwrap()),
            json!(derivatives.sweep.unwrap()),
            json!(derivatives.follow.unwrap()),
            json!(derivatives.service.unwrap()),
            json!(derivatives.network_policy.unwrap()),
            json!(purge),
        ];
        let templates = ["/spec/template", "/spec/jobTemplate", "/spec/jobTemplate/spec/template"];
        let inner: Vec<_> = all.iter().flat_map(|object| templates.iter().filter_map(|at| object.pointer(at).cloned())).collect();
        assert_eq!(inner.len(), 5);
        all.extend(inner);
        all.into_iter().map(|object| (object["kind"].as_str().unwrap_or("template").to_owned(), object)).collect()
    }

    #[test]
    fn what_is_inherited_is_on_everything_and_in_no_selector() {
        let without = everything(|_| ());
        let with = everything(|resource| resource.spec.inherited_metadata = Some(inherited()));
        for ((kind, mut with), (_, without)) in with.into_iter().zip(without) {
            let metadata = &mut with["metadata"];
            assert_eq!(metadata["annotations"]["example.com/owner"], "web@example.com", "{kind}");
            for name in ["example.com/costs", "team"] {
                assert!(metadata["labels"].as_object_mut().unwrap().remove(name).is_some(), "{kind} {name}");
            }
            assert_eq!(metadata["labels"], without["metadata"]["labels"], "{kind}: what says whose it is stays");
            let selectors = ["selector", "podSelector"].map(|field| (with["spec"][field].clone(), without["spec"][field].clone()));
            assert!(selectors.iter().all(|(with, without)| with == without), "{kind}");
        }
    }

    #[test]
    fn nothing_inherited_says_whose_pod_it_is() {
        // an API server without CEL lets it through
        let all = everything(|resource| {
            resource.spec.inherited_metadata = Some(InheritedMetadata {
                labels: labels([(DERIVATIVES, "photos"), (ENDPOINT, "photos"), ("app.kubernetes.io/component", "mine")]),
                ..InheritedMetadata::default()
            });
        });
        for (kind, object) in all.iter().filter(|(kind, object)| kind == "template" && object["spec"]["containers"].is_array()) {
            let labels = object["metadata"]["labels"].as_object().unwrap();
            assert_ne!(labels.contains_key(DERIVATIVES), labels.contains_key(ENDPOINT), "{kind}: {labels:?}");
            assert_ne!(labels["app.kubernetes.io/component"], "mine");
        }
    }

    #[test]
    fn those_who_run_the_operator_say_how_images_are_pulled_unless_the_user_does() {
        let pod = |workload: Value| {
            let mut resource = resource();
            resource.spec.workload = serde_json::from_value(workload).unwrap();
            let config = Config { resizer_image_pull_secrets: vec!["platform".into()], ..config() };
            let pod = Objects::new(&Endpoint::new(&resource, &config).unwrap(), None).deployment.spec.unwrap().template.spec.unwrap();
            json!([pod.image_pull_secrets, pod.containers[0].image_pull_policy])
        };
        assert_eq!(pod(json!({})), json!([[{ "name": "platform" }], "IfNotPresent"]));
        let theirs = json!({ "imagePullSecrets": [{ "name": "a" }, { "name": "b" }], "imagePullPolicy": "Never" });
        assert_eq!(pod(theirs), json!([[{ "name": "a" }, { "name": "b" }], "Never"]));
    }

    #[test]
    fn a_budget_is_what_the_user_says() {
        let budget = |replicas: i32, budget: Value| {
            let mut resource = resource();
            let workload = json!({ "replicas": replicas, "disruptionBudget": budget });
            resource.spec.workload = serde_json::from_value(workload).unwrap();
            let budget = Objects::new(&Endpoint::new(&resource, &config()).unwrap(), None).budget?.spec.unwrap();
            Some(json!([budget.min_available, budget.max_unavailable]))
        };
        assert_eq!(budget(2, json!({})), Some(json!([null, 1])));
        assert_eq!(budget(1, json!({})), None);
        assert_eq!(budget(1, json!({ "minAvailable": 1 })), Some(json!([1, null])));
        assert_eq!(budget(2, json!({ "maxUnavailable": "50%" })), Some(json!([null, "50%"])));
        assert_eq!(budget(2, json!({ "enabled": false })), None);
    }

    #[test]
    fn only_what_is_wanted() {
        assert!(objects(|resource| resource.spec.ingress = None).ingress.is_none());
        let alone = objects(|resource| resource.spec.workload.replicas = 1);
        assert!(alone.budget.is_none(), "it would hold up every drain");
        let open = objects(|resource| resource.spec.workload.network_policy = Some(NetworkPolicy::default()));
        insta::assert_yaml_snapshot!("network_policy_without_secret", open.network_policy.unwrap().spec.unwrap().egress);
    }
}
