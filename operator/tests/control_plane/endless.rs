//! Servers at `bucket.endpoint` that are no S3: one whose answer never ends, and one that never answers.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    control_plane::ControlPlane,
    endpoints::{all_are, endpoint, run_deployments, wait_until_all_are},
    process::{Operator, eventually},
    store::{self, Store},
};

/// Answers every request with bytes that never end.
async fn endless(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.read(&mut [0; 1 << 12]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n").await;
            while stream.write_all(&[b'a'; 1 << 14]).await.is_ok() {}
        });
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    store::allow(&url);
    (listener, url)
}

#[tokio::test]
async fn an_answer_without_end_takes_a_bound_of_memory() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let (listener, url) = listen().await;
    tokio::spawn(endless(listener));
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
    operator.wait_until(200, "leading").await;
    let before = operator.status("VmRSS");
    let store = Store::start().await;
    for number in 0..20 {
        let mut object = endpoint(&store, &format!("endless-{number}"));
        object["spec"]["bucket"]["endpoint"] = json!(url);
        plane.apply(&[object]).await;
    }
    wait_until_all_are(&plane, 20, "S3Error").await;
    let after = operator.status("VmHWM");
    println!("memory: {before} kB before, {after} kB at most with 20 answers without end");
    assert!(after < before + 100_000, "{before} {after}");
    assert!(operator.log().lines().all(|line| line.len() < 2000), "a line of the log repeats the answer");
}

#[tokio::test]
async fn a_store_that_never_answers_holds_up_no_other_store_and_no_other_namespace() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    // connections are taken by the kernel, and nobody reads what comes
    let (silent, url) = listen().await;
    let store = Store::start().await;
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
    operator.wait_until(200, "leading").await;
    for number in 0..40 {
        let mut object = endpoint(&store, &format!("silent-{number}"));
        object["spec"]["bucket"]["endpoint"] = json!(url);
        plane.apply(&[object]).await;
    }
    eventually("some of them wait for the store", async || operator.metric("resize_operator_reconciles_running") >= Some(8.0)).await;
    eventually("the others of the namespace wait for their turn", async || operator.metric("resize_operator_queue_depth") >= Some(8.0))
        .await;
    plane.apply(&[endpoint(&store, "beside")]).await;
    wait_until_all_are(&plane, 1, "Serving").await;
    plane.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "other" } })]).await;
    let mut other = endpoint(&store, "photos");
    other["metadata"]["namespace"] = json!("other");
    plane.apply(&[other]).await;
    wait_until_all_are(&plane, 2, "Serving").await;
    assert!(!all_are(&plane, 40, "S3Unreachable").await, "it waited for all of them");
    drop(silent);
}
