//! The objects of an endpoint on a real API server: what is owned, handed over, pruned, refused.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Service, networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    control_plane::ControlPlane,
    endpoints::{endpoint, touch, wait_until_all_are},
    process::{Operator, eventually, patiently},
};

#[tokio::test]
async fn the_number_of_pods_is_handed_over_and_taken_back() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({ "replicas": 3 })).await;
    eventually("there are 3", async || bench.replicas().await == Some(3)).await;

    bench.apply(json!({ "autoscaling": { "minReplicas": 2, "maxReplicas": 9 } })).await;
    eventually("there is an autoscaler", async || bench.has::<HorizontalPodAutoscaler>().await).await;
    bench.settled().await;
    assert_eq!(bench.replicas().await, Some(3), "the autoscaler begins with what there is");

    // what the autoscaler does
    let scale = json!({ "spec": { "replicas": 7 } });
    bench.api::<Deployment>().patch_scale("photos-resizer", &PatchParams::default(), &Patch::Merge(scale)).await.unwrap();
    bench.apply(json!({ "autoscaling": { "minReplicas": 2, "maxReplicas": 8 }, "podLabels": { "a": "b" } })).await;
    bench.settled().await;
    touch(&bench.plane, &["photos".to_owned()]).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    assert_eq!(bench.replicas().await, Some(7), "an edit leaves its number alone");
    let deployment = serde_json::to_value(bench.deployment().await.unwrap()).unwrap();
    assert_eq!(deployment.pointer("/spec/template/metadata/labels/a"), Some(&json!("b")));

    bench.apply(json!({ "replicas": 4 })).await;
    eventually("there are 4", async || bench.replicas().await == Some(4)).await;
    eventually("the autoscaler is gone", async || !bench.has::<HorizontalPodAutoscaler>().await).await;
}

#[tokio::test]
async fn an_autoscaled_workload_begins_with_the_fewest_and_children_come_and_go() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({ "autoscaling": { "minReplicas": 4, "maxReplicas": 9 }, "networkPolicy": {} })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    assert_eq!(bench.replicas().await, Some(4));
    assert!(bench.has::<PodDisruptionBudget>().await && bench.has::<NetworkPolicy>().await);

    // drift of a new kind comes back, too
    bench.api::<PodDisruptionBudget>().delete("photos-resizer", &DeleteParams::default()).await.unwrap();
    eventually("the budget comes back", async || bench.has::<PodDisruptionBudget>().await).await;
    let other = json!({ "spec": { "maxReplicas": 50 } });
    bench.api::<HorizontalPodAutoscaler>().patch("photos-resizer", &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
    eventually("the autoscaler is as it was", async || {
        let live = bench.api::<HorizontalPodAutoscaler>().get("photos-resizer").await.unwrap();
        live.spec.max_replicas == 9
    })
    .await;

    bench.apply(json!({ "replicas": 1 })).await;
    eventually("what is no longer wanted goes", async || {
        !bench.has::<HorizontalPodAutoscaler>().await && !bench.has::<PodDisruptionBudget>().await && !bench.has::<NetworkPolicy>().await
    })
    .await;
    assert!(bench.operator.log().contains("Serving") || bench.operator.log().contains("RulesApplied"));
}

/// Writes to the object `photos-resizer` of this kind so far, by the operator.
fn writes(plane: &ControlPlane, resource: &str) -> usize {
    let calls = plane.calls();
    let by_operator = |call: &&Value| call["user"]["username"] == "system:serviceaccount:system:resize-operator";
    let of_kind = |call: &&Value| call["objectRef"]["resource"] == resource && matches!(call["verb"].as_str(), Some("patch" | "create"));
    calls.iter().filter(by_operator).filter(of_kind).count()
}

