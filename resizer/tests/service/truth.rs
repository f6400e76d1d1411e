//! An original that changes or goes while its derivative is made, and derivatives that are no longer true.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::StatusCode;
use resizer::{
    derivative::{
        resolve::resolve,
        settle::{Settled, settle},
        state::State,
    },
    store::{Head, Object, Opened, Overwrite, Store, StoreError},
};

use crate::memory::{Faults, Fixture, Memory, png, settings};

const TARGET: &str = "/default/resize?key=30x30/cat.png";
const KEY: &str = "30x30/cat.png";

fn cat() -> Arc<Memory> {
    Memory::with(&[("cat.png", "image/png", png())])
}

/// Another picture, the same for the same number.
fn other(number: u8) -> Bytes {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(60, 60, image::Rgb([number, 7, 9])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner().into()
}

/// A store on which something happens before its calls that begin so: once for each entry.
struct Meanwhile {
    store: Arc<Memory>,
    events: Mutex<Vec<(&'static str, Option<Bytes>)>>,
}

impl Meanwhile {
    fn new(store: &Arc<Memory>, events: &[(&'static str, Option<Bytes>)]) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), events: Mutex::new(events.to_vec()) })
    }

    /// Replaces or deletes the original if its time has come.
    fn before(&self, call: &str) {
        let mut events = self.events.lock().unwrap();
        if events.first().is_some_and(|(when, _)| *when == call) {
            match events.remove(0).1 {
                Some(bytes) => drop(self.store.objects.lock().unwrap().insert("cat.png".into(), ("image/png".into(), bytes))),
                None => drop(self.store.objects.lock().unwrap().remove("cat.png")),
            }
        }
    }
}

impl Store for Meanwhile {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        self.store.get(key)
    }
    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.before("put");
        self.store.put(key, object, overwrite)
    }
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        if key == "cat.png" {
            self.before("confirm");
        }
        self.store.head(key)
    }
    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(key, etag)
    }
}

fn colour(store: &Memory) -> Option<u8> {
    let (_, bytes) = store.object(KEY)?;
    Some(image::load_from_memory(&bytes).unwrap().to_rgb8().get_pixel(15, 15).0[0])
}

#[tokio::test]
async fn an_original_that_changes_while_its_picture_is_made_leaves_no_stale_one() {
    for when in ["put", "confirm"] {
        for unconditional in [false, true] {
            let store = cat();
            store.fail(Faults { unconditional, ..Faults::default() });
            let fixture = Fixture::new(Meanwhile::new(&store, &[(when, Some(other(200)))]), |_| {});
            assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT, "{when}");
            assert_eq!(colour(&store), Some(200), "{when}");
            let settled = settle(&*store, &settings(), &resize_api::ResizedKey::from_encoded(KEY).unwrap()).await;
            assert_eq!(settled, Ok(Settled::Kept(State::Fresh)), "{when}");
        }
    }
}

#[tokio::test]
async fn an_original_that_goes_while_its_picture_is_made_takes_the_picture_along() {
    for when in ["put", "confirm"] {
        let store = cat();
        let fixture = Fixture::new(Meanwhile::new(&store, &[(when, None)]), |_| {});
        assert_eq!(fixture.get(TARGET).await.status(), StatusCode::NOT_FOUND, "{when}");
        assert_eq!(store.object(KEY), None, "{when}");
    }
    // pods that may not delete say so
    let store = cat();
    store.fail(Faults { delete: Some(StoreError::Forbidden), ..Faults::default() });
    let fixture = Fixture::new(Meanwhile::new(&store, &[("confirm", None)]), |_| {});
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::NOT_FOUND);
    assert!(store.object(KEY).is_some() && fixture.counts("resizer_unsettled_derivatives_total 1"));
}

#[tokio::test]
async fn an_original_that_changes_all_the_time_is_not_made_for_ever() {
    let store = cat();
    let changes: Vec<_> = (0..20).map(|number| ("confirm", Some(other(number)))).collect();
    let fixture = Fixture::new(Meanwhile::new(&store, &changes), |_| {});
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(store.calls().iter().filter(|call| call.starts_with("put")).count(), 3);
    assert_eq!(store.object(KEY), None, "what is stale does not stay");
    assert_eq!(fixture.outcomes("changing"), 1);
}

