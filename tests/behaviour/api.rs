//! The API server's own checks, and kubectl's view.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{
    lab::{self, Lab, merge},
    refusals::{refusals, refused_changes, refused_names},
};

#[tokio::test]
async fn the_api_server_refuses_what_is_wrong_and_says_what_would_be_right() {
    lab::run(async |lab: &Lab| {
        // beside the rules, what the schema itself refuses
        let schema = [
            (json!({ "allowedResolutions": ["1x1", "1x1"] }), "duplicate entries"),
            (json!({ "routing": { "management": "Own" } }), "Unsupported value"),
            (json!({ "workload": { "replicas": -1 } }), "greater than or equal to 0"),
            (json!({ "workload": { "autoscaling": {} } }), "maxReplicas: Required value"),
            (json!({ "gateway": { "hostname": "resize.example.com", "parentRefs": [] } }), "should have at least 1 items"),
        ];
        for (patch, says) in refusals().into_iter().chain(schema) {
            let mut spec = lab.spec(json!({}));
            merge(&mut spec, patch.clone());
            let error = lab.try_apply(&lab.name, spec).await.expect_err(&patch.to_string()).to_string();
            assert!(error.contains(says), "{patch}: {error}");
        }
        for (name, says) in refused_names() {
            let error = lab.try_apply(&name, lab.spec(json!({}))).await.expect_err(&name).to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
        lab.apply(json!({ "suspend": true })).await;
        for (patch, says) in refused_changes() {
            let error = lab.try_apply(&lab.name, lab.spec(patch.clone())).await.expect_err(&patch.to_string()).to_string();
            assert!(error.contains(says), "{patch}: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_can_be_scaled() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let scale = json!({ "spec": { "replicas": 2 } });
        lab.endpoints().patch_scale(&lab.name, &PatchParams::default(), &Patch::Merge(scale)).await.unwrap();
        lab.eventually("two pods run", async || {
            lab.endpoints().get_scale(&lab.name).await.unwrap().status.is_some_and(|status| status.replicas == 2)
        })
        .await;
        assert_eq!(lab.pods().await.len(), 2);
        let scale = lab.endpoints().get_scale(&lab.name).await.unwrap();
        assert!(scale.status.unwrap().selector.unwrap().contains("app.kubernetes.io/name=resizer"));
    })
    .await;
}
