//! `Ready` is true only where visitors are redirected to the resizer; `bucket.publicRead` lets them read the bucket.

use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use serde_json::json;

use crate::lab::{self, Lab, picture, size};

#[tokio::test]
async fn a_bucket_that_nobody_may_read_is_told_and_recovers() {
    lab::run(async |lab: &Lab| {
        lab.s3.delete_bucket_policy().bucket(&lab.name).send().await.unwrap();
        lab.apply(json!({})).await;
        let denied = lab.wait_for_reason(&lab.name, "PublicUrlVerified", "PublicAccessDenied").await;
        assert!(denied.message.contains("s3:GetObject"), "{denied:?}");
        assert_eq!(lab.wait_for(&lab.name, "RoutingRuleApplied", "True").await.reason, "RulesApplied");
        assert_eq!(lab.wait_for(&lab.name, "Ready", "False").await.reason, "PublicAccessDenied");
        lab.allow_everybody(&["s3:GetObject", "s3:ListBucket"]).await;
        assert_eq!(lab.wait_for(&lab.name, "PublicUrlVerified", "True").await.reason, "PublicUrlServes");
        assert_eq!(lab.wait_for(&lab.name, "Ready", "True").await.reason, "Serving");
    })
    .await;
}

#[tokio::test]
async fn a_public_url_of_something_else_holds_ready_back() {
    lab::run(async |lab: &Lab| {
        // the store's API: it answers, but it is no website
        lab.apply(json!({ "publicUrl": format!("http://198.18.255.1:7480/{}", lab.name) })).await;
        let wrong = lab.wait_for_reason(&lab.name, "PublicUrlVerified", "NotTheWebsite").await;
        assert!(wrong.message.contains("REST endpoint"), "{wrong:?}");
        assert_eq!(lab.wait_for(&lab.name, "Ready", "False").await.reason, "NotTheWebsite");
        lab.serve(json!({})).await;
    })
    .await;
}

#[tokio::test]
async fn a_public_url_that_the_operator_cannot_reach_does_not() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "publicUrl": "http://198.18.255.1:1" })).await;
        let ready = lab.wait_for(&lab.name, "Ready", "True").await;
        assert_eq!(ready.reason, "ServingUnverified");
        assert_eq!(lab.wait_for(&lab.name, "PublicUrlVerified", "Unknown").await.reason, "PublicUrlUnreachable");
    })
    .await;
}

#[tokio::test]
async fn public_read_opens_a_closed_bucket_and_deletion_closes_it_as_it_was() {
    lab::run(async |lab: &Lab| {
        // Ceph's website also needs s3:ListBucket; while the block is on, the policy cannot be written
        lab.allow_everybody(&["s3:ListBucket"]).await;
        let policy = lab.policy().await;
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(false) // Ceph would then take no object at all
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(false)
            .build();
        lab.s3.put_public_access_block().bucket(&lab.name).public_access_block_configuration(block).send().await.unwrap();
        let block = lab.access_block().await;
        assert!(block.contains("<BlockPublicPolicy>true<"), "{block}");
        lab.upload("a.jpg", "image/jpeg", picture(400, 400)).await;

        lab.serve(json!({ "bucket": { "publicRead": true } })).await;
        assert_eq!(size(&lab.visit("300x300/a.jpg").await.last().unwrap().body), (300, 300));
        let during = lab.policy().await.unwrap();
        assert!(during.contains("ResizeOperatorPublicRead") && during.contains("s3:ListBucket"), "{during}");
        let lifted = lab.endpoints().get(&lab.name).await.unwrap().status.unwrap().public_read.unwrap();
        assert_eq!((lifted.block_public_policy_lifted, lifted.restrict_public_buckets_lifted), (true, false));

        lab.delete(&lab.name).await;
        assert_eq!(lab.policy().await, policy);
        assert_eq!(lab.access_block().await, block);
    })
    .await;
}
