//! The resizer itself answers visitors: what is stored is streamed, what is missing is shown as soon as it is made.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, join_all};
use http::{Method, Request, StatusCode};
use resize_api::{Settings, delivery::DeliveryMode};
use resizer::store::{Head, Object, Opened, Overwrite, Store, StoreError};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::memory::{Faults, Fixture, Memory, body, header, png};

pub const TARGET: &str = "/30x30/cat.png";
pub const KEY: &str = "30x30/cat.png";

pub fn cat() -> Arc<Memory> {
    Memory::with(&[("cat.png", "image/png", png())])
}

pub fn direct(settings: &mut Settings) {
    settings.delivery.mode = DeliveryMode::Direct;
}

pub fn fixture(store: &Arc<Memory>, change: impl FnOnce(&mut Settings)) -> Fixture {
    Fixture::new(store.clone(), |settings| {
        direct(settings);
        change(settings);
    })
}

/// A request with one more header.
pub async fn ask(fixture: &Fixture, method: Method, target: &str, name: &str, value: &str) -> Response {
    let request = Request::builder().method(method).uri(target).header(name, value).body(Body::empty()).unwrap();
    fixture.app.clone().oneshot(request).await.unwrap()
}

/// A store in which the derivative of `cat.png` is.
pub async fn stored() -> Arc<Memory> {
    let store = cat();
    let fixture = fixture(&store, |_| {});
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::OK);
    fixture.settles().await;
    assert!(store.object(KEY).is_some());
    store.calls.lock().unwrap().clear();
    store
}

fn other() -> Bytes {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(60, 60, image::Rgb([200, 7, 9])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner().into()
}

fn replace(store: &Memory, key: &str, bytes: Bytes) {
    store.objects.lock().unwrap().get_mut(key).unwrap().1 = bytes;
}

/// A store that keeps nothing before it is told to.
pub struct Gate {
    store: Arc<Memory>,
    pub puts: Semaphore,
}

impl Store for Gate {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        self.store.get(key)
    }
    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.puts.acquire().await.unwrap().forget();
            self.store.put(key, object, overwrite).await
        }
        .boxed()
    }
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.store.head(key)
    }
    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(key, etag)
    }
}

pub fn gate() -> (Arc<Memory>, Arc<Gate>) {
    let store = cat();
    (store.clone(), Arc::new(Gate { store, puts: Semaphore::new(0) }))
}

