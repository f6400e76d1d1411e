//! Events of a bucket in memory: what each does, and what comes of events that are late, twice, foreign or no events at all.

use std::{num::NonZeroU32, sync::Arc};

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use resize_api::{Settings, Variant};
use resizer::{
    guard::capacity::Capacity,
    lifecycle::{
        follow::{Follower, event::changes, webhook},
        metered::Metered,
    },
    service::Service,
    store::{Metadata, Store, StoreError},
    watch::metrics::Metrics,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    bucket::{Bucket, Faults},
    memory::{body, settings},
};

const TOKEN: &str = "a-token-that-nobody-guesses";

/// A follower of `bucket`, and its metrics.
struct Fixture {
    bucket: Arc<Bucket>,
    service: Arc<Service>,
    follower: Arc<Follower>,
}

impl Fixture {
    fn new(warm: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let bucket = Arc::new(Bucket::new(10));
        let metered = Arc::new(Metered::new(Arc::clone(&bucket) as _, const { NonZeroU32::new(1_000_000).unwrap() }));
        let capacity = Capacity { memory: 64 << 20, workers: 2 };
        let store = Arc::clone(&metered) as Arc<dyn Store>;
        let service = Arc::new(Service::new(settings, store, capacity, Arc::new(Metrics::new())).without_visitors());
        let warm = warm.iter().map(|text| text.parse().unwrap()).collect();
        Self { follower: Arc::new(Follower::new(Arc::clone(&service), metered, warm)), bucket, service }
    }

    /// A fresh derivative of `cat.png` in each listed resolution.
    fn with_cat(self) -> Self {
        self.bucket.original("cat.png", "one", 60);
        for key in ["30x30/cat.png", "640x0/cat.png"] {
            self.bucket.derivative(&settings(), key, "one", 50);
        }
        self
    }

    async fn hear(&self, event: &Value) -> bool {
        self.follower.handle(&changes(&event.to_string()).unwrap()).await.is_ok()
    }

    fn counted(&self, event: &str) -> u64 {
        let start = format!("resizer_events_total{{event=\"{event}\"}} ");
        let metrics = self.service.render_metrics();
        metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or_default()
    }

    fn webhook(&self) -> Router {
        webhook::app(Arc::clone(&self.follower), TOKEN.to_owned())
    }
}

fn event(key: &str, sequencer: &str) -> Value {
    json!({"Records": [{"eventSource": "aws:s3", "s3": {
        "bucket": {"name": "photos"}, "object": {"key": key, "sequencer": sequencer},
    }}]})
}

