//! Originals that are pictures and are not read here: refused, or shown as they are.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use resize_api::{ResizedKey, Settings, Variant, delivery::DeliveryMode, source::Unsupported};
use resizer::{
    derivative::{
        settle::{Settled, settle},
        state::State,
    },
    store::StoreError,
};

use crate::memory::{Faults, Fixture, Memory, URL, body, header, jpeg, png};

const TARGET: &str = "/default/resize?key=30x30/a%20b/logo.svg";
const KEY: &str = "30x30/a b/logo.svg";
const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg'/>";

fn logo() -> Arc<Memory> {
    Memory::with(&[("a b/logo.svg", "Image/SVG+xml; charset=utf-8", Bytes::from_static(SVG))])
}

fn showing(settings: &mut Settings) {
    settings.source.unsupported = Unsupported::ShowOriginal;
}

#[tokio::test]
async fn visitors_are_sent_to_the_original_and_so_does_the_website_from_then_on() {
    let store = logo();
    let fixture = Fixture::new(store.clone(), showing);
    let response = fixture.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "cache-control")), (StatusCode::TEMPORARY_REDIRECT, "no-store"));
    assert_eq!(header(&response, "location"), format!("{URL}/a%20b/logo.svg"));
    let (content_type, bytes) = store.object(KEY).unwrap();
    assert_eq!((content_type.as_str(), bytes.len()), ("Image/SVG+xml; charset=utf-8", 0));
    assert_eq!(store.redirects.lock().unwrap()[KEY], "/a%20b/logo.svg");
    // it is a derivative like any other
    let mut settings = crate::memory::settings();
    showing(&mut settings);
    let key = ResizedKey::from_encoded(KEY).unwrap();
    assert_eq!(settle(&*store, &settings, &key).await, Ok(Settled::Kept(State::Fresh)));
    // who comes all the same is sent there again, and nothing is stored anew
    store.calls.lock().unwrap().clear();
    for _ in 0..3 {
        assert_eq!(header(&fixture.get(TARGET).await, "location"), format!("{URL}/a%20b/logo.svg"));
    }
    assert!(!store.calls().iter().any(|call| call.starts_with("put")), "{:?}", store.calls());
    assert_eq!(fixture.outcomes("original"), 4);
    // a picture in its place takes it over
    store.objects.lock().unwrap().insert("a b/logo.svg".into(), ("image/png".into(), png()));
    assert_eq!(header(&Fixture::new(store.clone(), showing).get(TARGET).await, "location"), format!("{URL}/30x30/a%20b/logo.svg"));
    assert_eq!(store.object(KEY).unwrap().0, "image/png");
    assert!(!store.redirects.lock().unwrap().contains_key(KEY));
    // and without the setting it goes
    let store = logo();
    Fixture::new(store.clone(), showing).get(TARGET).await;
    settings.source.unsupported = Unsupported::Refuse;
    assert_eq!(settle(&*store, &settings, &key).await, Ok(Settled::Deleted(State::Outdated)));
}

#[tokio::test]
async fn only_what_is_called_a_picture_and_is_of_an_unknown_format_is_shown() {
    let half = jpeg().slice(..jpeg().len() / 2);
    for (content_type, bytes, change, status) in [
        ("image/svg+xml", Bytes::from_static(SVG), true, 307),
        ("image/svg+xml", Bytes::from_static(SVG), false, 415),
        ("text/html", Bytes::from_static(b"<script>"), true, 415),
        ("application/octet-stream", Bytes::from_static(SVG), true, 415),
        ("image/jpeg", half, true, 422),
        ("image/svg+xml", Bytes::from(vec![b'<'; 5000]), true, 413),
    ] {
        for delivery in [DeliveryMode::Redirect, DeliveryMode::Direct] {
            let store = Memory::with(&[("a b/logo.svg", content_type, bytes.clone())]);
            let fixture = Fixture::new(store.clone(), |settings| {
                settings.delivery.mode = delivery;
                settings.limits.max_source_bytes = 4999;
                if change {
                    showing(settings);
                }
            });
            let expect = if status == 307 && delivery == DeliveryMode::Direct { 200 } else { status };
            assert_eq!(fixture.get(TARGET).await.status(), expect, "{content_type} {delivery}");
            assert_eq!(store.object(KEY).is_some(), expect == 307, "{content_type} {delivery}");
        }
    }
}

#[tokio::test]
async fn the_resizer_itself_shows_the_original() {
    let store = logo();
    let fixture = Fixture::new(store.clone(), |settings| {
        settings.delivery.mode = DeliveryMode::Direct;
        settings.delivery.negotiate = true;
        settings.variants = [Variant::WebP].into();
        showing(settings);
    });
    for target in ["/30x30/a%20b/logo.svg", "/640x0/a%20b/logo.svg.webp"] {
        let response = fixture.get(target).await;
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "Image/SVG+xml; charset=utf-8"), "{target}");
        assert_eq!(header(&response, "content-security-policy"), "default-src 'none'; style-src 'unsafe-inline'; sandbox");
        let etag = header(&response, "etag").to_owned();
        assert_eq!(body(response).await, SVG);
        let request = http::Request::builder().uri(target).header("if-none-match", etag).body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(fixture.app.clone(), request).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{target}");
    }
    let response = fixture.send(Method::HEAD, "/30x30/a%20b/logo.svg").await;
    assert_eq!((response.status(), header(&response, "content-length")), (StatusCode::OK, SVG.len().to_string().as_str()));
    assert!(!store.calls().iter().any(|call| call.starts_with("put")));
    // also where what the website needs is stored
    Fixture::new(store.clone(), showing).get(TARGET).await;
    assert!(store.object(KEY).is_some());
    assert_eq!(body(fixture.get("/30x30/a%20b/logo.svg").await).await, SVG);
    let unchecked = Fixture::new(store.clone(), |settings| {
        settings.delivery.mode = DeliveryMode::Direct;
        settings.delivery.revalidate = false;
        showing(settings);
    });
    assert_eq!(body(unchecked.get("/30x30/a%20b/logo.svg").await).await, SVG);
}

#[tokio::test]
async fn what_cannot_be_stored_is_redirected_to_all_the_same() {
    let store = logo();
    store.fail(Faults { put: Some(StoreError::Forbidden), ..Faults::default() });
    let fixture = Fixture::new(store.clone(), showing);
    assert_eq!(header(&fixture.get(TARGET).await, "location"), format!("{URL}/a%20b/logo.svg"));
    assert!(fixture.counts("resizer_store_failures_total 1"));
}
