//! A public URL with a certificate that no visitor would trust: here the API server's own.

use std::fs;

use kube::Api;
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments},
    process::{Operator, eventually},
    store::Store,
};

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_holds_ready_back() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    let kubeconfig: Value = serde_yaml_ng::from_str(&fs::read_to_string(&plane.kubeconfig).unwrap()).unwrap();
    let mut photos = endpoint(&store, "photos");
    photos["spec"]["publicUrl"] = kubeconfig["clusters"][0]["cluster"]["server"].clone();
    plane.apply(&[photos]).await;

    let _operator = Operator::start(&plane, "operator", &plane.kubeconfig, &[]);
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    let condition = async |type_: &str| {
        let status = endpoints.get("photos").await.unwrap().status.unwrap_or_default();
        let found = status.conditions.into_iter().find(|condition| condition.type_ == type_);
        found.map(|condition| json!([condition.status, condition.reason]))
    };
    // told when it stays so for a minute
    eventually("the certificate is told", async || condition("PublicUrlVerified").await == Some(json!(["False", "TlsError"]))).await;
    assert_eq!(condition("Ready").await, Some(json!(["False", "TlsError"])));
    assert_eq!(condition("RoutingRuleApplied").await, Some(json!(["True", "RulesApplied"])));
}
