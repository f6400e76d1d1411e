//! Requests that are cheap to send are cheap to answer: what is not fetched, not decoded, not held in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
};
use http::StatusCode;
use resizer::store::{Head, Metadata, Object, Opened, Overwrite, Store, StoreError};

use crate::memory::{Faults, Fixture, Memory, png};

const TARGET: &str = "/default/resize?key=30x30/cat.png";
const CHUNK: usize = 64 << 10;

/// Gives 60 MiB under every key, with these metadata and encoding; counts the chunks that are taken.
#[derive(Default)]
struct Endless {
    beginning: &'static [u8],
    metadata: Metadata,
    encoding: Option<&'static str>,
    taken: Arc<AtomicUsize>,
}

impl Store for Endless {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        let (taken, beginning) = (Arc::clone(&self.taken), self.beginning);
        let chunks = futures::stream::iter(0..960).map(move |number| {
            taken.fetch_add(1, Ordering::SeqCst);
            let mut chunk = vec![0; CHUNK];
            if number == 0 {
                chunk[..beginning.len()].copy_from_slice(beginning);
            }
            Ok(Bytes::from(chunk))
        });
        let original = Opened {
            head: Head {
                content_type: Some("image/jpeg".to_owned()),
                length: Some(960 * CHUNK as u64),
                content_encoding: self.encoding.map(ToOwned::to_owned),
                metadata: self.metadata.clone(),
                ..Head::default()
            },
            body: chunks.boxed(),
        };
        async { Ok(original) }.boxed()
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
async fn what_is_no_original_is_known_from_its_head_or_its_first_chunk() {
    let made = Metadata::from([("resize-settings".to_owned(), "0123".to_owned())]);
    for (store, reason, chunks) in [
        (Endless::default(), "unsupported", 1),
        (Endless { beginning: b"PK\x03\x04", ..Endless::default() }, "unsupported", 1),
        (Endless { beginning: b"\x1f\x8b\x08", encoding: Some("gzip"), ..Endless::default() }, "content_encoding", 1),
        (Endless { beginning: b"\xFF\xD8\xFF", metadata: made, ..Endless::default() }, "derivative", 0),
    ] {
        let taken = Arc::clone(&store.taken);
        let fixture = Fixture::new(Arc::new(store), |_| {});
        fixture.get(TARGET).await;
        assert_eq!((fixture.outcomes(reason), taken.load(Ordering::SeqCst)), (1, chunks), "{reason}");
    }
}

#[tokio::test]
async fn a_picture_is_read_whatever_its_encoding_is_said_to_be() {
    let store = Endless { beginning: b"\xFF\xD8\xFF", encoding: Some("gzip"), ..Endless::default() };
    let taken = Arc::clone(&store.taken);
    let fixture = Fixture::new(Arc::new(store), |_| {});
    fixture.get(TARGET).await;
    assert_eq!((fixture.outcomes("content_encoding"), taken.load(Ordering::SeqCst)), (0, 960));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_goes_on_makes_its_picture_once() {
    let store = Memory::with(&[("cat.png", "image/png", png())]);
    let fixture = Fixture::new(store.clone(), |_| {});
    let (mut redirected, mut shown) = (0, 0);
    for _ in 0..50 {
        // a visitor follows at the most one redirect, which leads back here
        for _ in 0..2 {
            match fixture.get(TARGET).await.status() {
                StatusCode::TEMPORARY_REDIRECT => redirected += 1,
                status => {
                    assert_eq!(status, StatusCode::OK);
                    shown += 1;
                    break;
                }
            }
        }
        tokio::time::advance(Duration::from_secs(7)).await;
    }
    assert_eq!((redirected, shown), (1, 50));
    let count = |call: &str| store.calls().iter().filter(|known| *known == call).count();
    assert_eq!((count("get cat.png"), count("put 30x30/cat.png")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn visitors_whose_cache_is_old_do_not_make_a_picture_anew() {
    let store = Memory::with(&[("cat.png", "image/png", png())]);
    let fixture = Fixture::new(store.clone(), |_| {});
    for _ in 0..50 {
        assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
        tokio::time::advance(Duration::from_secs(7)).await;
    }
    let count = |call: &str| store.calls().iter().filter(|known| *known == call).count();
    assert_eq!((count("get cat.png"), count("put 30x30/cat.png"), count("head 30x30/cat.png")), (1, 1, 50));
    // one that was deleted is made again
    store.objects.lock().unwrap().remove("30x30/cat.png");
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(store.object("30x30/cat.png").is_some());
}

/// Noise, which no encoder makes small.
pub fn noise() -> Bytes {
    let level = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0];
    let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([level(x * 48 + y), level(x + y * 64), level(x * y + 7)]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner().into()
}

#[tokio::test]
async fn answers_that_nobody_reads_stop_no_resize() {
    let pictures: Vec<_> = (0..20).map(|number| format!("{number}.png")).collect();
    let objects: Vec<_> = pictures.iter().map(|key| (key.as_str(), "image/png", noise())).collect();
    let store = Memory::with(&objects);
    store.fail(Faults { put: Some(StoreError::Forbidden), ..Faults::default() });
    let fixture = Fixture::new(store.clone(), |settings| settings.memory_budget = Some(16 << 20));
    let mut unread = Vec::new();
    for key in &pictures {
        unread.push(fixture.get(&format!("/default/resize?key=640x0/{key}")).await);
    }
    let busy = unread.iter().filter(|response| response.status() == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(busy > 0 && busy < 20, "{busy}: too few to fill the memory of answers, or none went out");
    store.fail(Faults::default());
    assert_eq!(fixture.get("/default/resize?key=30x30/0.png").await.status(), StatusCode::TEMPORARY_REDIRECT);
    drop(unread);
    fixture.settles().await;
}
