//! An object that another version of the API stored: it is reported, and the other endpoints are reconciled.

use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams},
};
use resize_api::ResizeEndpoint;
use serde_json::json;

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments, wait_until_all_are},
    process::{Operator, eventually},
    store::Store,
};

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_of_and_stops_no_other() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;

    let chart = plane.chart(&[]);
    let definition = chart.iter().find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
    let mut loose = definition.clone();
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let mut bad = endpoint(&store, "bad");
    bad["spec"]["allowedResolutions"] = json!("all");
    plane.apply(&[loose]).await;
    eventually("the API server takes the bad object", async || plane.try_apply(&bad).await.is_ok()).await;
    plane.apply(std::slice::from_ref(definition)).await;
    // the strict definition is in force when it refuses what the loose one took
    let mut probe = bad.clone();
    probe["metadata"]["name"] = json!("probe");
    eventually("the API server refuses such objects", async || plane.try_apply(&probe).await.is_err()).await;
    plane.apply(&[endpoint(&store, "good")]).await;

    let operator = Operator::start(&plane, "operator", &plane.kubeconfig, &[]);
    eventually("the good one has its rules", async || store.website("good").is_some()).await;
    let events: Api<Event> = Api::namespaced(plane.client.clone(), "default");
    eventually("an Event tells of the bad one", async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        events.iter().any(|event| {
            event.reason.as_deref() == Some("Undecodable")
                && event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some("bad")
        })
    })
    .await;
    assert!(operator.log().contains("cannot be read"), "{}", operator.log());
    assert_eq!(store.website("bad"), None);
}

/// As after a rollback: the stored object has what the older version does not know.
#[tokio::test]
async fn an_object_that_cannot_be_read_any_more_is_told_in_its_status_and_deleted_with_its_rules() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    plane.apply(&[endpoint(&store, "old")]).await;
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig, &[]);
    eventually("it has its rules", async || store.website("old").is_some()).await;
    wait_until_all_are(&plane, 1, "Serving").await;

    let chart = plane.chart(&[]);
    let definition = chart.iter().find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
    let mut loose = definition.clone();
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    plane.apply(&[loose]).await;
    let mut newer = endpoint(&store, "old");
    newer["spec"]["resize"] = json!({ "fit": "Newer" });
    eventually("the API server takes the newer object", async || plane.try_apply(&newer).await.is_ok()).await;
    let endpoints: Api<DynamicObject> = Api::namespaced_with(plane.client.clone(), "default", &ApiResource::erase::<ResizeEndpoint>(&()));
    eventually("its status tells of it", async || {
        let conditions = endpoints.get("old").await.unwrap().data["status"]["conditions"].clone();
        let ready = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap().clone();
        ready["status"] == "False" && ready["reason"] == "Undecodable"
    })
    .await;
    assert!(store.website("old").is_some(), "what it has stays");
    endpoints.delete("old", &DeleteParams::default()).await.unwrap();
    eventually("it is gone", async || endpoints.get_opt("old").await.unwrap().is_none()).await;
    assert_eq!(store.website("old"), None);
    drop(operator);
}
