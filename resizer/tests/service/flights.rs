//! Several requests for a key: at the same time, one after the other, and in a redirect loop.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt, join_all};
use http::StatusCode;
use resizer::store::{Head, Object, Opened, Overwrite, Store, StoreError};
use tokio::time::timeout;

use crate::memory::{Faults, Fixture, Memory, URL, body, header, jpeg, png};

const TARGET: &str = "/default/resize?key=30x30/cat.png";
const KEY: &str = "30x30/cat.png";
/// What a picture that was not there costs.
const MADE: [&str; 4] = ["get cat.png", "head 30x30/cat.png", "put 30x30/cat.png", "head cat.png"];

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
    assert_eq!(store.calls(), MADE);
    assert!(fixture.counts("resizer_coalesced_requests_total 199"));
    assert!(fixture.outcomes("redirected") == 200);
}

#[tokio::test]
async fn followers_get_the_failure_of_their_leader_and_the_next_request_tries_again() {
    let store = cat();
    store.fail(Faults { get: Some(StoreError::TimedOut), ..slow() });
    let fixture = Fixture::new(store.clone(), |_| {});
    let responses = join_all((0..10).map(|_| fixture.get(TARGET))).await;
    assert!(responses.iter().all(|response| response.status() == StatusCode::GATEWAY_TIMEOUT));
    assert_eq!(store.calls(), MADE[..2]);
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
    assert!(fixture.outcomes("client_gone") == 1);
    assert_eq!(store.calls(), MADE[..2]);
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
    let look = ["head 30x30/cat.png", "head cat.png"];
    let stored = format!("get {KEY}");
    // it is there; it is gone, as an event deletes what is stale; it is gone again
    for (gone, status, calls) in [
        (false, StatusCode::OK, [&look[..], &[&*stored]].concat()),
        (true, StatusCode::TEMPORARY_REDIRECT, [&look[..1], &MADE].concat()),
        (true, StatusCode::OK, [&look[..1], &[&*stored], &MADE].concat()),
    ] {
        let (content_type, bytes) = store.object(KEY).unwrap();
        if gone {
            store.objects.lock().unwrap().remove(KEY);
        }
        store.calls.lock().unwrap().clear();
        let response = fixture.get(TARGET).await;
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        if status == StatusCode::OK {
            assert_eq!(header(&response, "content-type"), content_type);
            assert_eq!(body(response).await, bytes);
        }
        assert_eq!(store.calls(), calls);
    }
    assert!(fixture.counts("resizer_loop_guard_hits_total 2"));
    assert!(fixture.outcomes("shown_in_loop") == 2);
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

/// A visitor of a website that keeps answering 404: every redirect of ours leads back to us, through
/// a balancer that asks each of `replicas` in turn. Gives what the visitor got in the end, and after how many answers.
async fn go_round(store: &Arc<Memory>, replicas: usize) -> (StatusCode, usize) {
    let replicas: Vec<_> = (0..replicas).map(|_| Fixture::new(store.clone(), |_| {})).collect();
    let mut target = TARGET.to_owned();
    for hop in 1..=20 {
        let response = replicas[hop % replicas.len()].get(&target).await;
        let location = header(&response, "location").to_owned();
        let Some(key) = location.strip_prefix(&format!("{URL}/")) else { return (response.status(), hop) };
        // the website's routing rule
        target = format!("/default/resize?key={key}");
    }
    (StatusCode::LOOP_DETECTED, 20)
}

#[tokio::test]
async fn a_website_that_keeps_answering_404_ends_in_the_picture() {
    for replicas in [1, 2, 3] {
        for unconditional in [false, true] {
            let store = cat();
            store.fail(Faults { unconditional, ..Faults::default() });
            assert_eq!(go_round(&store, replicas).await, (StatusCode::OK, replicas + 1), "{replicas} replicas");
        }
    }
}

#[tokio::test]
async fn followers_survive_the_panic_of_their_leader() {
    struct Panics(Arc<Memory>);
    impl Store for Panics {
        fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
            async move {
                drop(self.0.get(key).await);
                unreachable!("on purpose")
            }
            .boxed()
        }
        fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
            self.0.put(key, object, overwrite)
        }
        fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
            self.0.head(key)
        }
        fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
            self.0.delete(key, etag)
        }
    }
    let store = cat();
    store.fail(slow());
    let fixture = Fixture::new(Arc::new(Panics(store.clone())), |_| {});
    let responses = join_all((0..50).map(|_| fixture.get(TARGET))).await;
    assert!(responses.iter().all(|response| response.status() == StatusCode::INTERNAL_SERVER_ERROR));
    assert!(fixture.counts("resizer_panics_total 1") && fixture.counts("resizer_flights 0"));
    assert_eq!(store.calls(), MADE[..2]);
}

#[tokio::test]
async fn nothing_takes_longer_than_it_may() {
    let store = cat();
    store.fail(Faults { delay: Duration::from_mins(1), ..Faults::default() });
    let fixture = Fixture::new(store.clone(), |settings| settings.bounds.fetch = Duration::from_millis(50));
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(fixture.outcomes("store_timed_out"), 1);
    let fixture = Fixture::new(store, |settings| settings.bounds.request = Duration::from_millis(50));
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(fixture.outcomes("request_timed_out"), 1);
    assert!(fixture.counts("resizer_flights 0") && fixture.counts("resizer_in_flight_requests 0"));
}

#[tokio::test]
async fn a_picture_that_takes_too_long_is_given_up_and_remembered_for_its_size() {
    let mut large = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(2000, 2000, |x, y| image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 7]))
        .write_to(&mut large, image::ImageFormat::Png)
        .unwrap();
    let store = Memory::with(&[("cat.png", "image/png", large.into_inner().into())]);
    let fixture = Fixture::new(store.clone(), |settings| settings.bounds.resize = Duration::from_millis(1));
    for _ in 0..2 {
        assert_eq!(fixture.get(TARGET).await.status(), StatusCode::GATEWAY_TIMEOUT);
    }
    assert_eq!((fixture.outcomes("too_slow"), store.calls().len()), (2, 2));
    fixture.get("/default/resize?key=640x0/cat.png").await;
    assert_eq!(store.calls().len(), 4, "another size may take less");
    // what it holds is free once it has ended
    fixture.settles().await;
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
    fixture.settles().await;
    assert!(fixture.counts("resizer_loop_guard_hits_total 0"));
}
