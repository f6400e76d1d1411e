//! A key → what it means in this bucket: the first of its readings whose original is there, and that original's head.
//!
//! `settle` asks it, and whoever makes or shows a picture. Below is only the `store`.

use futures::future::join_all;
use resize_api::{ResizedKey, Settings};

use crate::store::{Head, Store, StoreError};

/// The original of `key`, and the key as it then means; none if no reading has one.
///
/// Who may not list the bucket is told of a missing object that access is denied: the next reading is looked at then too. Where none
/// is found behind that, the answer is the denial, since there may be an original after all.
pub async fn resolve(store: &dyn Store, settings: &Settings, key: &ResizedKey) -> Result<Option<(ResizedKey, Head)>, StoreError> {
    let readings = settings.readings(key);
    // at once: whoever asks waits for one answer of the store only
    let heads = join_all(readings.iter().map(|reading| store.head(&reading.original))).await;
    let mut nothing = Ok(None);
    for (reading, head) in readings.into_iter().zip(heads) {
        match head {
            Ok(original) => return Ok(Some((reading, original))),
            Err(StoreError::Missing) => {}
            Err(StoreError::Forbidden) => nothing = Err(StoreError::Forbidden),
            Err(error) => return Err(error),
        }
    }
    nothing
}
