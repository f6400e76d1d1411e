//! One operator leads, another takes over, and never do two write.

use std::{collections::BTreeMap, time::Instant};

use k8s_openapi::{api::coordination::v1::Lease, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    endpoints::{accounts, apply, run_deployments, touch},
    process::{Operator, eventually},
    store::Store,
};

async fn holder(plane: &ControlPlane) -> String {
    let leases: Api<Lease> = Api::namespaced(plane.client.clone(), "system");
    leases.get("resize-operator").await.unwrap().spec.unwrap().holder_identity.unwrap_or_default()
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_taken_at_once() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let mut first = Operator::start(&plane, "first", &kubeconfig, &[]);
    first.wait_until(200, "leading").await;
    let second = Operator::start(&plane, "second", &kubeconfig, &[]);
    second.wait_until(200, "standby").await;
    let (_, text) = first.get("/metrics").unwrap();
    let says = |text: &str, start: &str| text.lines().any(|line| line.starts_with(start));
    assert!(says(&text, concat!("resize_operator_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")), "{text}");
    assert!(says(&text, "# TYPE process_cpu_seconds counter") && first.metric("process_cpu_seconds_total") > Some(0.0), "{text}");
    assert!(
        first.metric("process_resident_memory_bytes") > Some(1e6) && first.metric("process_open_fds") < first.metric("process_max_fds")
    );
    assert!(first.metric("process_start_time_seconds") > Some(1e9) && first.metric("resize_operator_queue_depth") == Some(0.0));
    assert_eq!((first.metric("resize_operator_leader"), second.metric("resize_operator_leader")), (Some(1.0), Some(0.0)));

    first.signal("TERM");
    assert_eq!(first.end().await, Some(0));
    second.wait_until(200, "leading").await;
    assert!(holder(&plane).await.starts_with("second_"));
    let lease: Api<Lease> = Api::namespaced(plane.client.clone(), "system");
    assert_eq!(lease.get("resize-operator").await.unwrap().spec.unwrap().lease_transitions, Some(2));
}

#[tokio::test]
async fn a_killed_leader_is_replaced() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let first = Operator::start(&plane, "first", &kubeconfig, &[]);
    first.wait_until(200, "leading").await;
    let second = Operator::start(&plane, "second", &kubeconfig, &[]);
    second.wait_until(200, "standby").await;
    first.signal("KILL");
    let killed = Instant::now();
    second.wait_until(200, "leading").await;
    println!("taken over {:.1} s after SIGKILL", killed.elapsed().as_secs_f64());
}

/// The leader is frozen in the middle of its work, and goes on after another one has taken over.
#[tokio::test]
async fn a_frozen_leader_never_writes_beside_its_successor() {
    let Some(plane) = ControlPlane::start().await else { return };
    let store = Store::start().await;
    plane.install(&[]).await;
    // accounts of their own, so that the audit log and the store tell them apart
    let [first_kubeconfig, second_kubeconfig] = accounts(&plane, ["first", "second"]).await;
    let names: Vec<_> = (0..60).map(|number| format!("photos-{number}")).collect();
    run_deployments(plane.client.clone());
    apply(&plane, &store, &names).await;

    let mut first = Operator::start(&plane, "first", &first_kubeconfig, &[]);
    eventually("the first one writes", async || store.writes().len() > 5).await;
    let second = Operator::start(&plane, "second", &second_kubeconfig, &[]);
    second.wait_until(200, "standby").await;
    first.signal("STOP");
    second.wait_until(200, "leading").await;
    // work for both
    for name in &names {
        store.forget(name);
    }
    touch(&plane, &names).await;
    first.signal("CONT");
    assert_eq!(first.end().await, Some(1), "who lost the lease ends: {}", first.log());
    assert!(first.log().contains("lost the lease"), "{}", first.log());
    eventually("the second one has made everything", async || names.iter().all(|name| store.website(name).is_some())).await;

    one_writer_at_a_time(&plane.calls());
    let by: Vec<_> = store.writes().into_iter().map(|call| call.key_id).collect();
    let turns = by.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!((turns, by[0].as_str(), by[by.len() - 1].as_str()), (1, "first", "second"), "S3 writes: {by:?}");
}

/// After the successor's first write there is none of its predecessor, by the API server's own clock.
fn one_writer_at_a_time(calls: &[Value]) {
    let written = |call: &&Value| {
        !matches!(call["verb"].as_str(), Some("get" | "list" | "watch"))
            && call["objectRef"]["resource"] != "leases"
            && call["responseStatus"]["code"].as_i64().is_some_and(|code| code < 300)
    };
    let mut times: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for call in calls.iter().filter(written) {
        let user = call["user"]["username"].as_str().unwrap();
        if let Some(name) = user.strip_prefix("system:serviceaccount:system:") {
            times.entry(name).or_default().push(call["requestReceivedTimestamp"].as_str().unwrap());
        }
    }
    let (first, second) = (&times["first"], &times["second"]);
    assert!(first.iter().max() < second.iter().min(), "{:?} {:?}", first.iter().max(), second.iter().min());
}

#[tokio::test]
async fn without_the_definition_it_waits_and_says_so() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "system" } })]).await;
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig, &[]);
    let missing = "the CustomResourceDefinition resizeendpoints.resize-operator.dev is not installed";
    operator.wait_until(503, missing).await;
    assert_eq!(operator.get("/healthz").unwrap().0, 200, "it lives");
    assert_eq!(operator.metric("resize_operator_waiting"), Some(1.0));
    assert!(operator.log().contains(missing));
    plane.install(&[]).await;
    operator.wait_until(200, "leading").await;
    assert_eq!(operator.metric("resize_operator_waiting"), Some(0.0));
}

#[tokio::test]
async fn a_definition_that_vanishes_is_told_by_readyz() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
    operator.wait_until(200, "leading").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(plane.client.clone());
    definitions.delete("resizeendpoints.resize-operator.dev", &DeleteParams::default()).await.unwrap();
    operator.wait_until(503, "is not installed").await;
    let chart = plane.chart(&[]);
    let definition = chart.iter().find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
    eventually("the definition is back", async || plane.try_apply(definition).await.is_ok()).await;
    operator.wait_until(200, "leading").await;
}
