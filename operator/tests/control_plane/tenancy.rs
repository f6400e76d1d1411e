//! Which namespaces may use a bucket of the real S3, as its tag or a list says.

use std::time::Duration;

use aws_sdk_s3::{
    Client as S3,
    types::{Tag, Tagging},
};
use futures::FutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::ListParams};
use resize_api::ResizeEndpoint;
use serde_json::json;

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments},
    process::{Operator, eventually},
    s3,
    store::Store,
};

/// A control plane with an endpoint for `bucket` in each of the namespaces `team-a` and `team-b`.
async fn two_teams(plane: &ControlPlane, bucket: &str) {
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    for namespace in ["team-a", "team-b"] {
        plane.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } })]).await;
        plane
            .apply(&[
                s3::secret(namespace),
                json!({
                    "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint",
                    "metadata": { "name": "photos", "namespace": namespace },
                    "spec": {
                        "bucket": {
                            "name": bucket, "endpoint": s3::URL, "forcePathStyle": true,
                            "credentialsSecretRef": { "name": "s3" },
                        },
                        "publicUrl": format!("http://{bucket}.s3-website.localhost:7480"),
                        "allowedResolutions": ["300x300"],
                        "ingress": { "host": format!("{namespace}.example.com") },
                    },
                }),
            ])
            .await;
    }
}

/// Waits until the endpoint in `namespace` says so of being accepted.
async fn is_accepted(plane: &ControlPlane, namespace: &str, reason: &str) {
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), namespace);
    eventually(&format!("the endpoint in {namespace} is {reason}"), async || {
        let status = endpoints.get("photos").await.unwrap().status.unwrap_or_default();
        status.conditions.iter().any(|condition| condition.type_ == "Accepted" && condition.reason == reason)
    })
    .await;
}

#[tokio::test]
async fn a_buckets_tag_and_a_list_say_who_may_use_it() {
    let Some(s3) = s3::running().await else { return };
    let Some(plane) = ControlPlane::start().await else { return };
    let bucket = format!("tenancy-{:08x}", std::process::id());
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    let result = std::panic::AssertUnwindSafe(tags_and_lists(&plane, &s3, &bucket)).catch_unwind().await;
    s3.delete_bucket().bucket(&bucket).send().await.unwrap();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

async fn tags_and_lists(plane: &ControlPlane, s3: &S3, bucket: &str) {
    two_teams(plane, bucket).await;
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let website = async || s3.get_bucket_website().bucket(bucket).send().await.is_ok();

    let by_tag = ["--claims-policy", "BucketTag", "--resync-seconds", "10"];
    let mut operator = Operator::start(plane, "by-tag", &kubeconfig, &by_tag);
    for namespace in ["team-a", "team-b"] {
        is_accepted(plane, namespace, "BucketNotAllowed").await;
    }
    assert!(!website().await, "nobody may, and nothing is written");
    let tag = Tag::builder().key("resize-operator.dev/namespaces").value("team-b").build().unwrap();
    let tags = Tagging::builder().tag_set(tag).build().unwrap();
    s3.put_bucket_tagging().bucket(bucket).tagging(tags).send().await.unwrap();
    is_accepted(plane, "team-b", "Valid").await;
    eventually("its rules are written", async || website().await).await;
    is_accepted(plane, "team-a", "BucketNotAllowed").await;
    operator.signal("TERM");
    operator.end().await;

    // another owner of the operator, another way to say it
    let by_list = ["--claims-policy", "AllowList", "--claims-allow", r#"{"team-a": ["tenancy-*"], "team-b": ["other"]}"#];
    let _operator = Operator::start(plane, "by-list", &kubeconfig, &by_list);
    is_accepted(plane, "team-b", "BucketNotAllowed").await;
    is_accepted(plane, "team-a", "Valid").await;
}

/// The first to name the bucket is a user of the same store who has no right to it.
#[tokio::test]
async fn who_has_no_access_to_a_bucket_keeps_nobody_from_it_and_loses_its_pods() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    store.refuse("squatter");
    for (namespace, key_id) in [("team-a", "squatter"), ("team-b", "owner")] {
        let keys = json!({ "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": "key" });
        let mut object = endpoint(&store, "photos");
        object["metadata"]["namespace"] = json!(namespace);
        object["spec"]["ingress"]["host"] = json!(format!("{namespace}.example.com"));
        object["spec"]["bucket"]["credentialsSecretRef"] = json!({ "name": "s3" });
        plane
            .apply(&[
                json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
                json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s3", "namespace": namespace }, "stringData": keys }),
                object,
            ])
            .await;
    }
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
    is_accepted(&plane, "team-b", "Valid").await;
    eventually("its rules are written", async || store.website("photos").is_some()).await;
    is_accepted(&plane, "team-a", "BucketClaimed").await;
    let deployments: Api<Deployment> = Api::namespaced(plane.client.clone(), "team-a");
    eventually("its pods are gone", async || deployments.list(&ListParams::default()).await.unwrap().items.is_empty()).await;
    // and that is the end of it
    tokio::time::sleep(Duration::from_secs(3)).await;
    let reconciles = || operator.metric("resize_operator_reconcile_duration_seconds_count").unwrap();
    let before = reconciles();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(reconciles() - before < 6.0, "they take the bucket from each other: {} reconciles", reconciles() - before);
}