#[tokio::test]
async fn the_first_visitor_gets_the_picture_before_it_is_stored() {
    let (store, gate) = gate();
    let fixture = Fixture::new(gate.clone(), direct);
    let response = fixture.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(header(&response, "cache-control"), "public, max-age=3600, stale-while-revalidate=86400");
    assert_eq!(header(&response, "accept-ranges"), "none");
    assert_eq!(response.headers().get("location"), None);
    let (etag, length) = (header(&response, "etag").to_owned(), header(&response, "content-length").to_owned());
    let bytes = body(response).await;
    assert_eq!((image::load_from_memory(&bytes).unwrap().width(), length), (30, bytes.len().to_string()));
    assert!(store.object(KEY).is_none() && fixture.counts("resizer_flights 1"));
    // who comes meanwhile gets the same picture, which is not made again
    let next = fixture.get(TARGET).await;
    assert_eq!(header(&next, "etag"), etag);
    assert_eq!(body(next).await, bytes);
    assert_eq!(store.calls().iter().filter(|call| *call == "get cat.png").count(), 1);
    gate.puts.add_permits(1);
    fixture.settles().await;
    assert_eq!(store.object(KEY), Some(("image/png".to_owned(), bytes.clone())));
    for stage in ["fetch", "decode", "encode", "store"] {
        assert!(fixture.counts(&format!("resizer_stage_duration_seconds_count{{stage=\"{stage}\"}} 1")), "{stage}");
    }
    // and from then on it is streamed, by another replica too
    store.calls.lock().unwrap().clear();
    let replica = self::fixture(&store, |_| {});
    let response = replica.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "etag")), (StatusCode::OK, etag.as_str()));
    assert_eq!(header(&response, "last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!((header(&response, "content-length"), header(&response, "content-type")), (bytes.len().to_string().as_str(), "image/png"));
    assert_eq!(header(&response, "cache-control"), "public, max-age=3600, stale-while-revalidate=86400");
    assert_eq!(body(response).await, bytes);
    assert_eq!(store.calls(), ["head cat.png", "get 30x30/cat.png"], "the original is looked at, not read");
    assert_eq!((fixture.outcomes("made"), replica.outcomes("streamed")), (2, 1));
}

#[tokio::test]
async fn every_path_leads_to_it() {
    let store = stored().await;
    let fixture = fixture(&store, |_| {});
    for target in [TARGET, "/default/resize?key=30x30/cat.png", "/default/resize/30x30/cat.png", "/30x30/c%61t.png?v=2"] {
        assert_eq!(fixture.get(target).await.status(), StatusCode::OK, "{target}");
    }
    for (target, status) in [
        ("/", 404),
        ("/cat.png", 404),
        ("/photos/30x30/cat.png", 404),
        ("/31x31/cat.png", 403),
        ("/030x30/cat.png", 403),
        ("/30x30/", 404),
        ("/30x30/30x30/cat.png", 400),
        ("/30x30/none.png", 404),
        ("/30x30/%00", 400),
        ("/default/resize?key=", 400),
        ("/30x30/../cat.png", 400),
    ] {
        let response = fixture.get(target).await;
        assert_eq!(response.status(), status, "{target}");
        assert_eq!((header(&response, "content-type"), header(&response, "cache-control")), ("application/json", "no-store"), "{target}");
    }
    assert_eq!(fixture.send(Method::POST, TARGET).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn many_visitors_make_one_picture() {
    let (store, gate) = gate();
    store.fail(Faults { delay: Duration::from_millis(100), ..Faults::default() });
    let fixture = Fixture::new(gate.clone(), |settings| {
        direct(settings);
        settings.queue_length = 1.try_into().unwrap();
    });
    let responses = join_all((0..200).map(|_| fixture.get(TARGET))).await;
    assert!(responses.iter().all(|response| response.status() == StatusCode::OK));
    drop(responses);
    gate.puts.add_permits(2);
    fixture.settles().await;
    let count = |what: &str| store.calls().iter().filter(|call| call.starts_with(what)).count();
    assert_eq!((count("get cat.png"), count("put")), (1, 1));
    assert!(fixture.counts("resizer_coalesced_requests_total 199") && fixture.counts("resizer_pictures_total{format=\"png\"} 1"));
}

#[tokio::test]
async fn a_replaced_original_is_never_shown_as_it_was() {
    let store = stored().await;
    let fixture = fixture(&store, |_| {});
    let old = fixture.get(TARGET).await;
    replace(&store, "cat.png", other());
    for _ in 0..2 {
        let response = fixture.get(TARGET).await;
        assert_ne!(header(&response, "etag"), header(&old, "etag"));
        let picture = image::load_from_memory(&body(response).await).unwrap().to_rgb8();
        assert_eq!(picture.get_pixel(15, 15).0, [200, 7, 9]);
        fixture.settles().await;
    }
    // the old tag is no longer what there is
    let response = ask(&fixture, Method::GET, TARGET, "if-none-match", header(&old, "etag")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((fixture.outcomes("made"), fixture.outcomes("streamed")), (1, 3));
}

#[tokio::test]
async fn a_replaced_original_is_not_shown_as_it_was_while_that_is_stored() {
    let (store, gate) = gate();
    let fixture = Fixture::new(gate.clone(), direct);
    let old = fixture.get(TARGET).await;
    replace(&store, "cat.png", other());
    let new = fixture.get(TARGET).await;
    assert_ne!(header(&new, "etag"), header(&old, "etag"));
    let picture = image::load_from_memory(&body(new).await).unwrap().to_rgb8();
    assert_eq!(picture.get_pixel(15, 15).0, [200, 7, 9]);
    drop(old);
    gate.puts.add_permits(4);
    fixture.settles().await;
    let picture = image::load_from_memory(&body(fixture.get(TARGET).await).await).unwrap().to_rgb8();
    assert_eq!(picture.get_pixel(15, 15).0, [200, 7, 9]);
}

#[tokio::test]
async fn other_settings_make_another_picture() {
    let store = stored().await;
    let fixture = fixture(&store, |settings| settings.recipe.without_enlargement = true);
    let progressive = self::fixture(&store, |settings| settings.recipe.progressive = true);
    assert_ne!(header(&fixture.get(TARGET).await, "etag"), header(&progressive.get(TARGET).await, "etag"));
}

#[tokio::test]
async fn what_is_stored_is_not_shown_without_its_original() {
    let store = stored().await;
    store.objects.lock().unwrap().remove("cat.png");
    let fixture = fixture(&store, |_| {});
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(fixture.send(method, TARGET).await.status(), StatusCode::NOT_FOUND);
    }
    let response = ask(&fixture, Method::GET, TARGET, "if-none-match", "*").await;
    assert_eq!((response.status(), header(&response, "cache-control")), (StatusCode::NOT_FOUND, "no-store"));
    assert!(store.object(KEY).is_some());
    assert_eq!(store.calls(), ["head cat.png", "get 30x30/cat.png"], "then it is remembered");
}

#[tokio::test]
async fn who_has_it_is_told_so() {
    let store = stored().await;
    let fixture = fixture(&store, |_| {});
    let etag = header(&fixture.get(TARGET).await, "etag").to_owned();
    assert!(etag.starts_with("W/\"") && etag.len() == 20, "{etag}");
    store.calls.lock().unwrap().clear();
    let strong = etag.trim_start_matches("W/");
    for sent in [etag.as_str(), strong, &format!("\"x\", {etag}"), "*"] {
        for method in [Method::GET, Method::HEAD] {
            let response = ask(&fixture, method, TARGET, "if-none-match", sent).await;
            assert_eq!((response.status(), header(&response, "etag")), (StatusCode::NOT_MODIFIED, etag.as_str()), "{sent}");
            assert_eq!(header(&response, "cache-control"), "public, max-age=3600, stale-while-revalidate=86400");
            assert!(response.headers().get("content-length").is_none() && body(response).await.is_empty());
        }
    }
    assert!(store.calls()[..6].iter().all(|call| call == "head cat.png"), "{:?}", store.calls());
    let response = ask(&fixture, Method::GET, TARGET, "if-none-match", "\"x\"").await;
    assert_eq!(response.status(), StatusCode::OK);
    // one that is made for this request is the same
    store.objects.lock().unwrap().remove(KEY);
    assert_eq!(ask(&fixture, Method::GET, TARGET, "if-none-match", "*").await.status(), StatusCode::NOT_MODIFIED);
    // what may not be shown is not confirmed
    let private = self::fixture(&store, |settings| settings.source.exclude_prefixes = vec!["cat".into()]);
    assert_eq!(ask(&private, Method::GET, TARGET, "if-none-match", &etag).await.status(), StatusCode::NOT_FOUND);
    let shorter = self::fixture(&store, |settings| settings.allowed_resolutions.retain(|size| size.width != 30));
    assert_eq!(ask(&shorter, Method::GET, TARGET, "if-none-match", &etag).await.status(), StatusCode::FORBIDDEN);
    assert!(fixture.outcomes("not_modified") == 9);
}

#[tokio::test]
async fn head_says_the_same_without_a_body() {
    let store = cat();
    let fixture = fixture(&store, |_| {});
    // made, and streamed
    for outcome in ["made", "streamed"] {
        let response = fixture.send(Method::HEAD, TARGET).await;
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/png"), "{outcome}");
        assert!(header(&response, "content-length").parse::<u64>().unwrap() > 50 && !header(&response, "etag").is_empty());
        assert!(body(response).await.is_empty());
        fixture.settles().await;
        assert_eq!(fixture.outcomes(outcome), 1);
    }
    assert!(!store.calls().contains(&format!("get {KEY}")), "only looked at");
}

#[tokio::test]
async fn without_revalidation_the_original_is_not_looked_at() {
    let store = stored().await;
    let fixture = fixture(&store, |settings| settings.delivery.revalidate = false);
    let with = self::fixture(&store, |_| {}).get(TARGET).await;
    store.calls.lock().unwrap().clear();
    let response = fixture.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "etag")), (StatusCode::OK, header(&with, "etag")));
    let same = ask(&fixture, Method::GET, TARGET, "if-none-match", header(&with, "etag")).await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(store.calls(), ["get 30x30/cat.png", "head 30x30/cat.png"]);
    // settings still count, and what is missing is made
    let other = self::fixture(&store, |settings| {
        settings.delivery.revalidate = false;
        settings.recipe.quality = Some("7".parse().unwrap());
    });
    other.get(TARGET).await;
    fixture.get("/640x0/cat.png").await;
    assert_eq!((other.outcomes("made"), fixture.outcomes("made")), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_stored_is_shown_all_the_same() {
    let store = cat();
    store.fail(Faults { put: Some(StoreError::Forbidden), ..Faults::default() });
    let fixture = fixture(&store, |_| {});
    for _ in 0..2 {
        let response = fixture.get(TARGET).await;
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/png"));
        drop(response);
        fixture.settles().await;
    }
    assert!(fixture.counts("resizer_store_failures_total 2") && fixture.counts("resizer_loop_guard_hits_total 0"));
}

#[tokio::test]
async fn what_no_resizer_made_is_shown_if_it_is_a_picture_and_stays() {
    for (content_type, is_shown) in [("image/webp", true), ("text/html", false)] {
        let store = cat();
        store.objects.lock().unwrap().insert(KEY.into(), (content_type.into(), "by hand".into()));
        let fixture = fixture(&store, |_| {});
        let response = fixture.get(TARGET).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), if is_shown { "image/webp" } else { "image/png" });
        let etag = header(&response, "etag").to_owned();
        assert_eq!(body(response).await == "by hand", is_shown);
        fixture.settles().await;
        assert_eq!(store.object(KEY).unwrap().1, "by hand");
        assert_eq!(ask(&fixture, Method::GET, TARGET, "if-none-match", &etag).await.status(), StatusCode::NOT_MODIFIED);
    }
}
