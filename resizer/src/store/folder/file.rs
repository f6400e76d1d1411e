//! An open file → its version, and its bytes as a stream that ends well only if the file is still what it was. It reads local files.
//!
//! Beside `originals` and `cache`, which open files; below are the types of `store`.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use rustix::io::Errno;

use crate::store::StoreError;

/// Bytes that are read at once.
const CHUNK: u64 = 64 << 10;

/// The version of a file. The time is that of the last change of anything: unlike the time of the last write, no program can set it back.
pub(super) fn etag(metadata: &Metadata) -> String {
    format!("\"{:x}-{:x}-{:x}.{:x}\"", metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec())
}

/// What an error of the file system says of an object.
pub(super) fn failure(error: &io::Error) -> StoreError {
    match Errno::from_io_error(error) {
        // a name that no file of this system can have is that of no object
        Some(
            Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL | Errno::NXIO,
        ) => StoreError::Missing,
        Some(Errno::ACCESS | Errno::PERM) => StoreError::Forbidden,
        None if error.kind() == io::ErrorKind::InvalidInput => StoreError::Missing,
        _ => StoreError::Failed(error.to_string()),
    }
}

/// Runs `work` where it may wait for a disk.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
}

/// The bytes of `file` from `begin` on. It was seen as `metadata` says: if its content is another one by the end, the last bytes do not come.
pub(super) fn body(file: File, metadata: &Metadata, begin: u64) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let reading = Reading { file, at: begin, end: metadata.len(), written: written(metadata) };
    stream::try_unfold(reading, |reading| blocking(move || reading.next())).boxed()
}

/// When the content was written. A file that gets another name, or loses its own to a new one, is still the same content.
fn written(metadata: &Metadata) -> (i64, i64, u64) {
    (metadata.mtime(), metadata.mtime_nsec(), metadata.size())
}

struct Reading {
    file: File,
    at: u64,
    end: u64,
    written: (i64, i64, u64),
}

impl Reading {
    fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let length = usize::try_from(CHUNK.min(self.end - self.at)).unwrap_or_default();
        let mut chunk = BytesMut::zeroed(length);
        let broken = |error: io::Error| StoreError::Interrupted(error.to_string());
        let count = self.file.read_at(&mut chunk, self.at).map_err(broken)?;
        if count == 0 {
            return Ok(None);
        }
        chunk.truncate(count);
        self.at += count as u64;
        if self.at == self.end && written(&self.file.metadata().map_err(broken)?) != self.written {
            return Err(StoreError::Interrupted("the file changed while it was read".to_owned()));
        }
        Ok(Some((chunk.freeze(), self)))
    }
}
