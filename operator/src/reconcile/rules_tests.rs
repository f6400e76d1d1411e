//! What a reconcile writes into the bucket, and leaves there, as the spec and others change.

use std::collections::BTreeSet;

use serde_json::json;

use super::reason_tests::{DENIED, deployment, fake, fault};
use crate::{
    config::{ClaimSettings, ClaimsPolicy, Config},
    testing::{
        fake::NOW,
        fixtures::{claims, config},
    },
};

/// AWS refuses every call with 403 when another account owns the bucket.
#[tokio::test]
async fn every_call_names_the_account_that_must_own_the_bucket_and_a_refusal_reminds_of_it() {
    let owner = "111122223333";
    let config = Config { claims: ClaimSettings { policy: ClaimsPolicy::BucketTag, ..claims() }, ..config() };
    let fake = fake(json!({ "bucket": { "publicRead": true, "expectedOwner": owner } }), config).await;
    fake.put_config(
        "tagging",
        "<Tagging><TagSet><Tag><Key>resize-operator.dev/namespaces</Key><Value>demo</Value></Tag></TagSet></Tagging>",
    );
    fake.put_config(
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
    );
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    fake.settle().await;
    assert!(fake.resource().is_none());
    let calls = std::mem::take(&mut fake.store.lock().unwrap().calls);
    let kinds: BTreeSet<_> = calls.iter().map(|(method, name, _)| format!("{method} {name}")).collect();
    let every = [
        "DELETE policy",
        "DELETE website",
        "GET policy",
        "GET publicAccessBlock",
        "GET tagging",
        "GET website",
        "PUT policy",
        "PUT publicAccessBlock",
        "PUT website",
    ];
    assert_eq!(kinds, every.map(ToOwned::to_owned).into(), "not every kind of call was made");
    for (method, name, sent) in calls {
        assert_eq!(sent.as_deref(), Some(owner), "{method} {name}");
    }

    let fake = self::fake(json!({ "bucket": { "expectedOwner": owner } }), crate::testing::fixtures::config()).await;
    fault(&fake, DENIED);
    fake.settle().await;
    let (_, why, message) = fake.condition("RoutingRuleApplied");
    assert_eq!(why, "AccessDenied");
    assert!(message.contains("expectedOwner") && message.contains(owner), "{message}");
}

/// `publicRead` takes only what is in the way, and puts it back.
#[tokio::test]
async fn public_read_is_done_by_merge_and_undone_on_false_and_on_deletion() {
    const BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
                         <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let theirs = r#"{ "Sid":"theirs", "Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*" }"#;
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{theirs}]}}"#);
    // one of them as Ceph writes it
    for (delete, block) in [(false, BLOCK.to_owned()), (true, BLOCK.replace("PublicAccessBlock", "BlockPublicAccessBlock"))] {
        let fake = fake(json!({ "bucket": { "publicRead": true } }), config()).await;
        fake.put_config("publicAccessBlock", &block);
        fake.put_config("policy", &policy);
        fake.settle().await;
        let during = fake.config("policy").unwrap();
        assert!(during.contains(theirs) && during.contains("ResizeOperatorPublicRead"), "{during}");
        let block = fake.config("publicAccessBlock").unwrap();
        for (part, on) in
            [("BlockPublicAcls", true), ("IgnorePublicAcls", true), ("BlockPublicPolicy", false), ("RestrictPublicBuckets", false)]
        {
            assert!(block.contains(&format!("<{part}>{on}</{part}>")), "{block}");
        }
        fake.edit(|object| {
            if delete {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            } else {
                object["spec"]["bucket"]["publicRead"] = json!(false);
            }
        });
        fake.settle().await;
        assert_eq!(fake.config("policy").as_ref(), Some(&policy));
        assert!(!fake.config("publicAccessBlock").unwrap().contains("false"), "{:?}", fake.config("publicAccessBlock"));
        assert_eq!(fake.resource().map(|resource| resource.status.unwrap().public_read), (!delete).then_some(None));
    }
}

/// Merge, then Observe with other sizes, then Merge: every rule that the operator wrote is known all the time.
#[tokio::test]
async fn observe_orphans_no_rule_that_merge_wrote() {
    let fake = fake(json!({}), config()).await;
    fake.settle().await;
    fake.edit(|object| {
        object["spec"]["routing"] = json!({ "management": "Observe" });
        object["spec"]["allowedResolutions"] = json!(["10x10"]);
    });
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "WaitingForExternalWriter");
    assert!(fake.config("website").unwrap().contains("300x300/"), "Observe wrote");
    assert_eq!(fake.resource().unwrap().status.unwrap().routing_rules_left.len(), 2);
    fake.edit(|object| object["spec"]["routing"] = json!({ "management": "Merge" }));
    fake.settle().await;
    let website = fake.config("website").unwrap();
    assert!(website.contains("10x10/") && !website.contains("300x300/"), "{website}");
    let status = fake.resource().unwrap().status.unwrap();
    assert!(status.routing_rules_left.is_empty() && status.routing_rules_removed.is_empty());
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    fake.settle().await;
    assert_eq!(fake.config("website"), None, "the website that the operator created stays");
}

#[tokio::test]
async fn observe_with_public_read_writes_nothing() {
    let fake = fake(json!({}), config()).await;
    fake.settle().await;
    fake.store.lock().unwrap().calls.clear();
    fake.edit(|object| {
        object["spec"]["routing"] = json!({ "management": "Observe" });
        object["spec"]["bucket"]["publicRead"] = json!(true);
    });
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "InvalidSpec", "they exclude each other");
    assert_eq!(fake.config("policy"), None);
    assert!(fake.store.lock().unwrap().calls.iter().all(|(method, ..)| *method == http::Method::GET));
}

/// The rules were removed three times in an hour: no more writes, until the spec changes.
#[tokio::test]
async fn after_three_removals_in_an_hour_there_is_peace_until_the_spec_changes() {
    let fake = fake(json!({}), config()).await;
    fake.settle().await;
    for _ in 0..3 {
        fake.store.lock().unwrap().configs.remove("website");
        NOW.set(NOW.get() + 60);
        fake.settle().await;
    }
    assert_eq!(fake.condition("RoutingRuleApplied").1, "ExternallyOverwritten");
    assert_eq!((fake.config("website"), fake.condition("Ready").0.as_str()), (None, "False"));
    fake.settle().await;
    assert_eq!(fake.config("website"), None);
    // the pods of the change take their time, and it is a change all the same
    deployment(&fake, json!({}));
    fake.edit(|object| object["spec"]["allowedResolutions"] = json!(["10x10"]));
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "WaitingForWorkload");
    fake.cluster.lock().unwrap().deployment = None;
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    // missing once more, it counts from one again
    assert_eq!(fake.resource().unwrap().status.unwrap().routing_rules_removed.len(), 1);
}
