//! What a bucket holds, page by page in the byte order of keys.
//!
//! `lifecycle` compares whole buckets through it. The S3 behind it is in `s3::listing`; below are only the types of `store`.

use futures::future::BoxFuture;

pub use super::moment::Moment;
use super::{Store, StoreError};

/// The largest character: behind every key that begins with the text before it, but for keys that nobody has.
const LAST: char = char::MAX;

/// A store whose keys can be listed.
pub trait Inventory: Send + Sync {
    /// The next objects under `prefix`, from `from` on, in the byte order of their keys.
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>>;
}

/// A bucket: its objects, and the list of them.
pub trait Bucket: Store + Inventory {}

impl<T: Store + Inventory> Bucket for T {}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// With the first key.
    #[default]
    Start,
    /// Behind this key, whether there is such an object or not.
    After(String),
    /// Where the store said that the next page begins.
    Token(String),
}

impl Mark {
    /// Behind everything that begins with `prefix`.
    pub fn behind(prefix: &str) -> Self {
        Self::After(format!("{prefix}{LAST}"))
    }
}

/// What a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every object.
    Objects,
    /// Objects whose key has no `/` behind the prefix, and what others have before it.
    Folders,
}

/// Part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects, in the byte order of their keys.
    pub objects: Vec<Listed>,
    /// With [`Depth::Folders`]: the beginnings of other keys, up to their `/`.
    pub folders: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<Mark>,
}

/// An object, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its version.
    pub etag: Option<String>,
    /// When it was stored; for an upload in parts, when that began.
    pub modified: Moment,
    /// Bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_behind_a_prefix_is_before_what_follows_it() {
        let Mark::After(mark) = Mark::behind("300x300/") else { unreachable!() };
        assert!("300x300/zzz" < mark.as_str() && "300x300/푸른.jpg" < mark.as_str() && mark.as_str() < "300x3000");
    }
}
