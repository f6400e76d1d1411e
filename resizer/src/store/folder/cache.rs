//! A key and an object → one file of the cache folder, and back. It reads and writes local files.
//!
//! An object is a line of JSON, with all that is known of it, and its bytes: one file, so that what belongs together is never apart.
//! The file's name is a hash of the key: no key is too long for it, and none leads elsewhere. It is written under another name,
//! synced, and renamed: what is there is whole, also after a crash, and a file whose length differs from what its line says does not count.
//! Writers hold the lock of the folder, so conditions hold among processes too. Below is `file`.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fs::{self, File, Metadata, OpenOptions},
    hash::{BuildHasher, Hasher},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::{body, etag, failure};
use crate::store::{Head, Object, Opened, Overwrite, StoreError, listing::Moment};

/// What a file begins with: the format of what follows.
const MAGIC: &str = "resized-1 ";
/// The longest line of JSON: an S3 object has 2 KiB of metadata, and 1 KiB of key.
const LONGEST_LINE: u64 = 16 << 10;
/// Ending of what is being written, and the age from which on nobody writes it any more.
const PART: &str = "part";
const ABANDONED: Duration = Duration::from_hours(1);

/// A folder of derivatives.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

/// All that is known of an object beside its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    content_type: String,
    cache_control: String,
    metadata: BTreeMap<String, String>,
    length: u64,
}

/// An object in its file.
struct Found {
    head: Head,
    file: File,
    metadata: Metadata,
    /// Where the bytes of the object begin.
    begin: u64,
}

/// A file that goes unless it was renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

impl Cache {
    /// The cache at `root`, which is made if it is not there.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let cache = Self { root: fs::canonicalize(root)? };
        // what is made anew belongs into no repository
        drop(File::create_new(cache.root.join(".gitignore")).and_then(|mut file| file.write_all(b"*\n")));
        cache.clean();
        Ok(cache)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn get(&self, key: &str) -> Result<Opened, StoreError> {
        let Found { head, file, metadata, begin } = self.find(key)?;
        Ok(Opened { head, body: body(file, &metadata, begin) })
    }

    pub(super) fn head(&self, key: &str) -> Result<Head, StoreError> {
        Ok(self.find(key)?.head)
    }

    pub(super) fn put(&self, key: &str, object: &Object, overwrite: Overwrite) -> Result<(), StoreError> {
        let place = self.place(key);
        let part = write(&place, key, object).map_err(|error| failed(&error))?;
        let _lock = self.lock()?;
        let found = match self.head(key) {
            Ok(found) => found.etag,
            Err(StoreError::Missing) => None,
            Err(error) => return Err(error),
        };
        let holds = match overwrite {
            Overwrite::Never => found.is_none(),
            Overwrite::Version(etag) => found.as_deref() == Some(etag),
            Overwrite::Always => true,
        };
        if !holds {
            return Err(StoreError::Exists);
        }
        fs::rename(&part.0, &place).map_err(|error| failed(&error))
    }

    pub(super) fn delete(&self, key: &str, etag: Option<&str>) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        let found = match self.head(key) {
            Ok(found) => found.etag,
            Err(StoreError::Missing) => return Ok(()),
            Err(error) => return Err(error),
        };
        if etag.is_some() && etag != found.as_deref() {
            return Err(StoreError::Exists);
        }
        fs::remove_file(self.place(key)).map_err(|error| failed(&error))
    }

    /// The object of `key`. A file that is not whole, or is that of another key, counts as missing: it is made again.
    fn find(&self, key: &str) -> Result<Found, StoreError> {
        let file = File::open(self.place(key)).map_err(|error| failure(&error))?;
        let metadata = file.metadata().map_err(|error| failure(&error))?;
        let mut text = String::new();
        let read = BufReader::new(&file).take(LONGEST_LINE).read_line(&mut text);
        let begin = match read {
            Ok(count) => count as u64,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(StoreError::Missing),
            Err(error) => return Err(failure(&error)),
        };
        let line: Option<Line> =
            text.strip_prefix(MAGIC).filter(|text| text.ends_with('\n')).and_then(|json| serde_json::from_str(json).ok());
        let is_whole = |line: &Line| line.key == key && begin.checked_add(line.length) == Some(metadata.len());
        let line = line.filter(is_whole).ok_or(StoreError::Missing)?;
        let head = Head {
            etag: Some(etag(&metadata)),
            modified: Some(Moment(metadata.mtime())),
            content_type: Some(line.content_type),
            length: Some(line.length),
            metadata: line.metadata.into_iter().collect(),
            ..Head::default()
        };
        Ok(Found { head, file, metadata, begin })
    }

    fn place(&self, key: &str) -> PathBuf {
        let hash = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        self.root.join(&hash[..2]).join(hash)
    }

    /// One writer at a time, of all processes, until it is dropped.
    fn lock(&self) -> Result<File, StoreError> {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(self.root.join("lock"));
        lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|error| failed(&error))
    }

    /// Removes what a process left that ended while it wrote.
    fn clean(&self) {
        let old = |path: &Path| {
            let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
            written.and_then(|written| SystemTime::now().duration_since(written).ok()).is_some_and(|age| age > ABANDONED)
        };
        for folder in entries(&self.root).filter(|path| path.is_dir()) {
            let parts = entries(&folder).filter(|path| path.extension().is_some_and(|ending| ending == PART) && old(path));
            parts.for_each(|part| drop(fs::remove_file(part)));
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

/// Writes `object` beside `place`, wholly.
fn write(place: &Path, key: &str, object: &Object) -> io::Result<Part> {
    let line = Line {
        key: key.to_owned(),
        content_type: object.content_type.clone(),
        cache_control: object.cache_control.clone(),
        metadata: object.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        length: object.bytes.len() as u64,
    };
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let path = place.with_extension(format!("{:016x}.{PART}", RandomState::new().build_hasher().finish()));
    let mut file = File::create_new(&path)?;
    let part = Part(path);
    file.write_all(format!("{MAGIC}{}\n", serde_json::to_string(&line)?).as_bytes())?;
    file.write_all(&object.bytes)?;
    file.sync_data()?;
    Ok(part)
}

/// What cannot be written is not missing.
fn failed(error: &io::Error) -> StoreError {
    match failure(error) {
        StoreError::Missing => StoreError::Failed(error.to_string()),
        failure => failure,
    }
}
