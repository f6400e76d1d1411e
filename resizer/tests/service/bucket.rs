//! A bucket in memory that can be listed: with a clock, with versions, and with the time that requests take.
//!
//! Time is that of tokio, paused: a millisecond of it is a second of the bucket's clock.

mod witness;

use std::{collections::BTreeMap, ops::Bound, sync::Mutex, time::Duration};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use picture::{Format, Picture};
use resize_api::{ResizedKey, Settings};
use resizer::{
    derivative::{
        object::{Derivative, Provenance},
        state::request,
    },
    store::{
        Head, Metadata, Object, Opened, Overwrite, Store, StoreError,
        listing::{Depth, Inventory, Listed, Mark, Moment, Page},
    },
};
use tokio::time::{Instant, sleep};

pub use self::witness::{Verdict, Witness};

/// When the bucket's clock began.
pub const BEGIN: i64 = 1_700_000_000;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub bytes: Bytes,
    pub metadata: Metadata,
    pub modified: i64,
    /// Differs for everything that was ever stored.
    pub version: u64,
}

impl Stored {
    /// Equal for equal bytes.
    pub fn etag(&self) -> String {
        let hash = self.bytes.iter().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        format!("\"{hash:016x}\"")
    }
}

/// What a bucket does wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The answer to the listing of this prefix, from its page of this number on.
    pub list: Option<(String, usize, StoreError)>,
    /// The answer to a HEAD, from that of this number on.
    pub head: Option<(usize, StoreError)>,
    pub delete: Option<StoreError>,
    /// Listings come in no order.
    pub disorder: bool,
}

/// A bucket.
pub struct Bucket {
    pub objects: Mutex<BTreeMap<String, Stored>>,
    pub faults: Mutex<Faults>,
    pub knows_conditions: bool,
    /// Objects of a page.
    pub page: usize,
    /// The longest time that a request takes, in milliseconds; it is random.
    pub latency: u64,
    pub calls: Mutex<Vec<String>>,
    random: Mutex<u64>,
    versions: Mutex<u64>,
    begin: Instant,
}

impl Bucket {
    pub fn new(page: usize) -> Self {
        Self {
            objects: Mutex::default(),
            faults: Mutex::default(),
            knows_conditions: true,
            page,
            latency: 0,
            calls: Mutex::default(),
            random: Mutex::new(1),
            versions: Mutex::default(),
            begin: Instant::now(),
        }
    }

    pub fn seeded(self, seed: u64) -> Self {
        Self { random: Mutex::new(seed | 1), ..self }
    }

    /// A number below `limit`.
    pub fn random(&self, limit: u64) -> u64 {
        let mut state = self.random.lock().unwrap();
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % limit
    }

    pub fn now(&self) -> i64 {
        BEGIN + i64::try_from(self.begin.elapsed().as_millis()).unwrap()
    }

    pub async fn wait(&self) {
        let milliseconds = self.random(self.latency + 1);
        if milliseconds > 0 {
            sleep(Duration::from_millis(milliseconds)).await;
        }
    }

    /// Stores an object as it was stored `age` seconds ago.
    pub fn store(&self, key: &str, bytes: &str, metadata: Metadata, age: i64) {
        let version = {
            let mut versions = self.versions.lock().unwrap();
            *versions += 1;
            *versions
        };
        let stored = Stored { bytes: bytes.to_owned().into(), metadata, modified: self.now() - age, version };
        self.objects.lock().unwrap().insert(key.to_owned(), stored);
    }

    /// An original.
    pub fn original(&self, key: &str, bytes: &str, age: i64) {
        self.store(key, bytes, Metadata::new(), age);
    }

    /// The derivative of the original of this very name as it is now, or as it was with these bytes.
    pub fn derivative(&self, settings: &Settings, key: &str, of: &str, age: i64) {
        self.made(settings, &written(key), of, age);
    }

    /// The same, in the format that the key's suffix names, of the original of the shorter name.
    pub fn variant(&self, settings: &Settings, key: &str, of: &str, age: i64) {
        self.made(settings, &written(key).as_variant().unwrap(), of, age);
    }

    fn made(&self, settings: &Settings, key: &ResizedKey, of: &str, age: i64) {
        let etag = Stored { bytes: of.to_owned().into(), metadata: Metadata::new(), modified: 0, version: 0 }.etag();
        let Derivative { key, object } = derivative(settings, key, &etag);
        let metadata = object.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.store(&key, std::str::from_utf8(&object.bytes).unwrap(), metadata, age);
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    pub fn object(&self, key: &str) -> Option<Stored> {
        self.objects.lock().unwrap().get(key).cloned()
    }

    fn log(&self, call: String) -> usize {
        let mut calls = self.calls.lock().unwrap();
        let kind = call.split(' ').next().unwrap().to_owned();
        calls.push(call);
        calls.iter().filter(|call| call.starts_with(&kind)).count()
    }

    pub fn called(&self, what: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| call.starts_with(what)).count()
    }
}