#[tokio::test]
async fn what_was_added_is_taken_out_and_costs_nothing_at_rest() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({ "replicas": 2 })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let set_env = json!({ "spec": { "template": { "spec": { "containers": [{
        "name": "resizer", "env": [{ "name": "RESIZE_PATH", "value": "/x" }], "envFrom": [{ "configMapRef": { "name": "theirs" } }],
    }] } } } });
    bench.api::<Deployment>().patch("photos-resizer", &PatchParams::default(), &Patch::Strategic(set_env)).await.unwrap();
    let port = json!({ "spec": { "ports": [{ "name": "theirs", "port": 1234 }] } });
    bench.api::<Service>().patch("photos-resizer", &PatchParams::default(), &Patch::Strategic(port)).await.unwrap();
    eventually("both are as they were", async || {
        let container = bench.deployment().await.unwrap().spec.unwrap().template.spec.unwrap().containers.remove(0);
        let ports = bench.api::<Service>().get("photos-resizer").await.unwrap().spec.unwrap().ports.unwrap();
        ports.len() == 1 && container.env_from.is_none() && container.env.unwrap().iter().all(|variable| variable.name != "RESIZE_PATH")
    })
    .await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    rests(&bench).await;
}

/// Looks five times more, and writes nothing.
pub async fn rests(bench: &Bench) {
    let written = || ["deployments", "services", "ingresses"].map(|resource| writes(&bench.plane, resource));
    let looks = || bench.operator.metric("resize_operator_reconcile_duration_seconds_count").unwrap_or_default();
    let before = written();
    for _ in 0..5 {
        let so_far = looks();
        touch(&bench.plane, &["photos".to_owned()]).await;
        eventually("it has looked again", async || looks() > so_far).await;
    }
    assert_eq!(written(), before);
}

#[tokio::test]
async fn what_something_else_sets_at_every_write_is_left_and_told() {
    let Some(bench) = Bench::start().await else { return };
    // what a mutating webhook does, by the API server's own means
    let name = "mirror.example.com";
    let mutation = "[JSONPatch{op: \"replace\", path: \"/spec/template/spec/containers/0/image\", value: \"mirror.example.com/resizer\"}]";
    bench
        .plane
        .apply(&[
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": { "name": name },
                "spec": {
                    "matchConstraints": { "resourceRules": [
                        { "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"] },
                    ] },
                    "reinvocationPolicy": "Never", "failurePolicy": "Fail",
                    "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": mutation } }],
                },
            }),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": { "name": name },
                "spec": { "policyName": name },
            }),
        ])
        .await;
    let probe = |number: usize| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "probe", "namespace": "default" },
            "spec": {
                "replicas": number, "selector": { "matchLabels": { "a": "b" } },
                "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "a", "image": "a" }] } },
            },
        })
    };
    let mut number = 0;
    eventually("the policy is heard of", async || {
        number += 1;
        let applied = bench.plane.try_apply(&probe(number)).await.unwrap();
        applied.data["spec"]["template"]["spec"]["containers"][0]["image"] != "a"
    })
    .await;
    bench.apply(json!({})).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    eventually("it is told", async || {
        let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap();
        let available = status.conditions.into_iter().find(|condition| condition.type_ == "WorkloadAvailable").unwrap();
        available.message.contains("/spec/template/spec/containers/0/image")
    })
    .await;
    rests(&bench).await;
}

#[tokio::test]
async fn a_foreign_autoscaler_sets_the_number_of_pods_and_is_told() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({ "replicas": 2 })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let theirs = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "theirs", "namespace": "default" },
        "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "photos-resizer" }, "minReplicas": 5, "maxReplicas": 9 },
    });
    bench.plane.apply(&[theirs]).await;
    // what it does
    let scale = json!({ "spec": { "replicas": 5 } });
    bench.api::<Deployment>().patch_scale("photos-resizer", &PatchParams::default(), &Patch::Merge(scale)).await.unwrap();
    eventually("it is told", async || {
        let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap();
        status.conditions.iter().any(|condition| condition.message.contains("HorizontalPodAutoscaler theirs sets the number of pods"))
    })
    .await;
    rests(&bench).await;
    assert_eq!(bench.replicas().await, Some(5));

    // without it the number is ours again
    bench.api::<HorizontalPodAutoscaler>().delete("theirs", &DeleteParams::default()).await.unwrap();
    touch(&bench.plane, &["photos".to_owned()]).await;
    eventually("there are 2 again", async || bench.replicas().await == Some(2)).await;
}

