//! A key → a file below the folder, opened; never one outside of it, and never a hidden one.
//!
//! A key is not a path: what may stand in it is said here. A symbolic link leads where it leads, unless that is outside or hidden.
//! The place is found first and then opened folder by folder, with no link followed: whoever changes the tree in between gains nothing.
//! `listing` walks by the same rules. Below is `file`.

use std::{
    fs::{self, File, Metadata},
    io,
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};

use super::file::failure;
use crate::store::StoreError;

/// What is opened, is opened for reading, and is not handed down to other programs.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// A folder with pictures.
#[derive(Clone, Debug)]
pub(super) struct Originals {
    /// Without links.
    root: PathBuf,
}

impl Originals {
    /// The folder at `root`.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        if fs::metadata(&root)?.is_dir() { Ok(Self { root }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the file of `key`. What is neither a file nor in the folder counts as missing.
    pub(super) fn open(&self, key: &str) -> Result<(File, Metadata), StoreError> {
        let place = self.place(key)?;
        let (Some(name), folders) = (place.file_name(), place.parent().into_iter().flat_map(Path::components)) else {
            return Err(StoreError::Missing);
        };
        let failed = |errno: rustix::io::Errno| failure(&errno.into());
        let mut folder = openat(CWD, &self.root, READ | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        for name in folders {
            folder = openat(&folder, name.as_os_str(), READ | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        }
        // opening a device can do something already
        let found = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(StoreError::Missing);
        }
        let file = File::from(openat(&folder, name, READ | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).map_err(failed)?);
        let metadata = file.metadata().map_err(|error| failure(&error))?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(StoreError::Missing) }
    }

    /// Where the file of `key` is: below the root, with no link on the way.
    fn place(&self, key: &str) -> Result<PathBuf, StoreError> {
        if !is_key(key) {
            return Err(StoreError::Missing);
        }
        let place = fs::canonicalize(self.root.join(key)).map_err(|error| failure(&error))?;
        place.strip_prefix(&self.root).ok().filter(|place| is_shown(place)).map(Path::to_owned).ok_or(StoreError::Missing)
    }
}

/// Whether `key` is that of a file: names with one `/` between them, none of which is hidden.
pub(super) fn is_key(key: &str) -> bool {
    key.split('/').all(|name| !name.is_empty() && !name.starts_with('.')) && !key.chars().any(char::is_control)
}

/// Whether no part of a path below the root is hidden.
pub(super) fn is_shown(place: &Path) -> bool {
    place.components().all(|part| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b".")))
}
