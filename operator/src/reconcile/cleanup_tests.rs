//! In whatever order Secret, store, namespace and operator go, the rules are taken out of the bucket, or it is reported where they stay.

use std::{sync::Arc, time::Duration};

use resize_api::condition::Reason;
use serde_json::json;

use super::*;
use crate::{
    config::Config,
    reconcile::memory::Memory,
    testing::{
        fake::{Fake, NOW},
        fixtures::{AUTHORITY, config},
    },
};

const SECRET: &str = "/api/v1/namespaces/demo/secrets/s3";

/// An endpoint that serves with the keys of a Secret.
async fn serving(config: Config) -> Fake {
    let fake = Fake::new(config, |resource| {
        resource.spec.bucket.credentials_secret_ref = Some(serde_json::from_value(json!({ "name": "s3" })).unwrap());
    })
    .await;
    put_secret(&fake);
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    fake
}

fn put_secret(fake: &Fake) {
    let secret = json!({ "metadata": { "name": "s3" }, "data": { "AWS_ACCESS_KEY_ID": "aWQ=", "AWS_SECRET_ACCESS_KEY": "a2V5" } });
    fake.cluster.lock().unwrap().objects.insert(SECRET.to_owned(), secret);
}

fn delete(fake: &Fake) {
    let now = k8s_openapi::jiff::Timestamp::from_second(NOW.get()).unwrap().to_string();
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!(now));
}

fn delete_secret(fake: &Fake) {
    fake.cluster.lock().unwrap().objects.remove(SECRET);
}

fn terminate_namespace(fake: &Fake) {
    let namespace =
        json!({ "metadata": { "name": "demo", "deletionTimestamp": "2026-01-02T03:04:05Z" }, "status": { "phase": "Terminating" } });
    fake.cluster.lock().unwrap().objects.insert("/api/v1/namespaces/demo".to_owned(), namespace);
}

/// As after a restart of the operator.
fn forget(fake: &Fake) {
    fake.context.memories.keep(&fake.resource().unwrap(), Memory::default());
}

fn gave_up(fake: &Fake) -> bool {
    let told = fake.cluster.lock().unwrap().events.contains(&Reason::CleanupGivenUp.to_string());
    let text = fake.context.metrics.encode(&crate::admin::health::Phase::Leading, std::iter::empty());
    assert_eq!(text.contains("resize_operator_cleanups_given_up_total{"), told, "{text}");
    told
}

#[tokio::test]
async fn when_the_secret_goes_first_the_rules_go_with_the_keys_that_worked() {
    let fake = serving(config()).await;
    delete_secret(&fake);
    delete(&fake);
    fake.settle().await;
    assert!(fake.resource().is_none(), "held");
    assert_eq!((fake.config("website"), gave_up(&fake)), (None, false));
}

#[tokio::test]
async fn where_a_secret_is_named_the_operators_own_identity_is_not_used_instead() {
    let fake = Fake::new(config(), |resource| {
        resource.spec.bucket.ca_bundle = Some(serde_json::from_value(json!({ "configMap": "authorities" })).unwrap());
    })
    .await;
    let authorities = json!({ "metadata": { "name": "authorities" }, "data": { "ca.crt": AUTHORITY } });
    fake.cluster.lock().unwrap().objects.insert("/api/v1/namespaces/demo/configmaps/authorities".to_owned(), authorities);
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    // a Secret is named, whose keys never work
    put_secret(&fake);
    fake.store.lock().unwrap().fault = Some(("", 403, "AccessDenied"));
    fake.edit(|object| object["spec"]["bucket"]["credentialsSecretRef"] = json!({ "name": "s3" }));
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "AccessDenied");
    fake.store.lock().unwrap().fault = None;
    delete_secret(&fake);
    delete(&fake);
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "SecretInvalid");
    assert!(fake.config("website").is_some());
}

#[tokio::test]
async fn without_any_keys_the_object_is_held_until_its_namespace_is_deleted_too() {
    let fake = serving(config()).await;
    forget(&fake);
    delete_secret(&fake);
    delete(&fake);
    fake.settle().await;
    let (status, reason, message) = fake.condition("RoutingRuleApplied");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "SecretInvalid"));
    assert!(message.contains("Secret s3") && message.contains("deletionPolicy"), "{message}");
    // nothing else was looked at
    for condition in ["Accepted", "WorkloadAvailable", "PublicUrlVerified"] {
        assert_eq!(fake.condition(condition).0, "Unknown", "{condition}");
    }
    assert_eq!((fake.condition("Ready").1, gave_up(&fake)), ("SecretInvalid".to_owned(), false));

    terminate_namespace(&fake);
    fake.settle().await;
    assert!(fake.resource().is_none(), "held in a namespace that is being deleted");
    assert!(gave_up(&fake) && fake.config("website").is_some());
}

#[tokio::test]
async fn a_store_that_goes_with_its_namespace_holds_nothing() {
    for (endpoint, is_held) in [("http://s3.demo.svc:9000", false), ("http://s3.other.svc:9000", true)] {
        let fake = serving(config()).await;
        terminate_namespace(&fake);
        fake.edit(|object| object["status"]["store"]["endpoint"] = json!(endpoint));
        delete(&fake);
        fake.settle().await;
        assert_eq!((fake.resource().is_some(), gave_up(&fake)), (is_held, !is_held), "{endpoint}");
    }
}

#[tokio::test]
async fn the_operators_deadline_ends_what_would_be_held_for_ever() {
    let fake = serving(Config { cleanup_deadline: Some(Duration::from_mins(10)), ..config() }).await;
    forget(&fake);
    delete_secret(&fake);
    delete(&fake);
    NOW.set(NOW.get() + 599);
    fake.settle().await;
    assert!(fake.resource().is_some());
    NOW.set(NOW.get() + 1);
    fake.settle().await;
    assert!(fake.resource().is_none() && gave_up(&fake));
}

#[test]
fn the_mark_in_the_log_is_all_that_somebody_needs() {
    let mut resource = crate::testing::fixtures::resource();
    let wanted = crate::endpoint::Endpoint::new(&resource, &config()).unwrap().wanted;
    resource.status.get_or_insert_default().routing_rules = wanted.rules;
    let text = Mark::of(&Arc::new(resource)).to_json();
    assert!(text.contains("300x300/") && text.contains("resize.example.com"), "{text}");
}
