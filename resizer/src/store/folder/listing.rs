//! The originals of the folder, page by page in the byte order of their keys. It reads local folders.
//!
//! Nothing is remembered between pages: each walks again to where the last one ended, past the folders that lie before it. A link to
//! a folder is not walked into, so the walk ends; what lies behind it can still be asked for. Below is `originals`, whose rules hold here too.

use std::{
    fs::{self, DirEntry},
    os::unix::fs::MetadataExt,
};

use resize_api::key::MAX_KEY_BYTES;

use super::{
    file::{etag, failure},
    originals::{Originals, is_key},
};
use crate::store::{
    StoreError,
    listing::{Depth, Listed, Mark, Moment, Page},
};

/// Objects of a page.
const PAGE: usize = 1000;

/// The next objects under `prefix` behind `from`.
pub(super) fn page(originals: &Originals, prefix: &str, from: &Mark, depth: Depth) -> Result<Page, StoreError> {
    let after = match from {
        Mark::Start => "",
        Mark::After(key) | Mark::Token(key) => key,
    };
    let mut walk = Walk { originals, prefix, after, depth, page: Page::default() };
    walk.folder("")?;
    Ok(walk.page)
}

struct Walk<'a> {
    originals: &'a Originals,
    prefix: &'a str,
    after: &'a str,
    depth: Depth,
    page: Page,
}

impl Walk<'_> {
    /// Lists what is in the folder whose keys begin with `begin`.
    fn folder(&mut self, begin: &str) -> Result<(), StoreError> {
        let entries = match fs::read_dir(self.originals.root().join(begin)) {
            Ok(entries) => entries,
            // gone meanwhile, or nobody's to read: as what is in it, it cannot be asked for
            Err(_) if !begin.is_empty() => return Ok(()),
            Err(error) => return Err(failure(&error)),
        };
        let mut keys: Vec<String> = entries.filter_map(|entry| key(begin, &entry.ok()?)).collect();
        keys.sort_unstable();
        for key in keys {
            if self.page.next.is_some() {
                return Ok(());
            }
            if key.ends_with('/') {
                self.enter(key)?;
            } else if key.as_str() > self.after && key.starts_with(self.prefix) {
                self.object(key);
            }
        }
        Ok(())
    }

    /// Whether keys that begin with `begin` may belong to the page.
    fn leads_on(&self, begin: &str) -> bool {
        let is_under = begin.starts_with(self.prefix) || self.prefix.starts_with(begin);
        is_under && (begin > self.after || self.after.starts_with(begin))
    }

    fn enter(&mut self, begin: String) -> Result<(), StoreError> {
        if !self.leads_on(&begin) {
            return Ok(());
        }
        let is_shown_as_one = self.depth == Depth::Folders && begin.len() > self.prefix.len();
        if !is_shown_as_one {
            return self.folder(&begin);
        }
        self.page.folders.push(begin);
        Ok(())
    }

    fn object(&mut self, key: String) {
        // opened, so that only what can be asked for is listed
        let Ok((_, metadata)) = self.originals.open(&key) else { return };
        if let Some(last) = self.page.objects.last().filter(|_| self.page.objects.len() >= PAGE) {
            self.page.next = Some(Mark::After(last.key.clone()));
            return;
        }
        self.page.objects.push(Listed { etag: Some(etag(&metadata)), modified: Moment(metadata.mtime()), size: metadata.len(), key });
    }
}

/// The key of a file, or that which the keys of a folder begin with. What is not UTF-8 cannot be asked for.
fn key(begin: &str, entry: &DirEntry) -> Option<String> {
    let key = format!("{begin}{}", entry.file_name().to_str()?);
    let slash = if entry.file_type().ok()?.is_dir() { "/" } else { "" };
    (is_key(&key) && key.len() <= MAX_KEY_BYTES).then(|| key + slash)
}