#[tokio::test(start_paused = true)]
async fn derivatives_go_with_the_original_that_they_were_made_of() {
    let replaced = Fixture::new(&[], |_| {}).with_cat();
    assert!(replaced.hear(&event("cat.png", "01")).await, "nothing has changed yet");
    assert_eq!(replaced.bucket.keys(), ["30x30/cat.png", "640x0/cat.png", "cat.png"]);
    replaced.bucket.original("cat.png", "two", 0);
    assert!(replaced.hear(&event("cat.png", "02")).await);
    assert_eq!(replaced.bucket.keys(), ["cat.png"]);

    let deleted = Fixture::new(&[], |_| {}).with_cat();
    deleted.bucket.store("30x30/foreign.png", "mine", Metadata::new(), 0);
    deleted.bucket.objects.lock().unwrap().remove("cat.png");
    assert!(deleted.hear(&event("cat.png", "01")).await && deleted.hear(&event("foreign.png", "01")).await);
    assert_eq!(deleted.bucket.keys(), ["30x30/foreign.png"]);
    assert_eq!((deleted.counted("Received"), deleted.counted("Acted"), deleted.counted("Ignored")), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn variants_go_with_the_original_that_their_keys_mean() {
    let listed = |settings: &mut Settings| settings.variants = [Variant::WebP].into();
    let with_variants = || {
        let fixture = Fixture::new(&[], listed).with_cat();
        let mut settings = settings();
        listed(&mut settings);
        fixture.bucket.variant(&settings, "30x30/cat.png.webp", "one", 50);
        fixture.bucket.variant(&settings, "640x0/cat.png.webp", "one", 50);
        // no longer listed: left to a sweep
        fixture.bucket.variant(&settings, "30x30/cat.png.avif", "one", 50);
        (fixture, settings)
    };
    let (replaced, _) = with_variants();
    assert!(replaced.hear(&event("cat.png", "01")).await, "nothing has changed yet");
    assert_eq!(replaced.bucket.keys().len(), 6);
    replaced.bucket.original("cat.png", "two", 0);
    replaced.bucket.calls.lock().unwrap().clear();
    assert!(replaced.hear(&event("cat.png", "02")).await);
    assert_eq!(replaced.bucket.keys(), ["30x30/cat.png.avif", "cat.png"]);
    // the four places, and behind each the originals that it may mean
    assert_eq!((replaced.bucket.called("head"), replaced.bucket.called("delete")), (4 + 2 + 4, 4));

    let (deleted, _) = with_variants();
    deleted.bucket.objects.lock().unwrap().remove("cat.png");
    assert!(deleted.hear(&event("cat.png", "01")).await);
    assert_eq!(deleted.bucket.keys(), ["30x30/cat.png.avif"]);

    // an object of the variant's very name comes, and goes again
    let (shadowed, settings) = with_variants();
    shadowed.bucket.original("cat.png.webp", "another", 0);
    assert!(shadowed.hear(&event("cat.png.webp", "01")).await);
    assert_eq!(shadowed.bucket.keys(), ["30x30/cat.png", "30x30/cat.png.avif", "640x0/cat.png", "cat.png", "cat.png.webp"]);
    shadowed.bucket.derivative(&settings, "30x30/cat.png.webp", "another", 0);
    shadowed.bucket.variant(&settings, "30x30/cat.png.webp.webp", "another", 0);
    assert!(shadowed.hear(&event("cat.png.webp", "02")).await, "true of it");
    assert!(shadowed.hear(&event("cat.png", "02")).await, "the other is not asked");
    assert_eq!(shadowed.bucket.keys().len(), 7);
    shadowed.bucket.objects.lock().unwrap().remove("cat.png.webp");
    assert!(shadowed.hear(&event("cat.png.webp", "03")).await);
    assert_eq!(shadowed.bucket.keys(), ["30x30/cat.png", "30x30/cat.png.avif", "640x0/cat.png", "cat.png"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_list_the_resolutions_are_those_of_the_bucket() {
    let fixture = Fixture::new(&[], |settings| settings.allowed_resolutions.clear()).with_cat();
    fixture.bucket.objects.lock().unwrap().remove("cat.png");
    assert!(fixture.hear(&event("cat.png", "01")).await);
    assert_eq!(fixture.bucket.keys(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_late_twice_or_not_meant_for_us_costs_no_call() {
    let fixture = Fixture::new(&[], |_| {}).with_cat();
    assert!(fixture.hear(&event("cat.png", "0A")).await);
    fixture.bucket.calls.lock().unwrap().clear();
    let elsewhere = json!({"Records": [{"s3": {"bucket": {"name": "other"}, "object": {"key": "cat.png"}}}]});
    // a key so long that none of its derivatives could be stored
    let long = event(&"a".repeat(1020), "0A");
    for ignored in
        [long, event("cat.png", "0A"), event("cat.png", "09"), event("30x30/cat.png", "0B"), elsewhere, json!({"Event": "s3:TestEvent"})]
    {
        assert!(fixture.hear(&ignored).await, "{ignored}");
    }
    assert_eq!(*fixture.bucket.calls.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn warm_resolutions_are_made_at_once_and_again_when_the_original_changes() {
    let fixture = Fixture::new(&["30x30"], |settings| settings.variants = [Variant::Jpeg].into());
    let store = |number: u8| {
        let bytes = image::RgbImage::from_pixel(60, 60, image::Rgb([number * 90, 7, 9]));
        let mut png = std::io::Cursor::new(Vec::new());
        bytes.write_to(&mut png, image::ImageFormat::Png).unwrap();
        fixture.bucket.original("cat.png", "", 0);
        fixture.bucket.objects.lock().unwrap().get_mut("cat.png").unwrap().bytes = png.into_inner().into();
    };
    let mut versions = Vec::new();
    for number in [1, 2] {
        store(number);
        assert!(fixture.hear(&event("cat.png", &format!("0{number}"))).await);
        versions.push(["30x30/cat.png", "30x30/cat.png.jpg"].map(|key| fixture.bucket.object(key).expect("made").etag()));
    }
    assert!(versions[0].iter().zip(&versions[1]).all(|(first, second)| first != second) && versions[0][0] != versions[0][1]);
    assert_eq!(fixture.bucket.keys(), ["30x30/cat.png", "30x30/cat.png.jpg", "cat.png"]);
    fixture.bucket.original("notes.txt", "no picture", 0);
    assert!(fixture.hear(&event("notes.txt", "01")).await, "what is no picture is no failure");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_done_has_to_come_again() {
    let fixture = Fixture::new(&[], |_| {}).with_cat();
    fixture.bucket.objects.lock().unwrap().remove("cat.png");
    *fixture.bucket.faults.lock().unwrap() = Faults { delete: Some(StoreError::Forbidden), ..Faults::default() };
    assert!(!fixture.hear(&event("cat.png", "01")).await);
    assert_eq!(fixture.counted("Failed"), 1);
    *fixture.bucket.faults.lock().unwrap() = Faults::default();
    assert!(fixture.hear(&event("cat.png", "01")).await, "the same event");
    assert_eq!(fixture.bucket.keys(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_webhook_hears_those_who_know_the_token() {
    let fixture = Fixture::new(&[], |_| {}).with_cat();
    let post = async |bearer: Option<&str>, text: String| {
        let mut request = Request::post("/events");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let response = fixture.webhook().oneshot(request.body(Body::from(text)).unwrap()).await.unwrap();
        (response.status(), body(response).await)
    };
    let opaque = |token: &str| {
        let mut event = event("cat.png", "01");
        event["Records"][0]["opaqueData"] = json!(token);
        event.to_string()
    };
    let plain = event("cat.png", "01").to_string();
    for (bearer, text, status) in [
        (None, plain.clone(), StatusCode::UNAUTHORIZED),
        (None, opaque("wrong"), StatusCode::UNAUTHORIZED),
        (None, opaque(""), StatusCode::UNAUTHORIZED),
        (None, "no json".to_owned(), StatusCode::UNAUTHORIZED),
        (None, r#"{"Event":"s3:TestEvent"}"#.to_owned(), StatusCode::UNAUTHORIZED),
        (Some("wrong"), opaque(TOKEN), StatusCode::UNAUTHORIZED),
        (Some(""), plain.clone(), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(post(bearer, text.clone()).await.0, status, "{bearer:?} {text}");
    }
    assert_eq!((fixture.counted("Received"), fixture.bucket.called("head")), (0, 0));
    for (bearer, text, status) in [
        (Some(TOKEN), plain, StatusCode::NO_CONTENT),
        (None, opaque(TOKEN), StatusCode::NO_CONTENT),
        (Some(TOKEN), r#"{"Event":"s3:TestEvent"}"#.to_owned(), StatusCode::NO_CONTENT),
        (Some(TOKEN), "no json".to_owned(), StatusCode::BAD_REQUEST),
        (Some(TOKEN), "x".repeat(2 << 20), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(post(bearer, text.clone()).await.0, status, "{bearer:?} {text:.100}");
    }
    *fixture.bucket.faults.lock().unwrap() = Faults { head: Some((0, StoreError::Forbidden)), ..Faults::default() };
    assert_eq!(post(Some(TOKEN), event("cat.png", "02").to_string()).await.0, StatusCode::SERVICE_UNAVAILABLE, "to be sent again");
}
