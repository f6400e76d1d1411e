//! A bucket as one of its users sees it, and what that user deletes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::future::{BoxFuture, FutureExt};
use resize_api::{ResizedKey, Resolution, Settings};
use resizer::{
    derivative::state::{Source, State, judge},
    store::{
        Head, Object, Opened, Overwrite, Store, StoreError,
        listing::{Depth, Inventory, Mark, Page},
    },
};

use super::{Bucket, Stored, written};

/// The bucket as one of its users sees it: who deletes something that is fresh, though its original is as that user saw it, is counted.
pub struct Witness {
    pub bucket: Arc<Bucket>,
    pub settings: Settings,
    /// By derivative.
    seen: Mutex<BTreeMap<String, Seen>>,
    pub verdict: Arc<Verdict>,
}

/// None of what is not there.
type Version = Option<u64>;

/// A derivative as it was looked at, and the originals that its key may mean, as they were first seen after that.
#[derive(Clone, Default)]
struct Seen {
    version: Version,
    originals: BTreeMap<String, Version>,
}

/// What was deleted.
#[derive(Default)]
pub struct Verdict {
    pub deletions: Mutex<u64>,
    /// Fresh ones, whose originals stood unchanged; each came between the look and the deletion.
    pub wrongly: Mutex<u64>,
    /// Fresh ones that were looked at as they were: this must never be.
    pub never: Mutex<Vec<String>>,
}

impl Witness {
    pub fn new(bucket: &Arc<Bucket>, settings: &Settings, verdict: &Arc<Verdict>) -> Arc<Self> {
        let (bucket, verdict) = (Arc::clone(bucket), Arc::clone(verdict));
        Arc::new(Self { bucket, settings: settings.clone(), seen: Mutex::default(), verdict })
    }

    fn version(&self, key: &str) -> Version {
        self.bucket.object(key).map(|stored| stored.version)
    }

    /// What the key of an object may mean, if it lies where derivatives do.
    fn readings(&self, key: &str) -> Vec<ResizedKey> {
        let is_place = key.split_once('/').is_some_and(|(prefix, _)| prefix.parse::<Resolution>().is_ok());
        if is_place { self.settings.readings(&written(key)) } else { Vec::new() }
    }

    /// Judges a deletion that was just done.
    fn judge(&self, key: &str, deleted: &Stored) {
        *self.verdict.deletions.lock().unwrap() += 1;
        let Seen { version: looked_at, originals } = self.seen.lock().unwrap().get(key).cloned().unwrap_or_default();
        for reading in self.readings(key) {
            if originals.get(&reading.original) != Some(&self.version(&reading.original)) {
                return;
            }
            let Some(original) = self.bucket.object(&reading.original) else { continue };
            if judge(&self.settings, &reading, &deleted.metadata, Source::There(Some(&original.etag()))) == State::Fresh {
                *self.verdict.wrongly.lock().unwrap() += 1;
                if looked_at == Some(deleted.version) {
                    self.verdict.never.lock().unwrap().push(key.to_owned());
                }
            }
            return;
        }
    }
}

impl Store for Witness {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        self.bucket.get(key)
    }

    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.bucket.put(key, object, overwrite)
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        async move {
            let head = self.bucket.head(key).await;
            // nothing happens in between: there is one thread
            let (version, mut seen) = (self.version(key), self.seen.lock().unwrap());
            for (derivative, Seen { originals, .. }) in seen.iter_mut() {
                if self.readings(derivative).iter().any(|reading| reading.original == key) {
                    originals.entry(key.to_owned()).or_insert(version);
                }
            }
            seen.insert(key.to_owned(), Seen { version, originals: BTreeMap::new() });
            head
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            // the same as in the bucket, so that what goes is seen
            self.bucket.wait().await;
            let before = self.bucket.object(key);
            let holds = before.as_ref().is_none_or(|found| etag.is_none_or(|etag| etag == found.etag()));
            if self.bucket.knows_conditions && !holds {
                return Err(StoreError::Exists);
            }
            if let Some(deleted) = before {
                self.bucket.objects.lock().unwrap().remove(key);
                self.judge(key, &deleted);
            }
            Ok(())
        }
        .boxed()
    }
}

impl Inventory for Witness {
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.bucket.page(prefix, from, depth)
    }
}
