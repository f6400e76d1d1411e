//! A key → its derivative and its original are looked at, and a derivative that is no longer true is deleted.
//!
//! `derivative` calls it where an original went while its picture was made, `lifecycle` for every key that events or a sweep name.
//! Below are `resolve`, which says what a key means, `state`, which judges, and `store`.

use resize_api::{ResizedKey, Settings};

use super::{
    resolve::resolve,
    state::{Source, State, judge},
};
use crate::store::{Store, StoreError};

/// What became of a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// There is none.
    Absent,
    /// It was this, and stays.
    Kept(State),
    /// It was this, and is deleted.
    Deleted(State),
    /// It was this, and was replaced or deleted by somebody else in the meantime.
    Overtaken(State),
}

/// Deletes the derivative `key` if it is neither fresh nor somebody else's.
///
/// The derivative is looked at before its original: if it is replaced in between, the store refuses to delete it by its ETag, and a
/// store that cannot do so deletes what the next visitor makes again.
/// Who may not list the bucket is told of a missing original that access is denied: then nothing is deleted.
pub async fn settle(store: &dyn Store, settings: &Settings, key: &ResizedKey) -> Result<Settled, StoreError> {
    let state = look(store, settings, key).await?;
    let Some((state, etag)) = state else { return Ok(Settled::Absent) };
    if !state.goes() {
        return Ok(Settled::Kept(state));
    }
    match store.delete(&key.to_string(), etag.as_deref()).await {
        Ok(()) => Ok(Settled::Deleted(state)),
        Err(StoreError::Exists) => Ok(Settled::Overtaken(state)),
        Err(error) => Err(error),
    }
}

/// What the derivative `key` is, and its ETag; none if there is no such object. Whichever way the key is read.
pub async fn look(store: &dyn Store, settings: &Settings, key: &ResizedKey) -> Result<Option<(State, Option<String>)>, StoreError> {
    let found = match store.head(&key.to_string()).await {
        Ok(found) => found,
        Err(StoreError::Missing) => return Ok(None),
        Err(error) => return Err(error),
    };
    let state = match resolve(store, settings, key).await? {
        Some((key, original)) => judge(settings, &key, &found.metadata, Source::There(original.etag.as_deref())),
        None => judge(settings, key, &found.metadata, Source::Gone),
    };
    Ok(Some((state, found.etag)))
}
