//! Status, body and labels of each answer that docs/resizer.md promises.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::{Method, StatusCode};
use resizer::store::{Head, Object, Opened, Overwrite, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::memory::{Faults, Fixture, Memory, URL, as_sent, body, header, jpeg, png};

const SMALL: &str = "/default/resize?key=30x30/photos/cat.jpg";

fn cat() -> Arc<Memory> {
    Memory::with(&[("photos/cat.jpg", "image/jpeg", jpeg())])
}

async fn message(response: axum::response::Response) -> Value {
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    serde_json::from_slice(&body(response).await).unwrap()
}

async fn assert_error(fixture: &Fixture, target: &str, status: u16, text: &str, reason: &str) {
    let response = fixture.get(target).await;
    assert_eq!(response.status(), status, "{target}");
    assert_eq!(message(response).await, json!({ "message": text }), "{target}");
    assert_eq!(fixture.outcomes(reason), 1, "{}", fixture.service.render_metrics());
}

#[tokio::test]
async fn stores_and_redirects() {
    for (method, target) in [
        (Method::GET, SMALL),
        (Method::HEAD, SMALL),
        (Method::GET, "/default/resize/?v=2&key=30x30/photos/cat.jpg"),
        (Method::GET, "/default/resize/30x30/photos/cat.jpg"),
        (Method::HEAD, "/default/resize/30x30/photos/cat.jpg?w=1"),
    ] {
        let store = cat();
        let fixture = Fixture::new(store.clone(), |_| {});
        let response = fixture.send(method, target).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{target}");
        assert_eq!(header(&response, "location"), format!("{URL}/30x30/photos/cat.jpg"));
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        let (content_type, bytes) = store.object("30x30/photos/cat.jpg").unwrap();
        let picture = image::load_from_memory(&bytes).unwrap();
        assert_eq!((content_type.as_str(), picture.width(), picture.height()), ("image/jpeg", 30, 30));
        assert_eq!(store.calls(), ["get photos/cat.jpg", "head 30x30/photos/cat.jpg", "put 30x30/photos/cat.jpg", "head photos/cat.jpg"]);
        assert!(fixture.counts("resizer_requests_total{outcome=\"redirected\",resolution=\"30x30\"} 1"));
        for stage in ["fetch", "queue", "decode", "scale", "encode", "store"] {
            assert!(fixture.counts(&format!("resizer_stage_duration_seconds_count{{stage=\"{stage}\"}} 1")), "{stage}");
        }
        assert!(fixture.counts("resizer_in_flight_requests 0") && fixture.counts("resizer_memory_used_bytes 0"));
    }
}

#[tokio::test]
async fn keeps_format_and_ratio() {
    let store = Memory::with(&[("a", "image/png", png())]);
    let response = Fixture::new(store.clone(), |_| {}).get("/default/resize?key=640x0/a").await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    let (content_type, bytes) = store.object("640x0/a").unwrap();
    let picture = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap();
    assert_eq!((content_type.as_str(), picture.width(), picture.height()), ("image/png", 640, 480));
}

#[tokio::test]
async fn refuses_what_the_request_does_wrong() {
    for (target, status, text, reason) in [
        ("/default/resize", 400, "Bad Request: Missing key query parameter", "missing_key"),
        ("/default/resize/", 400, "Bad Request: Missing key query parameter", "missing_key"),
        ("/default/resize?key=", 400, "Bad Request: Missing key query parameter", "missing_key"),
        ("/default/resize?key=photos/cat.jpg", 400, "Bad Request: Invalid key format", "invalid_key"),
        ("/default/resize/photos/cat.jpg", 400, "Bad Request: Invalid key format", "invalid_key"),
        ("/default/resize?key=31x31/photos/cat.jpg", 403, "Forbidden: Resolution not allowed", "not_allowed"),
        ("/default/resizer?key=30x30/photos/cat.jpg", 404, "Not Found", "unknown_path"),
        ("/", 404, "Not Found", "unknown_path"),
        ("/metrics", 404, "Not Found", "unknown_path"),
    ] {
        let store = cat();
        assert_error(&Fixture::new(store.clone(), |_| {}), target, status, text, reason).await;
        assert!(store.calls().is_empty(), "{target}");
    }
}

#[tokio::test]
async fn knows_get_and_head_only() {
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let response = Fixture::new(cat(), |_| {}).send(method, SMALL).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, "allow"), "GET, HEAD");
        assert_eq!(message(response).await, json!({ "message": "Method Not Allowed" }));
    }
}