#[tokio::test]
async fn what_is_fresh_is_not_made_again_and_what_is_stale_is_replaced() {
    let earlier = Bytes::from_static(b"earlier");
    for (why, made_by_us, name, replaced) in [
        ("fresh", true, None, false),
        ("the original was replaced", true, Some("resize-source-etag"), true),
        ("the settings changed", true, Some("resize-settings"), true),
        ("somebody else's", false, None, false),
    ] {
        let store = cat();
        Fixture::new(store.clone(), |_| {}).get(TARGET).await;
        store.objects.lock().unwrap().get_mut(KEY).unwrap().1 = earlier.clone();
        if let Some(name) = name {
            store.metadata.lock().unwrap().get_mut(KEY).unwrap().insert(name.into(), "other".into());
        }
        if !made_by_us {
            store.metadata.lock().unwrap().remove(KEY);
        }
        store.calls.lock().unwrap().clear();
        let fixture = Fixture::new(store.clone(), |_| {});
        assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT, "{why}");
        assert_eq!(store.object(KEY).unwrap().1 != earlier, replaced, "{why}");
        assert!(fixture.counts(&format!("resizer_already_stored_total {}", u8::from(!replaced))), "{why}");
        if !replaced {
            assert_eq!(store.calls(), ["get cat.png", "head 30x30/cat.png"], "{why}");
            assert!(fixture.counts("resizer_stage_duration_seconds_count{stage=\"decode\"} 0"), "{why}: no work");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_is_asked_for_again_is_compared_with_its_original() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |_| {});
    fixture.get(TARGET).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    store.calls.lock().unwrap().clear();
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(store.calls(), ["head 30x30/cat.png", "head cat.png"], "the original is not read");
    tokio::time::sleep(Duration::from_mins(1)).await;
    store.objects.lock().unwrap().insert("cat.png".into(), ("image/png".into(), other(99)));
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(colour(&store), Some(99));
}

#[tokio::test]
async fn settling_deletes_what_is_no_longer_true_and_nothing_else() {
    let key = resize_api::ResizedKey::from_encoded(KEY).unwrap();
    let made = async || {
        let store = cat();
        Fixture::new(store.clone(), |_| {}).get(TARGET).await;
        store
    };
    let store = made().await;
    assert_eq!(settle(&*store, &settings(), &key).await, Ok(Settled::Kept(State::Fresh)));
    store.objects.lock().unwrap().remove("cat.png");
    assert_eq!(settle(&*store, &settings(), &key).await, Ok(Settled::Deleted(State::Orphaned)));
    assert_eq!(settle(&*store, &settings(), &key).await, Ok(Settled::Absent));

    let store = made().await;
    store.metadata.lock().unwrap().remove(KEY);
    store.objects.lock().unwrap().remove("cat.png");
    assert_eq!(settle(&*store, &settings(), &key).await, Ok(Settled::Kept(State::Foreign)));

    let store = made().await;
    store.objects.lock().unwrap().insert("cat.png".into(), ("image/png".into(), other(1)));
    store.fail(Faults { delete: Some(StoreError::Exists), ..Faults::default() });
    assert_eq!(settle(&*store, &settings(), &key).await, Ok(Settled::Overtaken(State::Stale)));
    store.fail(Faults { delete: Some(StoreError::Forbidden), ..Faults::default() });
    assert_eq!(settle(&*store, &settings(), &key).await, Err(StoreError::Forbidden));
}

#[tokio::test]
async fn without_visitors_nobody_goes_round() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |_| {}).without_visitors();
    for number in [1, 2] {
        store.objects.lock().unwrap().insert("cat.png".into(), ("image/png".into(), other(number)));
        assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(colour(&store), Some(number));
    }
}

