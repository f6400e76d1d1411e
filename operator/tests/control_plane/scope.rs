//! An operator that may act in named namespaces only.

use k8s_openapi::api::core::v1::Service;
use kube::{Api, api::ListParams};
use resize_api::ResizeEndpoint;
use serde_json::json;

use crate::{
    control_plane::{ControlPlane, connect},
    endpoints::{endpoint, run_deployments, wait_until_all_are},
    process::{Operator, eventually},
    store::Store,
};

#[tokio::test]
async fn roles_in_named_namespaces_suffice_for_them_and_for_no_other() {
    let Some(plane) = ControlPlane::start().await else { return };
    let store = Store::start().await;
    for name in ["a", "b", "c"] {
        plane.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })]).await;
    }
    plane.install(&["watchNamespaces={a,b}"]).await;
    run_deployments(plane.client.clone());
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let operator = Operator::start(&plane, "operator", &kubeconfig, &["--watch-namespaces", "a,b"]);
    operator.wait_until(200, "leading").await;
    for name in ["a", "b", "c"] {
        let mut object = endpoint(&store, &format!("photos-{name}"));
        object["metadata"]["namespace"] = json!(name);
        plane.apply(&[object]).await;
    }
    // the same bucket from another watched namespace is a claim like any other
    let mut second = endpoint(&store, "second");
    second["metadata"]["namespace"] = json!("b");
    second["spec"]["bucket"]["name"] = json!("photos-a");
    plane.apply(&[second]).await;

    wait_until_all_are(&plane, 2, "Serving").await;
    wait_until_all_are(&plane, 1, "BucketClaimed").await;
    let left_alone = Api::<ResizeEndpoint>::namespaced(plane.client.clone(), "c").get("photos-c").await.unwrap();
    assert_eq!((left_alone.status, left_alone.metadata.finalizers), (None, None));
    assert!(!store.calls().iter().any(|call| call.bucket == "photos-c"));

    let refused = |call: &serde_json::Value| {
        call["user"]["username"] == "system:serviceaccount:system:resize-operator" && call["responseStatus"]["code"] == 403
    };
    let calls = plane.calls();
    assert!(!calls.iter().any(refused), "it asks for nothing that it may not: {:?}", calls.iter().find(|call| refused(call)));
    let its_own = connect(&kubeconfig).await;
    let elsewhere = Api::<ResizeEndpoint>::namespaced(its_own.clone(), "c").list(&ListParams::default()).await;
    assert!(elsewhere.unwrap_err().to_string().contains("forbidden"));
    assert!(Api::<Service>::all(its_own).list(&ListParams::default()).await.is_err());
}

#[tokio::test]
async fn without_the_roles_it_waits_and_says_so() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a" } })]).await;
    plane.install(&["watchNamespaces={a}"]).await;
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
    operator.wait_until(503, "cannot list resource \"resizeendpoints\"").await;
    eventually("it logs that", async || operator.log().contains("cannot list resource")).await;
}
