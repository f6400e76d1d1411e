//! Decisions by the clock, without one that runs.

use super::*;

fn candidate() -> Candidate {
    let nobody = tower::service_fn(async |_: axum::http::Request<kube::client::Body>| {
        Err::<axum::http::Response<kube::client::Body>, _>(std::io::Error::other("no API here"))
    });
    Candidate::new(Api::namespaced(kube::Client::new(nobody, "demo"), "demo"), "lease".into(), "me".into(), Fence::closed())
}

fn lease(holder: &str, version: &str) -> Lease {
    serde_json::from_value(serde_json::json!({
        "metadata": { "name": "lease", "resourceVersion": version },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3, "acquireTime": "2026-01-02T03:04:05.000000Z" },
    }))
    .unwrap()
}

#[tokio::test]
async fn a_holder_is_given_up_when_its_lease_did_not_change_for_its_duration() {
    let (mut me, start) = (candidate(), Instant::now());
    let mut look = |version: &str, seconds: u64| me.plan(Some(&lease("other", version)), start + Duration::from_secs(seconds));
    assert_eq!(look("1", 0), Plan::Wait(RETRY));
    assert_eq!(look("1", 14), Plan::Wait(Duration::from_secs(1)));
    assert_eq!(look("2", 15), Plan::Wait(RETRY), "it was renewed");
    assert_eq!(look("2", 29), Plan::Wait(Duration::from_secs(1)));
    assert_eq!(look("2", 30), Plan::Take);
}

#[tokio::test]
async fn a_lease_that_nobody_holds_is_taken_at_once() {
    let mut me = candidate();
    assert_eq!(me.plan(None, Instant::now()), Plan::Create);
    assert_eq!(me.plan(Some(&lease("", "1")), Instant::now()), Plan::Take);
    assert_eq!(me.plan(Some(&lease("me", "1")), Instant::now()), Plan::Take);
}

#[tokio::test]
async fn a_change_of_holder_is_counted_and_a_renewal_is_not() {
    let me = candidate();
    let taken = me.ours(lease("other", "1")).spec.unwrap();
    assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("me"), Some(4)));
    let renewed = me.ours(lease("me", "1"));
    assert_eq!(renewed.metadata.resource_version.as_deref(), Some("1"), "a write on top of another one is refused");
    let renewed = renewed.spec.unwrap();
    assert_eq!(renewed.lease_transitions, Some(3));
    assert_eq!(renewed.acquire_time, lease("me", "1").spec.unwrap().acquire_time);
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_is_lost() {
    let mut me = candidate();
    me.held = Some(lease("me", "1"));
    let lost = me.keep().await;
    assert!(lost.to_string().contains("lost the lease lease: not renewed within 10 s"), "{lost}");
    assert!(me.fence.left().is_zero());
}

#[test]
fn it_stops_before_another_begins() {
    assert!(TRUST + RETRY < DURATION);
}
