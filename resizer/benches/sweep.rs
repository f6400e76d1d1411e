//! What a sweep of a large bucket takes: time, memory, requests, dollars. The bucket is generated page by page; there is no network.
//!
//! `make sweep-bench` runs it for 1 and 10 million originals of five sizes each; `SWEEP_BENCH` names other numbers, `1000000,10000000`.
#![allow(clippy::unwrap_used, missing_docs, clippy::cast_precision_loss)]

use std::{
    fs,
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed},
    time::Instant,
};

use futures::future::{BoxFuture, FutureExt, pending};
use picture::{Format, Picture};
use resize_api::{ResizedKey, Settings, sweep::SweepOutcome};
use resizer::{
    command::sweep::run,
    derivative::{
        object::{Derivative, Provenance},
        state::request,
    },
    guard::capacity::Capacity,
    lifecycle::{brake::MaxDeletions, order::Order, prefix, suspicion::Suspicion},
    store::{
        Head, Object, Opened, Overwrite, Store, StoreError,
        listing::{Depth, Inventory, Listed, Mark, Moment, Page},
    },
    watch::metrics::Metrics,
};

// that of the program
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RESOLUTIONS: [&str; 5] = ["1200x800", "300x300", "30x30", "600x0", "0x480"];
const PAGE: u64 = 1000;
const DAY: i64 = 86_400;
/// Of so many originals, one was replaced after its derivatives were made.
const REPLACED: u64 = 1000;
/// Dollars for 1000 requests on AWS, us-east-1.
const LIST: f64 = 0.005;
const HEAD: f64 = 0.0004;

/// So many originals.
struct Generated {
    originals: u64,
    settings: Settings,
    deleted: AtomicU64,
}

impl Generated {
    fn name(number: u64) -> String {
        format!("photos/2026/{number:010}.jpg")
    }

    fn number(key: &str) -> Option<u64> {
        key.rsplit_once('/')?.1.strip_suffix(".jpg")?.parse().ok()
    }

    fn etag(number: u64, version: u64) -> String {
        format!("\"{:032x}\"", number * 2 + version)
    }
}

impl Inventory for Generated {
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>> {
        async move {
            // the network would give way here
            tokio::task::yield_now().await;
            if depth == Depth::Folders {
                let folders = RESOLUTIONS.iter().map(|text| format!("{text}/")).filter(|folder| folder.starts_with(prefix)).collect();
                return Ok(Page { folders, ..Page::default() });
            }
            // also behind a derivative, which is jumped over: digits come before letters
            let first = if let Mark::After(key) = from { Self::number(key).map_or(0, |number| number + 1) } else { 0 };
            let end = self.originals.min(first + PAGE);
            let listed = |number: u64| {
                let replaced = number.is_multiple_of(REPLACED) && prefix.is_empty();
                Listed {
                    key: format!("{prefix}{}", Self::name(number)),
                    etag: Some(Self::etag(number, u64::from(replaced))),
                    modified: Moment(if prefix.is_empty() && !replaced { 0 } else { DAY + i64::from(replaced) * DAY }),
                    size: 1 << 20,
                }
            };
            let objects: Vec<_> = (first..end).map(listed).collect();
            let next = (end < self.originals).then(|| Mark::After(objects.last().unwrap().key.clone()));
            Ok(Page { objects, folders: Vec::new(), next })
        }
        .boxed()
    }
}

impl Store for Generated {
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        async move {
            let number = Self::number(key).ok_or(StoreError::Missing)?;
            let Some(resolution) = prefix::resolution(key) else {
                return Ok(Head { etag: Some(Self::etag(number, u64::from(number.is_multiple_of(REPLACED)))), ..Head::default() });
            };
            let key = ResizedKey::of(resolution, key.split_once('/').unwrap().1, None).unwrap();
            let picture = Picture { bytes: Vec::new(), format: Format::Jpeg, width: 1, height: 1 };
            let provenance = Provenance { content_type: None, etag: Some(Self::etag(number, 0)) };
            let made = Derivative::new(&key, picture, &request(&self.settings, &key), &provenance, "");
            Ok(Head { etag: Some(Self::etag(number, 1)), metadata: made.metadata(), ..Head::default() })
        }
        .boxed()
    }

    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async { Err(StoreError::NotImplemented) }.boxed()
    }

    fn put<'a>(&'a self, _: &'a str, _: &'a Object, _: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Err(StoreError::NotImplemented) }.boxed()
    }

    fn delete<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.deleted.fetch_add(1, Relaxed);
        async { Ok(()) }.boxed()
    }
}

async fn measure(originals: u64, settings_since: Option<Moment>) {
    let mut settings = Settings::new("photos".into(), "http://photos.example.com".parse().unwrap());
    settings.allowed_resolutions = RESOLUTIONS.map(|text| text.parse().unwrap()).into();
    let bucket = Arc::new(Generated { originals, settings: settings.clone(), deleted: AtomicU64::new(0) });
    let order = Order {
        dry_run: false,
        force: false,
        purge: false,
        max_deletions: MaxDeletions::default(),
        warm: [].into(),
        prefix: String::new(),
        suspicion: Suspicion { now: Moment::now(), settings_since },
        rate: NonZeroU32::MAX,
    };
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let start = Instant::now();
    let report =
        run(order, settings, Arc::clone(&bucket), Capacity { memory: 64 << 20, workers: 1 }, Arc::new(Metrics::new()), pending()).await;
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((report.outcome, report.originals), (SweepOutcome::Complete, originals), "{report:?}");
    assert_eq!((report.deleted, report.stale), (bucket.deleted.load(Relaxed), originals.div_ceil(REPLACED) * 5));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap();
    let (lists, heads, deletes) = (report.list_calls, report.head_calls, report.delete_calls);
    let dollars = (lists as f64 * LIST + heads as f64 * HEAD) / 1000.0;
    println!(
        "{} objects ({originals} originals, {} sizes), settings dated: {}: {seconds:.1} s, peak {} MiB, {lists} LIST, {heads} HEAD, {deletes} DELETE, {dollars:.3} dollars",
        originals * 6,
        RESOLUTIONS.len(),
        settings_since.is_some(),
        peak / 1024,
    );
}

#[tokio::main]
async fn main() {
    let numbers = std::env::var("SWEEP_BENCH").unwrap_or_else(|_| "166667,1000000,10000000".to_owned());
    for originals in numbers.split(',').map(|number| number.parse().unwrap()) {
        measure(originals, Some(Moment(-DAY))).await;
        if originals < 1_000_000 {
            measure(originals, None).await;
        }
    }
}
