//! `delivery.mode: Direct` with a real API server and the operator's own role: S3 is not called, and every path of the host leads to the pods.

use k8s_openapi::api::networking::v1::Ingress;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use resize_api::ResizeEndpoint;
use serde_json::json;

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments},
    process::{Operator, eventually},
    store::Store,
};

#[tokio::test]
async fn direct_calls_s3_only_to_take_out_what_redirect_wrote() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    let mut direct = endpoint(&store, "direct");
    direct["spec"]["delivery"] = json!({ "mode": "Direct" });
    // nobody answers there, so Ready does not wait for it
    direct["spec"]["publicUrl"] = json!("http://192.0.2.1:1");
    plane.apply(&[direct.clone(), endpoint(&store, "photos")]).await;

    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let _operator = Operator::start(&plane, "operator", &kubeconfig, &[]);
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    let reason = async |name: &str, type_: &str| {
        let endpoint = endpoints.get(name).await.unwrap();
        let conditions = endpoint.status.unwrap_or_default().conditions;
        let found = conditions.into_iter().find(|found| found.type_ == type_ && found.observed_generation == endpoint.metadata.generation);
        found.map(|condition| condition.reason).unwrap_or_default()
    };
    let path_of = async |name: &str| {
        let ingresses: Api<Ingress> = Api::namespaced(plane.client.clone(), "default");
        let ingress = ingresses.get(&format!("{name}-resizer")).await.unwrap();
        ingress.spec.unwrap().rules.unwrap()[0].http.as_ref().unwrap().paths[0].path.clone().unwrap()
    };
    let is_direct = async |name: &str| {
        eventually("there are no rules", async || reason(name, "RoutingRuleApplied").await == "NotNeeded").await;
        eventually("it serves", async || reason(name, "Ready").await == "ServingUnverified").await;
        assert_eq!(path_of(name).await, "/");
    };
    is_direct("direct").await;
    eventually("the other has its rules", async || reason("photos", "RoutingRuleApplied").await == "RulesApplied").await;
    assert_eq!(path_of("photos").await, "/default/resize");
    assert!(store.website("photos").is_some());

    let patch = json!({ "spec": { "delivery": direct["spec"]["delivery"], "publicUrl": direct["spec"]["publicUrl"] } });
    endpoints.patch("photos", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    is_direct("photos").await;
    assert!(store.website("photos").is_none(), "it was the operator's creation");
    assert!(store.calls().iter().all(|call| call.bucket == "photos"), "{:?}", store.calls());

    let before = store.calls().len();
    for name in ["direct", "photos"] {
        endpoints.delete(name, &kube::api::DeleteParams::default()).await.unwrap();
        eventually("it is gone", async || endpoints.get_opt(name).await.unwrap().is_none()).await;
    }
    assert_eq!(store.calls().len(), before, "there was nothing to take back");
}