#[tokio::test]
async fn says_what_the_store_does_wrong() {
    let not_found = "Not Found: Original image not found";
    for (fault, status, text, reason) in [
        (StoreError::Missing, 404, not_found, "original_missing"),
        (StoreError::Forbidden, 404, not_found, "original_forbidden"),
        (StoreError::Failed("secret".into()), 502, "Bad Gateway: Storage failed", "store_failed"),
        (StoreError::TimedOut, 504, "Gateway Timeout: Storage timed out", "store_timed_out"),
        (StoreError::Archived, 409, "Conflict: Original image is archived", "original_archived"),
        (StoreError::Credentials("secret".into()), 502, "Bad Gateway: Storage failed", "store_credentials"),
        (StoreError::NoBucket, 502, "Bad Gateway: Storage failed", "store_failed"),
        (StoreError::SlowDown, 503, "Service Unavailable: Too busy, try again later", "store_slow_down"),
    ] {
        let store = cat();
        store.fail(Faults { get: Some(fault), ..Faults::default() });
        assert_error(&Fixture::new(store, |_| {}), SMALL, status, text, reason).await;
    }
}

#[tokio::test]
async fn never_resizes_a_body_that_arrives_short() {
    let store = cat();
    store.fail(Faults { missing_bytes: 1, short_bodies: usize::MAX, ..Faults::default() });
    let fixture = Fixture::new(store.clone(), |_| {});
    assert_error(&fixture, SMALL, 502, "Bad Gateway: Storage failed", "store_short").await;
    assert!(store.object("30x30/photos/cat.jpg").is_none());
    let tries = store.calls().iter().filter(|call| *call == "get photos/cat.jpg").count();
    assert_eq!(tries, 3, "tried again, but not for ever");
    assert!(fixture.counts("resizer_source_refetches_total 2") && fixture.counts("resizer_memory_used_bytes 0"));
}

