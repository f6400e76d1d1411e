//! `delivery.mode: Direct`: nothing of ours in the bucket, and no call to S3; what was there goes first.

use http::Method;
use serde_json::{Value, json};

use super::reason_tests::{DENIED, deployment, fake, fault, pods_say, site};
use crate::{
    config::{AmbientCredentials, ClaimSettings, ClaimsPolicy, Config},
    testing::{
        fake::{Fake, NOW},
        fixtures::{claims, config},
        store::Site,
    },
};

fn direct() -> Value {
    json!({ "delivery": { "mode": "Direct" } })
}

/// Methods and names of the calls to S3.
fn calls(fake: &Fake) -> Vec<(Method, String)> {
    let calls = std::mem::take(&mut fake.store.lock().unwrap().calls);
    calls.into_iter().map(|(method, name, _)| (method, name)).collect()
}

#[tokio::test]
async fn s3_is_not_called_in_the_whole_life_of_an_endpoint() {
    let fake = fake(direct(), config()).await;
    site(&fake, Site::Resizer);
    fault(&fake, DENIED);
    pods_say(&fake, json!({ "originals": "Allowed" }));
    fake.settle().await;
    for (condition, reason) in [("RoutingRuleApplied", "NotNeeded"), ("PublicUrlVerified", "PublicUrlServes"), ("Ready", "Serving")] {
        let (status, why, message) = fake.condition(condition);
        assert_eq!((status.as_str(), why.as_str()), ("True", reason), "{condition}: {message}");
    }
    let status = fake.resource().unwrap().status.unwrap();
    assert!(status.routing_rules.is_empty() && status.redirect_url.is_none());
    assert!(status.store.is_some(), "the pods could read there");
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    fake.settle().await;
    assert!(fake.resource().is_none());
    assert_eq!(calls(&fake), []);
}

#[tokio::test]
async fn what_the_pods_would_enter_the_bucket_with_is_told_when_it_cannot_be_used() {
    for (bucket, says) in [
        (json!({ "caBundle": { "configMap": "none" } }), "ConfigMap none, named in bucket.caBundle, cannot be read"),
        (json!({ "caBundle": { "configMap": "nonsense" } }), "want certificates as PEM"),
        (json!({ "credentialsSecretRef": { "name": "none" } }), "Secret none"),
    ] {
        let fake = fake(json!({ "delivery": { "mode": "Direct" }, "bucket": bucket }), config()).await;
        let nonsense = json!({ "metadata": { "name": "nonsense" }, "data": { "ca.crt": "nonsense" } });
        fake.cluster.lock().unwrap().objects.insert("/api/v1/namespaces/demo/configmaps/nonsense".into(), nonsense);
        site(&fake, Site::Resizer);
        fake.settle().await;
        let (status, reason, message) = fake.condition("RoutingRuleApplied");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "SecretInvalid"), "{message}");
        assert!(message.contains(says), "{message}");
        assert_eq!(calls(&fake), []);
    }
}

#[tokio::test]
async fn the_public_url_is_asked_once_pods_serve_and_a_wrong_answer_is_told() {
    let fake = fake(direct(), config()).await;
    deployment(&fake, json!({}));
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "NotNeeded");
    assert_eq!((fake.condition("PublicUrlVerified").1, fake.condition("Ready").1), ("NotAttempted".into(), "Progressing".into()));
    fake.cluster.lock().unwrap().deployment = None;
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Verifying");
    NOW.set(NOW.get() + 60);
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "NotTheResizer");
    site(&fake, Site::Resizer);
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
}

/// The operator's own identity goes nowhere, so nobody has to allow it; whose tag must be read is the exception.
#[tokio::test]
async fn the_operators_identity_is_needed_for_a_tag_alone() {
    let ambient = AmbientCredentials::Listed;
    let closed = Config { claims: ClaimSettings { ambient_credentials: ambient, ..claims() }, ..config() };
    let fake = fake(direct(), closed).await;
    site(&fake, Site::Resizer);
    fake.settle().await;
    assert_eq!((fake.condition("Ready").1.as_str(), calls(&fake)), ("Serving", vec![]));

    let tag = ClaimSettings { policy: ClaimsPolicy::BucketTag, ambient_credentials: ambient, ..claims() };
    let fake = super::reason_tests::fake(direct(), Config { claims: tag, ..config() }).await;
    site(&fake, Site::Resizer);
    fake.settle().await;
    assert_eq!(fake.condition("Accepted").1, "BucketNotAllowed");
    assert!(calls(&fake).iter().all(|call| *call == (Method::GET, "tagging".to_owned())));
}

#[tokio::test]
async fn from_redirect_to_direct_the_mark_goes_out_of_the_bucket_first_and_back_it_comes_in_again() {
    let fake = fake(json!({ "bucket": { "publicRead": true } }), config()).await;
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    assert!(fake.config("website").is_some() && fake.config("policy").is_some());

    // as long as S3 refuses, nothing else changes
    fault(&fake, DENIED);
    fake.edit(|object| {
        object["spec"]["delivery"] = json!({ "mode": "Direct" });
        object["spec"]["bucket"]["publicRead"] = json!(false);
    });
    fake.settle().await;
    let (status, why, message) = fake.condition("RoutingRuleApplied");
    assert_eq!((status.as_str(), why.as_str()), ("False", "AccessDenied"));
    assert!(message.contains("deletionPolicy to Retain"), "{message}");
    assert_eq!(fake.resource().unwrap().status.unwrap().routing_rules.len(), 2);

    fake.store.lock().unwrap().fault = None;
    site(&fake, Site::Resizer);
    fake.settle().await;
    assert_eq!((fake.config("website"), fake.config("policy")), (None, None), "it was the operator's creation");
    assert_eq!(fake.condition("RoutingRuleApplied").1, "NotNeeded");
    assert_eq!(fake.condition("Ready").1, "Serving");
    let status = fake.resource().unwrap().status.unwrap();
    assert!(status.routing_rules.is_empty() && !status.website_created && status.public_read.is_none());
    calls(&fake);
    fake.settle().await;
    assert_eq!(calls(&fake), [], "from now on S3 is not called");

    site(&fake, Site::Website);
    fake.edit(|object| object["spec"]["delivery"] = json!({}));
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    assert!(fake.config("website").unwrap().contains("300x300/"));
}

#[tokio::test]
async fn with_retain_the_rules_stay_when_an_endpoint_becomes_direct() {
    let fake = fake(json!({ "deletionPolicy": "Retain" }), config()).await;
    fake.settle().await;
    let before = fake.config("website").unwrap();
    calls(&fake);
    fake.edit(|object| object["spec"]["delivery"] = json!({ "mode": "Direct" }));
    site(&fake, Site::Resizer);
    fake.settle().await;
    assert_eq!((fake.config("website"), calls(&fake)), (Some(before), vec![]));
    assert_eq!(fake.condition("Ready").1, "Serving");
    assert!(fake.resource().unwrap().status.unwrap().routing_rules.is_empty(), "they are no longer the operator's");
}
