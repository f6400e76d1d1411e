//! A store on a local folder, for trying the service and for work on front ends: no cloud, no cluster. It reads and writes local files.
//!
//! Originals come from the folder, derivatives go into a cache folder, and each key belongs to one of them alone: those under a listed
//! resolution to the cache, all others to the folder, which is never written. The cache lies beside the originals by default, hidden, and
//! nothing that is hidden is ever an original. Files are opened by `originals` and `cache`.

mod cache;
mod file;
mod listing;
mod media_type;
mod originals;

use std::{
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::{BoxFuture, FutureExt};
use resize_api::Settings;

use self::{
    cache::Cache,
    file::{blocking, body, etag, failure},
    media_type::media_type,
    originals::{Originals, is_shown},
};
use super::{
    Head, Object, Opened, Overwrite, Store, StoreError,
    listing::{Depth, Inventory, Mark, Moment, Page},
};

/// Where derivatives go unless told otherwise, below the folder.
const CACHE: &str = ".resized";

/// A folder with pictures, and one with what was made of them.
#[derive(Clone, Debug)]
pub struct Folder {
    originals: Originals,
    cache: Cache,
    settings: Arc<Settings>,
}

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no such folder.
    #[error("{0}: {1}; want a folder with pictures")]
    Originals(PathBuf, #[source] io::Error),
    /// The cache cannot be made.
    #[error("{0}: {1}; want a folder that can be written to, by --cache")]
    Cache(PathBuf, #[source] io::Error),
    /// What is in the cache could be asked for as originals.
    #[error("{0}: derivatives would be originals there; want a folder beside that of the originals, or a hidden one in it")]
    Shown(PathBuf),
    /// No resolution is listed, so that each may be that of a derivative.
    #[error("no sizes; want those that may be asked for")]
    NoSizes,
}

impl Folder {
    /// The folder `originals`, whose derivatives go to `cache`, `.resized` in it by default; `settings` say which keys are theirs.
    pub fn open(originals: &Path, cache: Option<&Path>, settings: Settings) -> Result<Self, FolderError> {
        if settings.allowed_resolutions.is_empty() {
            return Err(FolderError::NoSizes);
        }
        let originals = Originals::new(originals).map_err(|error| FolderError::Originals(originals.to_owned(), error))?;
        let cache = cache.map_or_else(|| originals.root().join(CACHE), Path::to_owned);
        let cache = Cache::new(&cache).map_err(|error| FolderError::Cache(cache, error))?;
        let is_beside = match cache.root().strip_prefix(originals.root()) {
            Ok(inside) => inside.components().next().is_some() && !is_shown(inside),
            Err(_) => !originals.root().starts_with(cache.root()),
        };
        if is_beside {
            Ok(Self { originals, cache, settings: Arc::new(settings) })
        } else {
            Err(FolderError::Shown(cache.root().to_owned()))
        }
    }

    /// Where originals come from, and where derivatives go.
    pub fn places(&self) -> (&Path, &Path) {
        (self.originals.root(), self.cache.root())
    }

    fn is_derivative(&self, key: &str) -> bool {
        self.settings.reserves(key)
    }

    fn open_object(&self, key: &str) -> Result<Opened, StoreError> {
        if self.is_derivative(key) { self.cache.get(key) } else { self.open_original(key) }
    }

    fn open_original(&self, key: &str) -> Result<Opened, StoreError> {
        let (file, metadata) = self.originals.open(key)?;
        let mut head = [0; picture::HEAD];
        let count = file.read_at(&mut head, 0).map_err(|error| failure(&error))?;
        let head = Head {
            etag: Some(etag(&metadata)),
            modified: Some(Moment(metadata.mtime())),
            content_type: Some(media_type(&head[..count], key).to_owned()),
            length: Some(metadata.len()),
            ..Head::default()
        };
        Ok(Opened { head, body: body(file, &metadata, 0) })
    }
}

/// Derivatives alone are written: the folder's own files are not ours.
impl Store for Folder {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        let (this, key) = (self.clone(), key.to_owned());
        blocking(move || this.open_object(&key)).boxed()
    }

    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        if !self.is_derivative(key) {
            return std::future::ready(Err(StoreError::Forbidden)).boxed();
        }
        let (cache, key, object) = (self.cache.clone(), key.to_owned(), object.clone());
        let version = if let Overwrite::Version(etag) = overwrite { Some(etag.to_owned()) } else { None };
        let is_never = overwrite == Overwrite::Never;
        let work = move || {
            let overwrite = version.as_deref().map_or(if is_never { Overwrite::Never } else { Overwrite::Always }, Overwrite::Version);
            cache.put(&key, &object, overwrite)
        };
        blocking(work).boxed()
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        let (this, key) = (self.clone(), key.to_owned());
        blocking(move || Ok(this.open_object(&key)?.head)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        if !self.is_derivative(key) {
            return std::future::ready(Err(StoreError::Forbidden)).boxed();
        }
        let (cache, key, etag) = (self.cache.clone(), key.to_owned(), etag.map(ToOwned::to_owned));
        blocking(move || cache.delete(&key, etag.as_deref())).boxed()
    }
}

impl Inventory for Folder {
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>> {
        let (originals, prefix, from) = (self.originals.clone(), prefix.to_owned(), from.clone());
        blocking(move || listing::page(&originals, &prefix, &from, depth)).boxed()
    }
}
