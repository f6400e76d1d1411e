//! Derivatives go with the endpoint that asks for it, or it is told that they stay. Those of another endpoint are never touched.

use std::{sync::Arc, time::Duration};

use resize_api::condition::Reason;
use serde_json::{Value, json};

use crate::{
    config::Config,
    testing::{
        fake::{Fake, NOW},
        fixtures::config,
    },
};

const JOB: &str = "/apis/batch/v1/namespaces/demo/jobs/photos-purge";
const SECRET: &str = "/api/v1/namespaces/demo/secrets/s3-delete";

async fn deleted(config: Config) -> Fake {
    let fake = Fake::new(config, |resource| {
        let derivatives = json!({ "onDelete": "Delete", "credentialsSecretRef": { "name": "s3-delete" } });
        resource.spec.derivatives = Some(serde_json::from_value(derivatives).unwrap());
    })
    .await;
    fake.cluster.lock().unwrap().objects.insert(SECRET.to_owned(), json!({ "metadata": { "name": "s3-delete" } }));
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    let now = k8s_openapi::jiff::Timestamp::from_second(NOW.get()).unwrap().to_string();
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!(now));
    fake
}

fn job(fake: &Fake) -> Option<Value> {
    fake.cluster.lock().unwrap().objects.get(JOB).cloned()
}

fn set_job(fake: &Fake, status: Value) {
    fake.cluster.lock().unwrap().objects.get_mut(JOB).unwrap()["status"] = status;
}

fn ended(type_: &str) -> Value {
    json!({ "conditions": [{ "type": type_, "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z" }] })
}

fn told(fake: &Fake, reason: Reason) -> bool {
    fake.cluster.lock().unwrap().events.contains(&reason.to_string())
}

fn is_gone(fake: &Fake) -> bool {
    fake.resource().is_none() && job(fake).is_none()
}

fn later(duration: Duration) {
    NOW.set(NOW.get() + i64::try_from(duration.as_secs()).unwrap());
}

#[tokio::test]
async fn the_object_is_held_until_its_derivatives_are_deleted() {
    let fake = deleted(config()).await;
    fake.settle().await;
    assert_eq!(fake.config("website"), None, "rules lead to pods that are about to go");
    let (status, reason, message) = fake.condition("DerivativesCurrent");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Purging"));
    assert!(message.contains("set derivatives.onDelete to Keep"), "{message}");
    let made = job(&fake).unwrap();
    assert_eq!(made["metadata"]["annotations"]["resize-operator.dev/owner"], "c0ffee");
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["args"][1], "--purge");
    // as long as it works it is waited for
    set_job(&fake, json!({ "active": 1, "ready": 1 }));
    later(Duration::from_hours(9));
    fake.settle().await;
    assert!(fake.resource().is_some());
    set_job(&fake, ended("Complete"));
    fake.settle().await;
    assert!(is_gone(&fake) && !told(&fake, Reason::PurgeGivenUp));
}

/// The removal of its Job is heard too, and so is the object, from before its end.
#[tokio::test]
async fn an_object_that_is_gone_is_not_purged_once_more() {
    let fake = deleted(config()).await;
    fake.settle().await;
    let stale = fake.resource().unwrap();
    set_job(&fake, ended("Complete"));
    fake.settle().await;
    assert!(is_gone(&fake));
    drop(crate::reconcile::reconcile(Arc::new(stale), Arc::clone(&fake.context)).await);
    assert!(is_gone(&fake));
}

#[tokio::test]
async fn it_begins_when_no_pod_makes_further_ones() {
    let fake = deleted(config()).await;
    let pod = |phase: &str| vec![json!({ "metadata": { "name": "p" }, "status": { "phase": phase } })];
    fake.cluster.lock().unwrap().pods = pod("Running");
    fake.settle().await;
    assert!(job(&fake).is_none() && fake.condition("DerivativesCurrent").1 == "Purging");
    fake.cluster.lock().unwrap().pods = pod("Succeeded");
    fake.settle().await;
    assert!(job(&fake).is_some());

    // pods of a node that is gone never end
    let fake = deleted(config()).await;
    fake.cluster.lock().unwrap().pods = pod("Running");
    later(Duration::from_secs(301));
    fake.settle().await;
    assert!(job(&fake).is_some());
}

