//! A key → an opened object, whose body is read within bounds; a key and an [`Object`] → stored.
//!
//! The trait, its errors, the two ways to the network, [`s3`] and [`website`], and a local [`folder`] in place of a bucket. `derivative` reads and stores through it; it knows
//! keys and objects, nothing of pictures. Below is only `watch`.

pub mod folder;
pub mod listing;
mod moment;
pub mod s3;
pub mod website;

use std::{collections::HashMap, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::{BoxStream, TryStreamExt},
};

use self::moment::Moment;

/// Where originals come from and derivatives go.
pub trait Store: Send + Sync {
    /// Opens the object `key`; its body is still to be read.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>>;

    /// Stores `object` under `key`. No reader ever sees a part of it.
    ///
    /// Where `overwrite` does not hold, the object that is there stays, and the error is [`StoreError::Exists`];
    /// a store that knows no conditions overwrites it.
    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What is known of the object `key` without its body.
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>>;

    /// Deletes the object `key` if its ETag is `etag`, else the error is [`StoreError::Exists`]; a store that knows no conditions
    /// deletes it. Where there is none any more, it is well.
    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Whether the keys of the bucket may be listed. Who may not is denied access to missing objects too.
    fn may_list(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// User metadata by name, in lower case.
pub type Metadata = HashMap<String, String>;

/// What is known of an object without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Version of the object.
    pub etag: Option<String>,
    /// When it was stored.
    pub modified: Option<Moment>,
    /// Media type, as the object carries it.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as the object carries it, unless it means none.
    pub content_encoding: Option<String>,
    /// Length of the body in bytes, as announced.
    pub length: Option<u64>,
    /// User metadata.
    pub metadata: Metadata,
}

/// What to do where there is an object already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite<'a> {
    /// Leave it.
    Never,
    /// Replace it if it has this ETag.
    Version(&'a str),
    /// Replace it.
    Always,
}

/// An object to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The body.
    pub bytes: Bytes,
    /// Media type.
    pub content_type: String,
    /// `Cache-Control` that the store sends with it.
    pub cache_control: String,
    /// User metadata, ASCII only.
    pub metadata: Vec<(&'static str, String)>,
    /// Where the bucket's website sends who asks for it: a path there, percent-encoded. A store without a website needs not keep it.
    pub redirect: Option<String>,
}

/// An object opened for reading.
pub struct Opened {
    /// All that is known of it.
    pub head: Head,
    /// The body.
    pub body: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// Why the store did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("no such object")]
    Missing,
    /// The store refuses access to the object, or hides that there is none.
    #[error("access to the object is denied")]
    Forbidden,
    /// The object is in an archive, from which it must be restored before it can be read.
    #[error("object is archived")]
    Archived,
    /// The object is larger than allowed.
    #[error("object is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The body is not as long as announced.
    #[error("body has {received} bytes where {announced} were announced")]
    Short {
        /// Bytes announced.
        announced: u64,
        /// Bytes received.
        received: u64,
    },
    /// The body broke off; the text is for the log.
    #[error("body broke off: {0}")]
    Interrupted(String),
    /// The store does not accept the credentials, or there are none; the text is for the log.
    #[error("credentials are not accepted: {0}")]
    Credentials(String),
    /// There is no such bucket.
    #[error("no such bucket")]
    NoBucket,
    /// There is an object already, or another one than was to be replaced.
    #[error("object exists")]
    Exists,
    /// The store asks for fewer requests.
    #[error("store asks to slow down")]
    SlowDown,
    /// The store does not know what it was asked to do.
    #[error("not implemented by the store")]
    NotImplemented,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// Anything else; the text is for the log.
    #[error("store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether another attempt may go better. What failed before the body began was
    /// tried again by the store itself.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Short { .. } | Self::Interrupted(_))
    }
}

impl Opened {
    /// The announced length; an error if it is over `limit`. An unknown length counts as `limit`.
    pub fn bounded_length(&self, limit: u64) -> Result<u64, StoreError> {
        let length = self.head.length.unwrap_or(limit);
        if length > limit { Err(StoreError::TooLarge { limit }) } else { Ok(length) }
    }