#[tokio::test]
async fn other_credentials_replace_the_pods_and_a_missing_secret_does_not() {
    let Some(bench) = Bench::start().await else { return };
    let secret = |key: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s3", "namespace": "default" },
            "stringData": { "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": key },
        })
    };
    bench.plane.apply(&[secret("old")]).await;
    let mut object = endpoint(&bench.store, "photos");
    object["spec"]["bucket"]["credentialsSecretRef"] = json!({ "name": "s3" });
    bench.plane.apply(&[object]).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let fingerprint = async || {
        let pods = bench.deployment().await.unwrap().spec.unwrap().template;
        pods.metadata.unwrap().annotations.unwrap()["resize-operator.dev/credentials"].clone()
    };
    let before = fingerprint().await;

    bench.plane.apply(&[secret("new")]).await;
    touch(&bench.plane, &["photos".to_owned()]).await;
    eventually("the pods are replaced", async || fingerprint().await != before).await;
    let after = fingerprint().await;

    let secrets: Api<k8s_openapi::api::core::v1::Secret> = bench.api();
    secrets.delete("s3", &DeleteParams::default()).await.unwrap();
    touch(&bench.plane, &["photos".to_owned()]).await;
    wait_until_all_are(&bench.plane, 1, "SecretInvalid").await;
    assert_eq!(fingerprint().await, after);
}

/// As much of the Gateway API as an HTTPRoute needs.
fn gateway_api() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "httproutes.gateway.networking.k8s.io",
            "annotations": { "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api" },
        },
        "spec": {
            "group": "gateway.networking.k8s.io", "scope": "Namespaced",
            "names": { "kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            }],
        },
    })
}

#[tokio::test]
async fn a_route_waits_for_the_gateway_api_and_goes_when_it_is_not_wanted() {
    let Some(bench) = Bench::start().await else { return };
    let mut object = endpoint(&bench.store, "photos");
    object["spec"]["gateway"] = json!({ "parentRefs": [{ "name": "public" }], "hostname": "resize.example.com" });
    object["spec"].as_object_mut().unwrap().remove("ingress");
    bench.plane.apply(&[object.clone()]).await;
    wait_until_all_are(&bench.plane, 1, "GatewayApiMissing").await;

    bench.plane.apply(&[gateway_api()]).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let resource = kube::api::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"));
    let routes: Api<kube::api::DynamicObject> = Api::namespaced_with(bench.plane.client.clone(), "default", &resource);
    let route = routes.get("photos-resizer").await.unwrap();
    assert_eq!(route.data["spec"]["rules"][0]["backendRefs"][0], json!({ "name": "photos-resizer", "port": 80 }));
    let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap();
    assert_eq!(status.redirect_url.as_deref(), Some("http://resize.example.com/default/resize?key="));

    object["spec"].as_object_mut().unwrap().remove("gateway");
    bench.plane.apply(&[object]).await;
    eventually("the route goes", async || routes.get_opt("photos-resizer").await.unwrap().is_none()).await;
}

#[tokio::test]
async fn another_operator_makes_the_same_pods() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.apply(json!({ "replicas": 2 })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let before = bench.deployment().await.unwrap();
    bench.operator.signal("TERM");
    bench.operator.end().await;
    // as after an upgrade of the chart: other pods of the operator, another log, the same image of the resizer
    let kubeconfig = bench.plane.kubeconfig_of("resize-operator").await;
    let next = Operator::start(&bench.plane, "operator-of-another-release", &kubeconfig, &["--log-format", "json"]);
    next.wait_until(200, "leading").await;
    eventually("it has looked", async || next.metric("resize_operator_reconcile_duration_seconds_count") >= Some(1.0)).await;
    touch(&bench.plane, &["photos".to_owned()]).await;
    eventually("it has looked again", async || next.metric("resize_operator_reconcile_duration_seconds_count") >= Some(2.0)).await;
    let after = bench.deployment().await.unwrap();
    assert_eq!(after.metadata.generation, before.metadata.generation);
    assert_eq!(after.spec, before.spec);
    let pods = serde_json::to_string(&after.spec.unwrap().template).unwrap();
    assert!(!pods.contains(env!("CARGO_PKG_VERSION")), "a version of the chart would replace pods: {pods}");
}