#[tokio::test]
async fn a_store_that_takes_no_etag_as_a_condition_keeps_no_stale_derivative() {
    let store = cat();
    let fixture = Fixture::new(store.clone(), |_| {}).without_visitors();
    fixture.get(TARGET).await;
    store.fail(Faults { refuses_etags: true, ..Faults::default() });
    store.objects.lock().unwrap().insert("cat.png".into(), ("image/png".into(), other(5)));
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(colour(&store), Some(5));
}

/// Else strangers who name keys without end would have us ask the store without a bound.
#[tokio::test]
async fn a_look_where_a_derivative_goes_waits_for_the_fetch_of_its_original() {
    let store = Memory::with(&[("a", "image/png", png()), ("b", "image/png", png())]);
    store.fail(Faults { delay: Duration::from_secs(20), ..Faults::default() });
    let fixture = Fixture::new(store.clone(), |settings| settings.bounds.fetches = 1.try_into().unwrap());
    let both = futures::future::join(fixture.get("/default/resize?key=30x30/a"), fixture.get("/default/resize?key=30x30/b"));
    assert!(tokio::time::timeout(Duration::from_millis(200), both).await.is_err());
    assert_eq!(store.calls(), ["get a", "head 30x30/a"]);
}

/// A store that says this of these keys, and that all others are missing.
struct Heads(Vec<(&'static str, StoreError)>);

impl Store for Heads {
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        let said = self.0.iter().find(|(known, _)| *known == key).map(|(_, error)| error.clone());
        let etag = Some(format!("{key} is there"));
        let found = match said {
            Some(StoreError::Exists) => Ok(Head { etag, ..Head::default() }),
            said => Err(said.unwrap_or(StoreError::Missing)),
        };
        async { found }.boxed()
    }
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async { Err(StoreError::NotImplemented) }.boxed()
    }
    fn put<'a>(&'a self, _: &'a str, _: &'a Object, _: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Err(StoreError::NotImplemented) }.boxed()
    }
    fn delete<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Err(StoreError::NotImplemented) }.boxed()
    }
}

#[tokio::test]
async fn a_key_means_the_first_of_its_readings_that_is_there() {
    let (there, denied, slow) = (StoreError::Exists, StoreError::Forbidden, StoreError::SlowDown);
    let mut settings = settings();
    settings.variants = ["WebP", "Png"].map(|text| text.parse().unwrap()).into();
    let shorter = |key: &str| Ok(Some((format!("30x30/{key}.webp"), key.to_owned(), true)));
    let literal = |key: &str| Ok(Some((format!("30x30/{key}"), key.to_owned(), false)));
    for (heads, key, expect) in [
        (vec![("a.png", there.clone())], "a.png", literal("a.png")),
        (vec![("a.png", there.clone())], "a.png.webp", shorter("a.png")),
        (vec![("a.png", there.clone()), ("a.png.webp", there.clone())], "a.png.webp", literal("a.png.webp")),
        (vec![("a.png.webp", there.clone())], "a.png.webp", literal("a.png.webp")),
        // not listed
        (vec![("a.png", there.clone())], "a.png.avif", Ok(None)),
        (vec![], "a.png.webp", Ok(None)),
        // who may not list cannot see that an object is missing
        (vec![("a.png", there.clone()), ("a.png.webp", denied.clone())], "a.png.webp", shorter("a.png")),
        (vec![("a.png", denied.clone()), ("a.png.webp", denied.clone())], "a.png.webp", Err(denied.clone())),
        (vec![("a.png.webp", denied.clone())], "a.png.webp", Err(denied.clone())),
        (vec![("a.png", denied.clone())], "a.png", Err(denied.clone())),
        // nothing is said of the shorter name before it is known of the other
        (vec![("a.png", there), ("a.png.webp", slow.clone())], "a.png.webp", Err(slow)),
    ] {
        let key = resize_api::ResizedKey::from_encoded(&format!("30x30/{key}")).unwrap();
        let found = resolve(&Heads(heads.clone()), &settings, &key).await.map(|found| {
            found.map(|(read, head)| {
                assert_eq!(head.etag, Some(format!("{} is there", read.original)));
                (read.to_string(), read.original, read.variant.is_some())
            })
        });
        assert_eq!(found, expect, "{key} {heads:?}");
    }
}