#[tokio::test]
async fn a_purge_that_fails_holds_the_object_for_an_hour_or_until_the_user_lets_it_go() {
    for lets_go in [false, true] {
        let fake = deleted(config()).await;
        fake.settle().await;
        set_job(&fake, ended("Failed"));
        fake.settle().await;
        let (_, reason, message) = fake.condition("DerivativesCurrent");
        assert_eq!(reason, "PurgeFailed", "{message}");
        assert!(told(&fake, Reason::PurgeFailed) && fake.resource().is_some());
        if lets_go {
            fake.edit(|object| object["spec"]["derivatives"]["onDelete"] = json!("Keep"));
        } else {
            later(Duration::from_hours(1));
        }
        fake.settle().await;
        assert!(is_gone(&fake), "{lets_go}");
        assert_eq!(told(&fake, Reason::PurgeGivenUp), !lets_go);
    }
}

#[tokio::test]
async fn without_its_secret_it_waits_for_it_and_not_for_ever() {
    let fake = deleted(config()).await;
    fake.cluster.lock().unwrap().objects.remove(SECRET);
    fake.settle().await;
    let (_, reason, message) = fake.condition("DerivativesCurrent");
    assert!(reason == "PurgeFailed" && message.contains("Secret s3-delete"), "{reason} {message}");
    assert!(job(&fake).is_none());
    later(Duration::from_hours(1));
    fake.settle().await;
    assert!(is_gone(&fake) && told(&fake, Reason::PurgeGivenUp));
    let text = fake.context.metrics.encode(&crate::admin::health::Phase::Leading, std::iter::empty());
    assert!(text.contains(r#"resize_operator_cleanups_given_up_total{reason="PurgeGivenUp"} 1"#), "{text}");
}

#[tokio::test]
async fn the_operators_deadline_ends_also_a_purge_that_works() {
    let fake = deleted(Config { cleanup_deadline: Some(Duration::from_mins(10)), ..config() }).await;
    fake.settle().await;
    set_job(&fake, json!({ "active": 1, "ready": 1 }));
    later(Duration::from_mins(10));
    fake.settle().await;
    assert!(is_gone(&fake) && told(&fake, Reason::PurgeGivenUp));
}

#[tokio::test]
async fn in_a_namespace_that_is_being_deleted_nothing_is_started() {
    let fake = deleted(config()).await;
    let namespace = json!({ "metadata": { "name": "demo", "deletionTimestamp": "2026-01-02T03:04:05Z" } });
    fake.cluster.lock().unwrap().objects.insert("/api/v1/namespaces/demo".to_owned(), namespace);
    fake.settle().await;
    assert!(is_gone(&fake) && told(&fake, Reason::PurgeGivenUp));
    let made = fake.cluster.lock().unwrap().calls.iter().any(|(method, path)| path == JOB && *method == http::Method::PATCH);
    assert!(!made);
}

#[tokio::test]
async fn what_another_endpoint_has_is_not_touched() {
    let fake = deleted(config()).await;
    let mut older = fake.resource().unwrap();
    (older.metadata.namespace, older.metadata.uid) = (Some("other".into()), Some("older".into()));
    older.metadata.creation_timestamp = Some(crate::testing::fixtures::time("2025-01-01T00:00:00Z"));
    fake.context.claims.put(&Arc::new(older));
    fake.settle().await;
    assert!(fake.resource().is_none());
    let asked = fake.cluster.lock().unwrap().calls.iter().any(|(method, path)| path == JOB && *method == http::Method::PATCH);
    assert!(!asked, "the derivatives are of the one that has the bucket");
}

#[tokio::test]
async fn a_job_of_somebody_else_is_left_alone() {
    let fake = deleted(config()).await;
    let theirs = json!({ "metadata": { "name": "photos-purge", "annotations": { "resize-operator.dev/owner": "older" } }, "status": ended("Complete") });
    fake.cluster.lock().unwrap().objects.insert(JOB.to_owned(), theirs);
    fake.settle().await;
    assert!(fake.resource().is_some() && fake.condition("DerivativesCurrent").2.contains("not this endpoint's"));
}