/// The key of a derivative, whose suffix has no meaning.
pub fn written(key: &str) -> ResizedKey {
    let (prefix, original) = key.split_once('/').unwrap();
    ResizedKey { resolution: prefix.parse().unwrap(), written: prefix.to_owned(), original: original.to_owned(), variant: None }
}

/// What is made of an original with this ETag: bytes that differ for each original and all settings.
pub fn derivative(settings: &Settings, key: &ResizedKey, etag: &str) -> Derivative {
    let request = request(settings, key);
    let bytes = format!("{key} of {etag} by {:?}", request.recipe);
    let picture = Picture { bytes: bytes.into(), format: Format::Jpeg, width: 1, height: 1 };
    let provenance = Provenance { content_type: None, etag: Some(etag.to_owned()) };
    Derivative::new(key, picture, &request, &provenance, "no-cache")
}

impl Store for Bucket {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async move {
            self.wait().await;
            let stored = self.object(key).ok_or(StoreError::Missing)?;
            let mut opened = Opened::in_memory("image/png", stored.bytes.clone());
            opened.head = Head { etag: Some(stored.etag()), metadata: stored.metadata, ..opened.head };
            Ok(opened)
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.wait().await;
            let found = self.object(key);
            let holds = match overwrite {
                Overwrite::Never => found.is_none(),
                Overwrite::Version(etag) => found.is_some_and(|found| found.etag() == etag),
                Overwrite::Always => true,
            };
            if self.knows_conditions && !holds {
                return Err(StoreError::Exists);
            }
            let metadata = object.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            self.store(key, &String::from_utf8_lossy(&object.bytes), metadata, 0);
            Ok(())
        }
        .boxed()
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        async move {
            self.wait().await;
            let number = self.log(format!("head {key}"));
            if let Some((from, error)) = &self.faults.lock().unwrap().head
                && number >= *from
            {
                return Err(error.clone());
            }
            let stored = self.object(key).ok_or(StoreError::Missing)?;
            Ok(Head { etag: Some(stored.etag()), metadata: stored.metadata, ..Head::default() })
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.wait().await;
            self.log(format!("delete {key}"));
            if let Some(error) = self.faults.lock().unwrap().delete.clone() {
                return Err(error);
            }
            let mut objects = self.objects.lock().unwrap();
            let holds = objects.get(key).is_none_or(|found| etag.is_none_or(|etag| etag == found.etag()));
            if self.knows_conditions && !holds {
                return Err(StoreError::Exists);
            }
            objects.remove(key);
            Ok(())
        }
        .boxed()
    }
}

impl Inventory for Bucket {
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>> {
        async move {
            self.wait().await;
            let number = self.log(format!("list:{prefix} {from:?}"));
            let faults = self.faults.lock().unwrap().clone();
            if let Some((broken, from, error)) = faults.list
                && depth == Depth::Objects
                && broken == prefix
                && number >= from
            {
                return Err(error);
            }
            let begin = match from {
                Mark::Start => Bound::Included(prefix.to_owned()),
                Mark::After(key) | Mark::Token(key) => Bound::Excluded(key.clone().max(prefix.to_owned())),
            };
            let objects = self.objects.lock().unwrap();
            let under = objects.range((begin, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
            if depth == Depth::Folders {
                let mut folders: Vec<_> =
                    under.filter_map(|(key, _)| Some(key[..=prefix.len() + key[prefix.len()..].find('/')?].to_owned())).collect();
                folders.dedup();
                return Ok(Page { folders, ..Page::default() });
            }
            let listed = |(key, stored): (&String, &Stored)| Listed {
                key: key.clone(),
                etag: Some(stored.etag()),
                modified: Moment(stored.modified),
                size: stored.bytes.len() as u64,
            };
            let mut objects: Vec<_> = under.take(self.page + 1).map(listed).collect();
            let is_whole = objects.len() <= self.page;
            objects.truncate(self.page);
            let next = (!is_whole).then(|| Mark::After(objects.last().unwrap().key.clone()));
            if faults.disorder {
                objects.reverse();
            }
            Ok(Page { objects, folders: Vec::new(), next })
        }
        .boxed()
    }
}
