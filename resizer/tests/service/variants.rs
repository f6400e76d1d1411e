//! Formats beside a picture's own, and recipes for single sizes.

use std::sync::Arc;

use http::StatusCode;
use resize_api::{Recipes, Settings, Variant};
use resizer::store::StoreError;

use crate::memory::{Faults, Fixture, Memory, Site, URL, body, header, jpeg, png};

const TARGET: &str = "/default/resize?key=30x30/cat.jpg.webp";
const KEY: &str = "30x30/cat.jpg.webp";

fn cat() -> Arc<Memory> {
    Memory::with(&[("cat.jpg", "image/jpeg", jpeg())])
}

fn with_webp(settings: &mut Settings) {
    settings.variants = [Variant::WebP].into();
}

fn format(store: &Memory, key: &str) -> (String, image::ImageFormat) {
    let (content_type, bytes) = store.object(key).unwrap();
    (content_type, image::guess_format(&bytes).unwrap())
}

#[tokio::test]
async fn a_suffix_that_is_listed_names_a_format() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), with_webp);
    let response = fixture.get(TARGET).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(header(&response, "location"), format!("{URL}/{KEY}"));
    assert_eq!(format(&store, KEY), ("image/webp".to_owned(), image::ImageFormat::WebP));
    assert_eq!(store.metadata.lock().unwrap()[KEY]["resize-source"], "cat%2Ejpg");
    assert!(fixture.counts("resizer_pictures_total{format=\"webp\"} 1"));
    let calls =
        ["get cat.jpg.webp", "head 30x30/cat.jpg.webp", "get cat.jpg", "put 30x30/cat.jpg.webp", "head cat.jpg.webp", "head cat.jpg"];
    assert_eq!(store.calls(), calls);
    fixture.get("/default/resize?key=30x30/cat.jpg").await;
    assert_eq!(format(&store, "30x30/cat.jpg"), ("image/jpeg".to_owned(), image::ImageFormat::Jpeg));
    assert!(fixture.counts("resizer_pictures_total{format=\"jpeg\"} 1"));
    // one that is not listed has no meaning
    assert_eq!(fixture.get("/default/resize?key=30x30/cat.jpg.avif").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(Fixture::new(cat(), |_| {}).get(TARGET).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_object_of_the_very_name_is_the_original() {
    let store = Memory::with(&[("cat.jpg", "image/jpeg", jpeg()), ("cat.jpg.webp", "image/png", png())]);
    let fixture = Fixture::new(store.clone(), with_webp);
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(format(&store, KEY), ("image/png".to_owned(), image::ImageFormat::Png));
    let calls = ["get cat.jpg.webp", "head 30x30/cat.jpg.webp", "put 30x30/cat.jpg.webp", "head cat.jpg.webp", "head cat.jpg"];
    assert_eq!(store.calls(), calls);
    // when it is gone, the key means the variant again
    store.objects.lock().unwrap().remove("cat.jpg.webp");
    let fixture = Fixture::new(store.clone(), with_webp);
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(format(&store, KEY), ("image/webp".to_owned(), image::ImageFormat::WebP));
}

#[tokio::test]
async fn who_may_not_list_is_denied_the_very_name_and_gets_the_variant() {
    let store = cat();
    store.fail(Faults { denied: Some("cat.jpg.webp"), ..Faults::default() });
    let fixture = Fixture::new(store.clone(), with_webp);
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(format(&store, KEY).0, "image/webp");
}

#[tokio::test]
async fn policies_look_at_the_original_that_is_meant() {
    let objects = [("in/cat.jpg", "image/jpeg", jpeg()), ("out/cat.jpg", "image/jpeg", jpeg()), ("in/b.jpg.webp", "image/png", png())];
    let store = Memory::with(&objects);
    let fixture = Fixture::new(store.clone(), |settings| {
        with_webp(settings);
        settings.source.include_prefixes = vec!["in/".into()];
        settings.source.exclude_prefixes = vec!["in/b.jpg.w".into()];
    });
    for (key, status) in [("in/cat.jpg.webp", 307), ("out/cat.jpg.webp", 404), ("in/b.jpg.webp", 404), ("in/b.jpg.png", 404)] {
        assert_eq!(fixture.get(&format!("/default/resize?key=30x30/{key}")).await.status(), status, "{key}");
    }
    // the very name is private, and the shorter one is not there: it was looked at, and nothing of it was shown
    assert!(store.object("30x30/in/b.jpg.webp").is_none() && store.object("30x30/out/cat.jpg.webp").is_none());
    assert!(!store.calls().iter().any(|call| call.contains("out/")), "{:?}", store.calls());
    assert_eq!(fixture.get("/default/resize?key=31x31/in/cat.jpg.webp").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_missing_or_bad_is_remembered_for_the_variant_too() {
    for (bytes, status) in [(None, 404), (Some("not a picture"), 415)] {
        let store = Memory::with(&[]);
        if let Some(bytes) = bytes {
            store.objects.lock().unwrap().insert("cat.jpg".into(), ("image/jpeg".into(), bytes.into()));
        }
        let fixture = Fixture::new(store.clone(), with_webp);
        for target in [TARGET, TARGET, "/default/resize?key=640x0/cat.jpg.webp", "/default/resize?key=30x30/cat.jpg"] {
            assert_eq!(fixture.get(target).await.status(), status, "{target}");
        }
        assert_eq!(store.calls(), ["get cat.jpg.webp", "head 30x30/cat.jpg.webp", "get cat.jpg"], "{status}");
        assert!(fixture.counts("resizer_negative_cache_hits_total 3"));
    }
    // what is remembered of the variant says nothing of another suffix, nor of an object of that very name
    let store = cat();
    let fixture = Fixture::new(store.clone(), with_webp);
    store.fail(Faults { get: Some(StoreError::Missing), ..Faults::default() });
    assert_eq!(fixture.get("/default/resize?key=30x30/cat.jpg.webp").await.status(), StatusCode::NOT_FOUND);
    store.fail(Faults::default());
    store.objects.lock().unwrap().insert("cat.jpg.png".into(), ("image/png".into(), png()));
    assert_eq!(fixture.get("/default/resize?key=30x30/cat.jpg.png").await.status(), StatusCode::TEMPORARY_REDIRECT);
}

#[tokio::test]
async fn a_loop_on_a_variant_shows_what_visitors_may_read() {
    use resizer::store::website::Sight;
    let site = Site::showing(Sight::Shown, Sight::Unknown);
    let store = cat();
    let fixture = Fixture::on(store.clone(), site.clone(), with_webp);
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    let response = fixture.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/webp"));
    assert_eq!(body(response).await, store.object(KEY).unwrap().1);
    assert_eq!(site.asked(), [format!("{URL}/{KEY}"), format!("{URL}/cat.jpg")]);
}

#[tokio::test]
async fn a_size_has_its_own_recipe_and_a_variant_of_it_too() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |settings| {
        with_webp(settings);
        settings.recipes =
            Recipes::read(r#"[{"resolutions":["30x30"],"resize":{"fit":"Inside"},"output":{"format":"Png"}}]"#, &settings.recipe).unwrap();
    });
    for (key, expect, size) in [
        ("30x30/cat.jpg", "image/png", (30, 23)),
        ("30x30/cat.jpg.webp", "image/webp", (30, 23)),
        ("640x0/cat.jpg", "image/jpeg", (640, 480)),
    ] {
        assert_eq!(fixture.get(&format!("/default/resize?key={key}")).await.status(), StatusCode::TEMPORARY_REDIRECT, "{key}");
        let (content_type, bytes) = store.object(key).unwrap();
        let picture = image::load_from_memory(&bytes).unwrap();
        assert_eq!((content_type.as_str(), (picture.width(), picture.height())), (expect, size), "{key}");
    }
}
