//! Decisions of the lease by time, with a clock of the tests.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;

use super::*;
use crate::testing::fake::refuse;

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

/// An API server for one Lease: what it holds, and how long it takes to answer.
fn api(lease: Arc<Mutex<Option<Lease>>>, delay: Duration) -> Api<Lease> {
    let service = tower::service_fn(move |request: axum::http::Request<kube::client::Body>| {
        let lease = lease.clone();
        async move {
            tokio::time::sleep(delay).await;
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let mut lease = lease.lock().unwrap();
            let (status, answer) = match (parts.method.as_str(), lease.is_some()) {
                ("GET" | "PUT", false) => refuse(StatusCode::NOT_FOUND),
                ("POST", true) => refuse(StatusCode::CONFLICT),
                ("GET", true) => (StatusCode::OK, serde_json::to_value(&*lease).unwrap()),
                _ => {
                    *lease = Some(serde_json::from_slice(&body).unwrap());
                    (StatusCode::OK, serde_json::to_value(&*lease).unwrap())
                }
            };
            let answer = kube::client::Body::from(serde_json::to_vec(&answer).unwrap());
            Ok::<_, std::convert::Infallible>(axum::http::Response::builder().status(status).body(answer).unwrap())
        }
    });
    Api::namespaced(kube::Client::new(service, "demo"), "demo")
}

#[tokio::test]
async fn a_lease_that_somebody_deleted_is_made_anew() {
    let there: Arc<Mutex<Option<Lease>>> = Arc::default();
    let mut me = Candidate { api: api(there.clone(), Duration::ZERO), ..candidate() };
    me.held = Some(lease("me", "1"));
    assert!(me.renew().await.unwrap());
    assert_eq!(there.lock().unwrap().as_ref().and_then(holder), Some("me"));
    assert!(!me.fence.left().is_zero());
    // but not over the head of another one
    let there = Arc::new(Mutex::new(Some(lease("other", "2"))));
    let mut me = Candidate { api: api(there, Duration::ZERO), ..candidate() };
    assert!(!me.renew().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_takes_three_seconds_is_no_reason_to_end() {
    let there = Arc::new(Mutex::new(Some(lease("me", "1"))));
    let mut me = Candidate { api: api(there, Duration::from_secs(3)), ..candidate() };
    me.held = Some(lease("me", "1"));
    me.fence.open_until(Instant::now() + TRUST);
    let lost = tokio::time::timeout(Duration::from_mins(1), me.keep()).await;
    assert!(lost.is_err(), "{lost:?}");
}

#[test]
fn a_name_tells_the_pod_and_no_restart_of_it_has_the_same() {
    let held = lease(&identity("operator-7d_9f", 7), "1");
    assert_eq!(holder(&held), Some("operator-7d_9f_0000000000000007"));
    assert_eq!((holder(&held).map(pod_of), pod_of("somebody")), (Some("operator-7d_9f"), "somebody"));
    assert_eq!((holder(&lease("", "1")), duration(&held), duration(&Lease::default())), (None, Some(Duration::from_secs(15)), None));
}
