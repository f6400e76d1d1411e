//! An opened object → the body of an answer: chunk by chunk, within a slot for streams that is free again when the client has all.
//!
//! Of the object there is never more in memory than the chunk that is being sent. Where the store breaks off, the connection is closed,
//! so that nobody takes a part for the whole. `direct` makes it; below are `guard::admission`'s slots and the types of `store`.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{BoxStream, unfold},
};
use tokio::time::timeout;

use crate::{guard::pool::Permit, store::StoreError, watch::metrics::Metrics};

/// What is being sent.
struct Sending {
    key: String,
    body: BoxStream<'static, Result<Bytes, StoreError>>,
    length: Option<u64>,
    received: u64,
    /// How long the store may take for a chunk. A slow client does not count: the chunk is asked for when it can be taken.
    patience: Duration,
    metrics: Arc<Metrics>,
    _slot: Permit,
}

/// The body of the object `key`, of which `length` bytes are announced.
pub(super) fn stream(
    key: &str,
    body: BoxStream<'static, Result<Bytes, StoreError>>,
    length: Option<u64>,
    patience: Duration,
    slot: Permit,
    metrics: &Arc<Metrics>,
) -> Body {
    let metrics = Arc::clone(metrics);
    let sending = Sending { key: key.to_owned(), body, length, received: 0, patience, metrics, _slot: slot };
    Body::from_stream(unfold(Some(sending), |sending| async {
        let mut sending = sending?;
        match sending.next().await {
            Ok(chunk) => Some((Ok(chunk?), Some(sending))),
            Err(error) => {
                sending.metrics.broken_streams.inc();
                tracing::warn!(key = sending.key, %error, "broke off while it was sent");
                Some((Err(error), None))
            }
        }
    }))
}

impl Sending {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let chunk = timeout(self.patience, self.body.next()).await.map_err(|_| StoreError::TimedOut)?.transpose()?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let (received, is_over) = (self.received, chunk.is_none());
        match self.length {
            Some(announced) if received > announced || is_over && received < announced => Err(StoreError::Short { announced, received }),
            _ => Ok(chunk),
        }
    }
}