/// As with `helm uninstall` before the endpoints are deleted.
#[tokio::test]
async fn an_endpoint_that_was_deleted_without_an_operator_goes_with_its_rules_when_there_is_one_again() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.apply(json!({})).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    assert!(bench.store.website("photos").is_some());
    bench.operator.signal("TERM");
    bench.operator.end().await;
    let endpoints = bench.api::<ResizeEndpoint>();
    endpoints.delete("photos", &DeleteParams::default()).await.unwrap();
    let held = endpoints.get("photos").await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some() && bench.store.website("photos").is_some());

    let kubeconfig = bench.plane.kubeconfig_of("resize-operator").await;
    let next = Operator::start(&bench.plane, "operator-again", &kubeconfig, &[]);
    next.wait_until(200, "leading").await;
    eventually("it goes", async || endpoints.get_opt("photos").await.unwrap().is_none()).await;
    assert_eq!(bench.store.website("photos"), None);
}

/// As with a rollback of the chart from a version that records more.
#[tokio::test]
async fn what_a_later_version_recorded_survives_this_one() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({})).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let endpoints = bench.api::<ResizeEndpoint>();
    let later = json!({ "status": { "recordOfALaterVersion": { "rules": ["300x300/"] } } });
    endpoints.patch_status("photos", &PatchParams::default(), &Patch::Merge(later)).await.unwrap();
    bench.apply(json!({ "replicas": 1 })).await;
    let definition = kube::api::ApiResource::erase::<ResizeEndpoint>(&());
    let raw: Api<kube::api::DynamicObject> = Api::namespaced_with(bench.plane.client.clone(), "default", &definition);
    eventually("the status is about the new spec", async || {
        let object = raw.get("photos").await.unwrap();
        object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
    })
    .await;
    assert_eq!(raw.get("photos").await.unwrap().data["status"]["recordOfALaterVersion"]["rules"][0], "300x300/");
}

#[tokio::test]
async fn every_write_has_the_operator_as_its_manager() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({})).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let endpoint = bench.api::<ResizeEndpoint>().get("photos").await.unwrap();
    let managers: Vec<_> = endpoint.metadata.managed_fields.into_iter().flatten().filter_map(|entry| entry.manager).collect();
    assert!(managers.iter().any(|manager| manager == "resize-operator"), "{managers:?}");
    assert!(!managers.iter().any(|manager| manager == "unknown"), "{managers:?}");
}

#[tokio::test]
async fn an_ingress_that_no_controller_takes_is_told_after_a_minute() {
    let Some(bench) = Bench::start().await else { return };
    let mut object = endpoint(&bench.store, "photos");
    object["spec"]["ingress"]["className"] = json!("none");
    bench.plane.apply(&[object]).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    patiently(Duration::from_mins(3), "it is told", async || {
        let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap_or_default();
        let of = |type_: &str| status.conditions.iter().find(|condition| condition.type_ == type_).unwrap().clone();
        let (workload, ready) = (of("WorkloadAvailable"), of("Ready"));
        workload.reason == "NoAddress" && ready.status == "True" && ready.message.contains("IngressClass none")
    })
    .await;
}

#[tokio::test]
async fn what_the_api_server_refuses_of_the_spec_is_told_in_its_words() {
    let Some(bench) = Bench::start().await else { return };
    bench.apply(json!({ "tolerations": [{ "key": "a", "operator": "Sometimes" }] })).await;
    eventually("it is told", async || {
        let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap_or_default();
        status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Accepted" && condition.reason == "InvalidSpec" && condition.message.contains("Sometimes"))
    })
    .await;
}
