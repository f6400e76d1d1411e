//! A key → what is stored of it and may be shown as it is, after its original was looked at; or that it has to be made.
//!
//! Where the resizer itself answers visitors, `http` asks for this first. Below are `resolve`, `state` and `store`.

use futures::{
    future::{BoxFuture, FutureExt},
    stream::BoxStream,
};
use resize_api::ResizedKey;
use tokio::time::timeout;

use super::{
    object::{SOURCE, SOURCE_ETAG, is_made_from, is_picture, made_by_a_resizer, stands_for_unread},
    resolve::resolve,
    state::{Source, State, judge, request},
    tag::{tag, tag_of_foreign},
};
use crate::{
    error::Error,
    guard::pool::Permit,
    service::Service,
    store::{Head, StoreError},
};

/// The body of an object, and the slot that it holds while it is sent.
pub(crate) type Open = (BoxStream<'static, Result<bytes::Bytes, StoreError>>, Permit);

/// An object that was looked at.
pub(crate) struct Found {
    /// All that is known of it.
    pub(crate) head: Head,
    /// Its body, where that was wanted and a slot was free.
    pub(crate) open: Option<Open>,
}

/// What a visitor gets of a key.
pub(crate) enum Ready {
    /// This, with its entity tag.
    Stored(Found, Option<String>),
    /// What has this entity tag; whether it is stored was not looked at.
    Same(String),
    /// It has to be made, and will have this entity tag if its original stays as it is.
    Missing(Option<String>),
}

/// How far one looks.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// Whether the object is to be opened, if it need not wait for that.
    pub(crate) open: bool,
    /// Whether who asks has what this entity tag names; none where nothing is known.
    pub(crate) has: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
}

impl Service {
    /// Looks at the stored `key` and at its original.
    pub(crate) async fn ready(&self, key: &ResizedKey, look: Look<'_>) -> Result<Ready, Error> {
        if !self.settings.delivery.revalidate {
            return Ok(self.unchecked(key, look).await.unwrap_or(Ready::Missing(None)));
        }
        let name = key.to_string();
        let (original, found) = if let Some(has) = look.has {
            let (meant, original) = self.original(key).await?;
            // who has this once got it from here: the picture of this very original by these settings
            if let Some(etag) = tag(&self.settings, &meant, original.etag.as_deref()).filter(|etag| has(etag)) {
                return Ok(Ready::Same(etag));
            }
            ((meant, original), self.look_at(&name, look.open).await)
        } else {
            let (original, found) = futures::future::join(self.original(key), self.look_at(&name, look.open)).await;
            (original?, found)
        };
        let (meant, original) = original;
        let etag = tag(&self.settings, &meant, original.etag.as_deref());
        // what cannot be looked at counts as missing: S3 denies access to a missing key where keys may not be listed
        let Ok(found) = found else { return Ok(Ready::Missing(etag)) };
        Ok(match judge(&self.settings, &meant, &found.head.metadata, Source::There(original.etag.as_deref())) {
            State::Fresh if !self.sends_away(&meant, &found.head) => Ready::Stored(found, etag),
            State::Foreign if is_shown(&found.head) => {
                let etag = tag_of_foreign(&found.head);
                Ready::Stored(found, etag)
            }
            _ => Ready::Missing(etag),
        })
    }

    /// The same where originals never change: what is stored says of which it was made.
    async fn unchecked(&self, key: &ResizedKey, look: Look<'_>) -> Option<Ready> {
        let found = self.look_at(&key.to_string(), look.open && look.has.is_none()).await.ok()?;
        if !made_by_a_resizer(&found.head.metadata) {
            let etag = tag_of_foreign(&found.head);
            return is_shown(&found.head).then_some(Ready::Stored(found, etag));
        }
        let source = found.head.metadata.get(SOURCE_ETAG).map(String::as_str);
        let of = &found.head.metadata;
        let is_fresh = |meant: &ResizedKey| {
            (is_made_from(of, &meant.original) || !of.contains_key(SOURCE))
                && judge(&self.settings, meant, of, Source::There(source)) == State::Fresh
        };
        let meant = self.settings.readings(key).into_iter().find(is_fresh).filter(|meant| !self.sends_away(meant, &found.head))?;
        let etag = tag(&self.settings, &meant, source);
        match (&etag, look.has) {
            (Some(etag), Some(has)) if has(etag) => Some(Ready::Same(etag.clone())),
            _ => Some(Ready::Stored(found, etag)),
        }
    }

    /// Whether what is stored only sends visitors of the bucket's website to the original: here they get that.
    pub(super) fn sends_away(&self, key: &ResizedKey, found: &Head) -> bool {
        stands_for_unread(&found.metadata, &request(&self.settings, key))
    }

    /// The original that `key` means, and the key as it then means it; an error if it may not be shown.
    async fn original(&self, key: &ResizedKey) -> Result<(ResizedKey, Head), Error> {
        let looked = timeout(self.settings.bounds.fetch, resolve(&*self.store, &self.settings, key)).await;
        let result = match looked.unwrap_or(Err(StoreError::TimedOut)) {
            Ok(Some((meant, _))) if !self.settings.source.publishes(&meant.original) => Err(Error::NotPublished),
            Ok(Some((meant, head))) if made_by_a_resizer(&head.metadata) => {
                self.remember(key, &meant, &Error::Derivative);
                return Err(Error::Derivative);
            }
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(StoreError::Missing.into()),
            Err(error) => Err(error.into()),
        };
        if let (Err(error), Some(last)) = (&result, self.settings.readings(key).last()) {
            self.remember(key, last, error);
        }
        result
    }

    /// Looks at the object `key`. It is opened if `open` says so and a slot is free.
    pub(crate) async fn look_at(&self, key: &str, open: bool) -> Result<Found, StoreError> {
        let slot = if open { self.admission.try_stream() } else { None };
        let looked: BoxFuture<'_, _> = match slot {
            Some(slot) => async {
                let opened = self.store.get(key).await?;
                Ok(Found { head: opened.head, open: Some((opened.body, slot)) })
            }
            .boxed(),
            None => async { Ok(Found { head: self.store.head(key).await?, open: None }) }.boxed(),
        };
        timeout(self.settings.bounds.fetch, looked).await.unwrap_or(Err(StoreError::TimedOut))
    }

    /// Opens the object `key` that was `found`, once there is a slot for it. None if it is another one by then.
    pub(crate) async fn open(&self, key: &str, found: Found) -> Result<Option<(Head, Open)>, Error> {
        if let Some(open) = found.open {
            return Ok(Some((found.head, open)));
        }
        let slot = self.admission.stream().await?;
        let opened = match timeout(self.settings.bounds.fetch, self.store.get(key)).await.unwrap_or(Err(StoreError::TimedOut)) {
            Err(StoreError::Missing) => return Ok(None),
            opened => opened?,
        };
        Ok((opened.head.etag == found.head.etag).then_some((opened.head, (opened.body, slot))))
    }
}

/// Whether an object that no resizer made is shown where a derivative goes: only a picture is.
pub(super) fn is_shown(head: &Head) -> bool {
    head.content_type.as_deref().is_some_and(is_picture)
}