#[tokio::test]
async fn fetches_again_what_broke_off() {
    let store = cat();
    store.fail(Faults { missing_bytes: 1, short_bodies: 2, ..Faults::default() });
    let fixture = Fixture::new(store.clone(), |_| {});
    assert_eq!(fixture.get(SMALL).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(fixture.counts("resizer_source_refetches_total 2"));
}

#[tokio::test]
async fn publishes_what_it_may_and_the_rest_is_as_if_it_were_not_there() {
    let store = Memory::with(&[
        ("photos/cat.jpg", "image/jpeg", jpeg()),
        ("photos/drafts/cat.jpg", "image/jpeg", jpeg()),
        ("private/cat.jpg", "image/jpeg", jpeg()),
    ]);
    let fixture = Fixture::new(store.clone(), |settings| {
        settings.source.include_prefixes = vec!["photos/".into()];
        settings.source.exclude_prefixes = vec!["photos/drafts/".into()];
    });
    let missing = fixture.get("/default/resize?key=30x30/photos/none.jpg").await;
    let (missing_headers, missing_body) = (names(&missing), body(missing).await);
    store.calls.lock().unwrap().clear();
    for target in ["private/cat.jpg", "photos/drafts/cat.jpg", "photos", "/photos/cat.jpg", "Photos/cat.jpg"] {
        let response = fixture.get(&format!("/default/resize?key=30x30/{target}")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{target}");
        assert_eq!((names(&response), body(response).await), (missing_headers.clone(), missing_body.clone()), "{target}");
    }
    assert_eq!(fixture.outcomes("not_published"), 5);
    assert!(fixture.counts("resizer_rejected_sources_total{reason=\"not_published\"} 5"));
    assert!(store.calls().is_empty(), "the store is not even asked");
    assert_eq!(fixture.get(SMALL).await.status(), StatusCode::TEMPORARY_REDIRECT);
}

fn names(response: &axum::response::Response) -> Vec<String> {
    response.headers().keys().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_derivative_is_no_original_wherever_it_lies() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |_| {});
    fixture.get(SMALL).await;
    let metadata = store.metadata.lock().unwrap()["30x30/photos/cat.jpg"].clone();
    let copy = store.object("30x30/photos/cat.jpg").unwrap();
    store.objects.lock().unwrap().insert("copy.jpg".into(), copy);
    store.metadata.lock().unwrap().insert("copy.jpg".into(), metadata);
    assert_error(&fixture, "/default/resize?key=30x30/copy.jpg", 400, "Bad Request: Invalid key format", "derivative").await;
    assert!(store.object("30x30/copy.jpg").is_none());
    assert!(fixture.counts("resizer_rejected_sources_total{reason=\"derivative\"} 1"));
    let nested = "/default/resize?key=30x30/30x30/photos/cat.jpg";
    assert_error(&fixture, nested, 400, "Bad Request: Invalid key format", "invalid_key").await;
}

#[tokio::test]
async fn originals_under_a_resolution_that_is_not_listed_are_originals() {
    let wallpaper = "1920x1080/sea.jpg";
    let store = Memory::with(&[(wallpaper, "image/jpeg", jpeg())]);
    let fixture = Fixture::new(store.clone(), |_| {});
    let target = "/default/resize?key=30x30/1920x1080/sea.jpg";
    assert_eq!(fixture.get(target).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(store.object("30x30/1920x1080/sea.jpg").is_some());
    // a derivative of a resolution that is not listed any more is known by its metadata
    store.objects.lock().unwrap().insert("1920x1080/retired.jpg".into(), ("image/jpeg".into(), jpeg()));
    store.metadata.lock().unwrap().insert("1920x1080/retired.jpg".into(), [("resize-settings".into(), "0123".into())].into());
    let retired = "/default/resize?key=30x30/1920x1080/retired.jpg";
    assert_error(&fixture, retired, 400, "Bad Request: Invalid key format", "derivative").await;
    // without a list, objects under every resolution count as derivatives
    let open = Fixture::new(store.clone(), |settings| settings.allowed_resolutions.clear());
    store.calls.lock().unwrap().clear();
    assert_error(&open, target, 400, "Bad Request: Invalid key format", "invalid_key").await;
    assert!(store.calls().is_empty());
}

#[tokio::test]
async fn one_bad_picture_is_decoded_once_for_all_sizes() {
    let half = jpeg().slice(..jpeg().len() / 2);
    for (bytes, faults, status, remembered) in [
        (half, Faults::default(), 422, true),
        (Bytes::from_static(b"<html>"), Faults::default(), 415, true),
        (jpeg(), Faults { get: Some(StoreError::Missing), ..Faults::default() }, 404, true),
        (jpeg(), Faults { get: Some(StoreError::TimedOut), ..Faults::default() }, 504, false),
    ] {
        let store = Memory::with(&[("photos/cat.jpg", "image/jpeg", bytes)]);
        store.fail(faults);
        let fixture = Fixture::new(store.clone(), |_| {});
        for target in [SMALL, SMALL, "/default/resize?key=640x0/photos/cat.jpg"] {
            assert_eq!(fixture.get(target).await.status(), status, "{target}");
        }
        assert_eq!(store.calls().len(), if remembered { 2 } else { 6 }, "{status}");
        assert!(fixture.counts(&format!("resizer_negative_cache_hits_total {}", if remembered { 2 } else { 0 })), "{status}");
    }
}

#[tokio::test]
async fn a_request_has_an_id() {
    let fixture = Fixture::new(cat(), |_| {});
    let request = http::Request::builder().uri(SMALL).header("x-request-id", "abc-1").body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(fixture.app.clone(), request).await.unwrap();
    assert_eq!(header(&response, "x-request-id"), "abc-1");
    let (first, second) = (fixture.get(SMALL).await, fixture.get("/").await);
    assert!(header(&first, "x-request-id").len() == 32 && header(&first, "x-request-id") != header(&second, "x-request-id"));
}

#[tokio::test]
async fn labels_are_bounded_by_the_list() {
    let fixture = Fixture::new(cat(), |_| {});
    for target in ["31x31", "030x30", "30x30"] {
        fixture.get(&format!("/default/resize?key={target}/photos/cat.jpg")).await;
    }
    assert!(fixture.counts("resizer_requests_total{outcome=\"not_allowed\",resolution=\"other\"} 2"));
    assert!(fixture.counts("resizer_requests_total{outcome=\"redirected\",resolution=\"30x30\"} 1"));
    let open = Fixture::new(cat(), |settings| settings.allowed_resolutions.clear());
    open.get("/default/resize?key=31x31/photos/cat.jpg").await;
    assert!(open.counts("resizer_requests_total{outcome=\"redirected\",resolution=\"other\"} 1"));
}

#[tokio::test]
async fn says_what_is_wrong_with_the_original() {
    let large = "Payload Too Large: Original image too large";
    let unknown = "Unsupported Media Type: Original is not a supported image";
    let damaged = "Unprocessable Content: Original image cannot be read";
    let half = jpeg().slice(..jpeg().len() / 2);
    for (bytes, status, text, reason) in [
        (Bytes::from(vec![0; 5000]), 413, large, "too_many_bytes"),
        (Bytes::from_static(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, unknown, "unsupported"),
        (Bytes::new(), 415, unknown, "unsupported"),
        (half, 422, damaged, "damaged"),
    ] {
        let store = Memory::with(&[("photos/cat.jpg", "image/jpeg", bytes)]);
        let fixture = Fixture::new(store, |settings| settings.limits.max_source_bytes = 4999);
        assert_error(&fixture, SMALL, status, text, reason).await;
    }
    let fixture = Fixture::new(cat(), |settings| settings.limits.max_source_pixels = 64 * 48 - 1);
    assert_error(&fixture, SMALL, 413, large, "too_large").await;
    let fixture = Fixture::new(cat(), |settings| settings.memory_budget = Some(8 << 10));
    assert_error(&fixture, SMALL, 413, large, "over_budget").await;
    let long = [&jpeg()[..], &[0; 5000]].concat();
    let store = Memory::with(&[("photos/cat.jpg", "image/jpeg", long.into())]);
    store.fail(Faults { unannounced: true, ..Faults::default() });
    let fixture = Fixture::new(store, |settings| settings.limits.max_source_bytes = 4999);
    assert_error(&fixture, SMALL, 413, large, "too_many_bytes").await;
}

/// A store with a bug.
struct Panics;

impl Store for Panics {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async { unreachable!("on purpose") }.boxed()
    }

    fn put<'a>(&'a self, _: &'a str, _: &'a Object, _: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }

    fn head<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        async { Err(StoreError::Missing) }.boxed()
    }
    fn delete<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }
}

