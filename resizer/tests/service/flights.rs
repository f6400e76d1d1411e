//! What happens when requests for a key meet: at once, one after the other, and in a loop.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use http::StatusCode;
use resizer::store::StoreError;
use tokio::time::timeout;

use crate::memory::{Faults, Fixture, Memory, body, header, jpeg, png};

const TARGET: &str = "/default/resize?key=30x30/cat.png";
const KEY: &str = "30x30/cat.png";

fn cat() -> Arc<Memory> {
    Memory::with(&[("cat.png", "image/png", png())])
}

fn slow() -> Faults {
    Faults { delay: Duration::from_millis(200), ..Faults::default() }
}

#[tokio::test]
async fn many_requests_make_one_flight() {
    let store = cat();
    store.fail(slow());
    let fixture = Fixture::new(store.clone(), |settings| settings.queue_length = 1.try_into().unwrap());
    let responses = join_all((0..200).map(|_| fixture.get(TARGET))).await;
    assert!(responses.iter().all(|response| response.status() == StatusCode::TEMPORARY_REDIRECT));
    assert_eq!(store.calls(), ["get cat.png", "put 30x30/cat.png"]);
    assert!(fixture.counts("resizer_coalesced_requests_total 199"));
    assert!(fixture.counts("resizer_requests_total{outcome=\"redirected\"} 200"));
}

#[tokio::test]
async fn followers_get_the_failure_of_their_leader_and_the_next_request_tries_again() {
    let store = cat();
    store.fail(Faults { get: Some(StoreError::TimedOut), ..slow() });
    let fixture = Fixture::new(store.clone(), |_| {});
    let responses = join_all((0..10).map(|_| fixture.get(TARGET))).await;
    assert!(responses.iter().all(|response| response.status() == StatusCode::GATEWAY_TIMEOUT));
    assert_eq!(store.calls().len(), 1);
    store.fail(Faults::default());
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
}

#[tokio::test]
async fn a_visitor_who_goes_away_frees_the_place() {
    let store = cat();
    store.fail(slow());
    let fixture = Fixture::new(store.clone(), |_| {});
    assert!(timeout(Duration::from_millis(50), fixture.get(TARGET)).await.is_err());
    assert!(fixture.counts("resizer_flights 0") && fixture.counts("resizer_in_flight_requests 0"));
    assert!(fixture.counts("resizer_requests_total{outcome=\"client_gone\"} 1"));
    assert_eq!(store.calls(), ["get cat.png"]);
}

#[tokio::test]
async fn too_many_keys_at_once_are_refused() {
    let store = Memory::with(&[("a", "image/jpeg", jpeg()), ("b", "image/jpeg", jpeg())]);
    store.fail(slow());
    let fixture = Fixture::new(store, |settings| settings.queue_length = 1.try_into().unwrap());
    let (first, second) = futures::join!(fixture.get("/default/resize?key=30x30/a"), fixture.get("/default/resize?key=30x30/b"));
    assert_eq!(first.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&second, "retry-after"), "5");
    assert_eq!(body(second).await, r#"{"message":"Service Unavailable: Too busy, try again later"}"#);
}

#[tokio::test]
async fn a_loop_is_broken_by_the_picture_itself() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |_| {});
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    // stored again, or not there at all: the visitor sees the same
    for (gone, calls) in
        [(false, vec![format!("get {KEY}")]), (true, vec![format!("get {KEY}"), "get cat.png".into(), format!("put {KEY}")])]
    {
        let (content_type, bytes) = store.object(KEY).unwrap();
        if gone {
            store.objects.lock().unwrap().remove(KEY);
        }
        store.calls.lock().unwrap().clear();
        let response = fixture.get(TARGET).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), content_type);
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(body(response).await, bytes);
        assert_eq!(store.calls(), calls);
    }
    assert!(fixture.counts("resizer_loop_guard_hits_total 2"));
    assert!(fixture.counts("resizer_requests_total{outcome=\"shown_in_loop\"} 2"));
}

#[tokio::test]
async fn a_loop_shows_pictures_only() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |_| {});
    fixture.get(TARGET).await;
    let page = ("text/html".to_owned(), "<script>".into());
    store.objects.lock().unwrap().insert(KEY.into(), page);
    let response = fixture.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/png"));
}

#[tokio::test]
async fn a_picture_that_cannot_be_stored_is_shown() {
    let store = cat();
    store.fail(Faults { put: Some(StoreError::Forbidden), ..Faults::default() });
    let fixture = Fixture::new(store.clone(), |_| {});
    for _ in 0..2 {
        let response = fixture.get(TARGET).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), "image/png");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(image::load_from_memory(&body(response).await).unwrap().width(), 30);
    }
    assert!(fixture.counts("resizer_store_failures_total 2"));
    assert!(fixture.counts("resizer_loop_guard_hits_total 0"));
}
