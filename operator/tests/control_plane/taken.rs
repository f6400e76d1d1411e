//! Objects of others that have the names of ours.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    endpoints::{touch, wait_until_all_are},
    process::eventually,
};

#[tokio::test]
async fn an_object_of_somebody_else_is_never_taken_over() {
    let Some(bench) = Bench::start().await else { return };
    let theirs = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        // labelled as ours, and controlled by another
        "metadata": {
            "name": "photos-resizer", "namespace": "default", "labels": { "app.kubernetes.io/managed-by": "resize-operator" },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "7", "controller": true }],
        },
        "spec": { "minAvailable": 1 },
    });
    bench.plane.apply(&[theirs]).await;
    bench.apply(json!({})).await;
    wait_until_all_are(&bench.plane, 1, "NameTaken").await;
    // one that is not wanted is not pruned, either
    bench.apply(json!({ "replicas": 1 })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let budget = bench.api::<PodDisruptionBudget>().get("photos-resizer").await.unwrap();
    assert_eq!(serde_json::to_value(budget.spec.unwrap()).unwrap(), json!({ "minAvailable": 1 }));
}

#[tokio::test]
async fn an_object_that_nobody_owns_is_never_taken_over() {
    let Some(bench) = Bench::start().await else { return };
    let labels = json!({ "resize-operator.dev/endpoint": "photos" });
    // as near to ours as may be: the operator's watch knows of none of them
    let backend = json!({ "service": { "name": "photos-resizer", "port": { "number": 80 } } });
    let pod = json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "resizer", "image": "theirs" }] } });
    let theirs = [
        ("v1", "Service", json!({ "selector": labels, "ports": [{ "port": 80, "name": "http" }] })),
        ("apps/v1", "Deployment", json!({ "selector": { "matchLabels": labels }, "template": pod })),
        ("policy/v1", "PodDisruptionBudget", json!({ "selector": { "matchLabels": labels }, "maxUnavailable": 1 })),
        ("networking.k8s.io/v1", "Ingress", json!({ "defaultBackend": backend })),
    ];
    let object = |(version, kind, spec): &(&str, &str, Value)| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "photos-resizer", "namespace": "default" }, "spec": spec });
    let mut before = Vec::new();
    for theirs in &theirs {
        before.push(bench.plane.try_apply(&object(theirs)).await.unwrap());
    }
    bench.apply(json!({})).await;
    // in the order in which ours are made
    for ((version, kind, _), before) in theirs.iter().zip(before) {
        eventually(&format!("the {kind} is told"), async || {
            let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap_or_default();
            let says = format!("{kind} photos-resizer exists and is not controlled by this ResizeEndpoint");
            status.conditions.iter().any(|condition| condition.type_ == "Accepted" && condition.message.contains(&says))
        })
        .await;
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(bench.plane.client.clone(), "default", &resource);
        let after = api.get("photos-resizer").await.unwrap();
        assert_eq!((&after.metadata.labels, &after.metadata.owner_references, &after.data["spec"]), (&None, &None, &before.data["spec"]));
        api.delete("photos-resizer", &DeleteParams::default()).await.unwrap();
        touch(&bench.plane, &["photos".to_owned()]).await;
    }
    wait_until_all_are(&bench.plane, 1, "Serving").await;
}
