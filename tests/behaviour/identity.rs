//! Endpoints without a Secret: the operator's own identity, that of the pods, and none at all.

use serde_json::json;

use crate::lab::{
    self, Lab, Release,
    identity::{AMBIENT, KEYS, OWN, without_secret},
};

/// Keys of a user who has no bucket.
const OTHER: [&str; 2] = ["other-access-key", "other-secret-key"];

#[tokio::test]
async fn no_credentials_at_all_are_told_in_so_many_words() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            release.install(&AMBIENT).await;
            let mut nobody = without_secret(OWN);
            nobody["workload"] = json!({});
            lab.apply(nobody).await;
            let told = lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "InvalidCredentials").await;
            assert!(told.message.starts_with("there are no credentials: set bucket.credentialsSecretRef"), "{told:?}");
            assert!(told.message.len() < 200, "{told:?}");
            let told = lab.wait_for_reason(&lab.name, "OriginalsReadable", "InvalidCredentials").await;
            assert!(told.message.starts_with("the pods have no credentials") && told.message.ends_with("there are none"), "{told:?}");
            assert_eq!(lab.wait_for(&lab.name, "Ready", "False").await.reason, "InvalidCredentials");
            assert_eq!(lab.website().await, None);
            lab.serve(json!({})).await;
        })
        .await;
    })
    .await;
}

/// Ceph tells who may list a bucket that a key is missing, also where reading is denied, so it is tried without that.
#[tokio::test]
async fn pods_that_may_not_read_what_the_operator_may_are_told() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            lab.s3.delete_bucket_policy().bucket(&lab.name).send().await.unwrap();
            release.install(&[&AMBIENT[..], &["--set-json", KEYS]].concat()).await;
            lab.apply(without_secret(OTHER)).await;
            lab.wait_for(&lab.name, "RoutingRuleApplied", "True").await;
            let told = lab.wait_for_reason(&lab.name, "OriginalsReadable", "AccessUnclear").await;
            assert!(told.message.contains("s3:GetObject"), "{told:?}");
            lab.allow_everybody(&["s3:GetObject", "s3:ListBucket"]).await;
            // the pods look again after half a minute
            lab.eventually("the pods can read", async || {
                lab.nudge(&lab.name).await;
                lab.wait_until(&lab.name, "OriginalsReadable", |_| true).await.reason == "PodsCanRead"
            })
            .await;
        })
        .await;
    })
    .await;
}