#[tokio::test]
async fn a_panic_outside_of_the_codecs_is_counted_and_no_fault_of_the_original() {
    let fixture = Fixture::new(Arc::new(Panics), |_| {});
    assert_error(&fixture, SMALL, 500, "Internal Server Error", "internal").await;
    fixture.get(SMALL).await;
    assert!(fixture.counts("resizer_negative_cache_hits_total 0") && fixture.counts("resizer_panics_total 2"));
    assert!(fixture.counts("resizer_flights 0"));
}

#[derive(Deserialize)]
struct Case {
    query: String,
    allowed: Vec<String>,
    #[serde(default)]
    variants: Vec<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expect {
    status: u16,
    message: Option<String>,
    original: Option<String>,
    canonical: Option<String>,
    location_path: Option<String>,
    variant: Option<Named>,
}

/// What a key means where there is no object of its very name.
#[derive(Deserialize)]
struct Named {
    original: String,
    format: String,
}

async fn assert_case(target: &str, case: &Case) {
    let original = case.expect.original.clone().unwrap_or_default();
    let store = Memory::with(&[(&original, "image/jpeg", jpeg())]);
    // the largest picture takes too long here: that its original is asked for is enough
    let resizes = case.expect.original.is_some() && !target.contains("5000x5000");
    if !resizes {
        store.fail(Faults { get: Some(StoreError::Missing), ..Faults::default() });
    }
    let fixture = Fixture::new(store.clone(), |settings| {
        settings.allowed_resolutions = case.allowed.iter().map(|text| text.parse().unwrap()).collect();
        settings.variants = case.variants.iter().map(|text| text.parse().unwrap()).collect();
    });
    let response = fixture.get(target).await;
    match (&case.expect.original, resizes) {
        (Some(original), false) => assert_eq!(store.calls()[0], format!("get {original}"), "{target}"),
        _ => assert_eq!(response.status(), case.expect.status, "{target}"),
    }
    if let (Some(path), true) = (&case.expect.location_path, resizes) {
        assert_eq!(header(&response, "location"), format!("{URL}{path}"), "{target}");
    }
    if let Some(text) = &case.expect.message {
        assert_eq!(message(response).await, json!({ "message": text }), "{target}");
    }
}

/// The same key where only the shorter name is an object: its picture, in the format of the suffix, under the whole key.
async fn assert_variant(target: &str, case: &Case, Named { original, format }: &Named) {
    let store = Memory::with(&[(original, "image/jpeg", jpeg())]);
    let fixture = Fixture::new(store.clone(), |settings| {
        settings.allowed_resolutions = case.allowed.iter().map(|text| text.parse().unwrap()).collect();
        settings.variants = case.variants.iter().map(|text| text.parse().unwrap()).collect();
    });
    let response = fixture.get(target).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{target}");
    assert_eq!(header(&response, "location"), format!("{URL}{}", case.expect.location_path.as_ref().unwrap()), "{target}");
    let (content_type, _) = store.object(case.expect.canonical.as_ref().unwrap()).unwrap();
    assert_eq!(content_type, format!("image/{}", format.to_lowercase()), "{target}");
    let source = &store.metadata.lock().unwrap()[case.expect.canonical.as_ref().unwrap()]["resize-source"];
    assert_eq!(percent_encoding::percent_decode_str(source).decode_utf8().unwrap(), *original, "{target}");
}

#[tokio::test]
async fn answers_every_key_of_the_table() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../crds/tests/keys.json")).unwrap();
    assert!(cases.len() >= 77 && cases.iter().filter(|case| case.expect.variant.is_some()).count() >= 5);
    for case in cases {
        if let Some(variant) = &case.expect.variant {
            assert_variant(&format!("/default/resize?{}", as_sent(&case.query)), &case, variant).await;
        }
        assert_case(&format!("/default/resize?{}", as_sent(&case.query)), &case).await;
        if let Some(key) = case.query.strip_prefix("key=") {
            // in a path, `?` and what follows would be a query of the visitor's
            assert_case(&format!("/default/resize/{}", as_sent(key).replace('?', "%3F")), &case).await;
        }
    }
}
