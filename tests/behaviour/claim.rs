//! One bucket, one endpoint; one host and path, one endpoint.

use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use serde_json::json;

use crate::lab::{self, Lab, picture};

#[tokio::test]
async fn a_second_endpoint_on_the_same_bucket_is_refused_until_the_first_goes() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let rules = lab.website().await;

        let other = json!({ "ingress": { "host": "other.localhost" }, "routing": { "hostName": "other.localhost:18080" } });
        lab.try_apply("second", lab.spec(other)).await.unwrap();
        let refused = lab.wait_for("second", "Accepted", "False").await;
        assert_eq!(refused.reason, "BucketClaimed");
        assert!(!refused.message.contains("namespace"), "{}", refused.message);
        assert_eq!(lab.wait_for("second", "Ready", "False").await.reason, "BucketClaimed");
        assert_eq!(lab.website().await, rules);

        lab.delete(&lab.name).await;
        lab.wait_for("second", "Ready", "True").await;
    })
    .await;
}

#[tokio::test]
async fn a_second_endpoint_on_the_same_host_and_path_is_refused_and_visitors_get_the_firsts_pictures() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        // another bucket, the same host
        let bucket = format!("{}-other", lab.name);
        lab.s3.create_bucket().bucket(&bucket).send().await.unwrap();
        lab.try_apply("second", lab.spec(json!({ "bucket": { "name": bucket } }))).await.unwrap();
        let refused = lab.wait_for("second", "Accepted", "False").await;
        assert_eq!(refused.reason, "HostClaimed");
        assert!(refused.message.contains(&format!("host {}.localhost with path /default/resize", lab.name)), "{refused:?}");
        assert!(!refused.message.contains("namespace"), "{}", refused.message);
        let ingresses: Api<Ingress> = Api::namespaced(lab.kube.clone(), &lab.name);
        assert!(ingresses.get_opt("second-resizer").await.unwrap().is_none());
        assert_eq!(lab.get(&format!("{}?key=300x300/a.jpg", lab.resizer())).await.status, 307);

        // with a path of its own it is accepted
        let elsewhere = json!({ "bucket": { "name": bucket }, "ingress": { "path": "/img" } });
        lab.try_apply("second", lab.spec(elsewhere)).await.unwrap();
        lab.wait_for("second", "Accepted", "True").await;
        lab.delete("second").await;
        lab.s3.delete_bucket().bucket(&bucket).send().await.unwrap();
    })
    .await;
}