    /// Waits for the first bytes, at least `least` of them if there are so many; they stay part of the body.
    pub async fn head(&mut self, least: usize, deadline: Duration) -> Result<Bytes, StoreError> {
        // a stream must not be polled again after its end
        let mut body = std::mem::replace(&mut self.body, futures::stream::empty().boxed()).fuse();
        let collect = async {
            let Some(first) = body.try_next().await? else { return Ok(Bytes::new()) };
            if first.len() >= least {
                return Ok(first);
            }
            let mut head = BytesMut::from(first);
            while head.len() < least {
                match body.try_next().await? {
                    Some(chunk) => head.extend_from_slice(&chunk),
                    None => break,
                }
            }
            Ok(head.freeze())
        };
        let head = tokio::time::timeout(deadline, collect).await.map_err(|_| StoreError::TimedOut)??;
        self.body = futures::stream::iter([Ok(head.clone())]).chain(body).boxed();
        Ok(head)
    }

    /// Reads the whole body: at most `limit` bytes, exactly as many as announced, within `deadline`.
    pub async fn read(self, limit: u64, deadline: Duration) -> Result<Bytes, StoreError> {
        let expected = self.bounded_length(limit)?;
        let capacity = if self.head.length.is_some() { usize::try_from(expected).unwrap_or_default() } else { 0 };
        let collect = self.body.try_fold(BytesMut::with_capacity(capacity), |mut buffer, chunk| async move {
            if buffer.len() as u64 + chunk.len() as u64 > limit {
                return Err(StoreError::TooLarge { limit });
            }
            buffer.extend_from_slice(&chunk);
            Ok(buffer)
        });
        let buffer = tokio::time::timeout(deadline, collect).await.map_err(|_| StoreError::TimedOut)??;
        let received = buffer.len() as u64;
        match self.head.length {
            Some(announced) if announced != received => Err(StoreError::Short { announced, received }),
            _ => Ok(buffer.freeze()),
        }
    }

    /// An object whose body is already here.
    pub fn in_memory(content_type: &str, bytes: Bytes) -> Self {
        Self {
            head: Head { content_type: Some(content_type.to_owned()), length: Some(bytes.len() as u64), ..Head::default() },
            body: futures::stream::iter([Ok(bytes)]).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(3);

    fn opened(length: Option<u64>, chunks: &[&'static str]) -> Opened {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Opened { head: Head { length, ..Head::default() }, body: futures::stream::iter(chunks).boxed() }
    }

    #[tokio::test]
    async fn reads_within_bounds_only() {
        for (length, chunks, expect) in [
            (Some(6), &["abc", "def"][..], Ok(Bytes::from_static(b"abcdef"))),
            (None, &["abc", "def"], Ok(Bytes::from_static(b"abcdef"))),
            (Some(9), &["abc"], Err(StoreError::TooLarge { limit: 8 })),
            (None, &["abcdef", "ghi"], Err(StoreError::TooLarge { limit: 8 })),
            (Some(3), &["abcdef", "ghi"], Err(StoreError::TooLarge { limit: 8 })),
            (Some(6), &["abc"], Err(StoreError::Short { announced: 6, received: 3 })),
            (Some(3), &["abc", "def"], Err(StoreError::Short { announced: 3, received: 6 })),
        ] {
            assert_eq!(opened(length, chunks).read(8, DEADLINE).await, expect, "{length:?} {chunks:?}");
        }
    }

    #[tokio::test]
    async fn the_head_is_as_long_as_wanted_and_stays_in_the_body() {
        // like the body of the SDK, it panics when it is polled again after its end
        let strict = |chunks: Vec<&'static str>| {
            futures::stream::unfold(chunks.into_iter(), |mut chunks| async { Some((Ok(Bytes::from(chunks.next()?)), chunks)) }).boxed()
        };
        for (chunks, head) in [(&["abcdef", "ghi"][..], &b"abcdef"[..]), (&["a", "b", "cdef"], b"abcdef"), (&["a"], b"a"), (&[], b"")] {
            let mut opened = Opened { body: strict(chunks.to_vec()), ..opened(None, &[]) };
            assert_eq!(opened.head(3, DEADLINE).await.unwrap(), head, "{chunks:?}");
            assert_eq!(opened.read(20, DEADLINE).await.unwrap(), chunks.concat());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_times_out() {
        let stalled = || Opened { body: futures::stream::pending().boxed(), ..opened(Some(3), &[]) };
        assert_eq!(stalled().head(8, DEADLINE).await, Err(StoreError::TimedOut));
        let stalled = stalled();
        assert_eq!(stalled.read(8, DEADLINE).await, Err(StoreError::TimedOut));
    }
}
