//! The control plane of the tests ends with its test.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};

use crate::control_plane::ControlPlane;

#[tokio::test]
async fn it_answers_notes_calls_and_leaves_nothing() {
    let Some(plane) = ControlPlane::start().await else { return };
    let namespaces: Api<Namespace> = Api::all(plane.client.clone());
    assert!(!namespaces.list(&ListParams::default()).await.unwrap().items.is_empty());
    let listed = |call: &serde_json::Value| {
        call["verb"] == "list" && call["objectRef"]["resource"] == "namespaces" && call["user"]["username"] == "admin"
    };
    assert_eq!(plane.calls().iter().filter(|call| listed(call)).count(), 1);
    let folder = plane.folder.clone();
    drop(plane);
    assert!(!Path::new(&folder).exists());
}
