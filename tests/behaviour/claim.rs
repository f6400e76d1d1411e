//! One bucket, one endpoint.

use serde_json::json;

use crate::lab::{self, Lab};

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
