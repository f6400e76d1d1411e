//! The API server's own checks, and kubectl's view.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::lab::{self, Lab, merge};

#[tokio::test]
async fn the_api_server_refuses_what_is_wrong_and_says_what_would_be_right() {
    lab::run(async |lab: &Lab| {
        for (patch, says) in [
            (json!({ "bucket": { "name": "Photos" } }), "want the name of an S3 bucket"),
            (json!({ "bucket": { "endpoint": "s3.example.com" } }), "want an http or https URL"),
            (json!({ "bucket": { "expectedOwner": "123" } }), "12 digits"),
            (json!({ "publicUrl": "photos.example.com/?a" }), "want an absolute http or https URL"),
            (json!({ "allowedResolutions": ["0x0"] }), "0x0 is no size"),
            (json!({ "allowedResolutions": ["0300x300"] }), "want WIDTHxHEIGHT"),
            (json!({ "allowedResolutions": ["16384x1"] }), "at most 16383 pixels"),
            (json!({ "allowedResolutions": ["1x1", "1x1"] }), "duplicate entries"),
            (json!({ "ingress": { "host": "Resize" } }), "want a lower-case host name"),
            (json!({ "ingress": { "path": "resize/" } }), "want a path"),
            (json!({ "routing": { "hostName": "http://a" } }), "want a host name"),
            (json!({ "routing": { "management": "Own" } }), "Unsupported value"),
            (json!({ "workload": { "replicas": -1 } }), "greater than or equal to 0"),
        ] {
            let mut spec = lab.spec(json!({}));
            merge(&mut spec, patch.clone());
            let error = lab.try_apply(&lab.name, spec).await.expect_err(&patch.to_string()).to_string();
            assert!(error.contains(says), "{patch}: {error}");
        }
        let error = lab.try_apply(&"a".repeat(51), lab.spec(json!({}))).await.unwrap_err().to_string();
        assert!(error.contains("at most 50"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn the_bucket_cannot_be_changed() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "suspend": true })).await;
        let error =
            lab.try_apply(&lab.name, lab.spec(json!({ "bucket": { "name": "other" }, "suspend": true }))).await.unwrap_err().to_string();
        assert!(error.contains("cannot be changed"), "{error}");
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
