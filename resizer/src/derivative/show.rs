//! What the loop guard and the public URL say of a key → a redirect, or the picture in the answer itself.
//!
//! The sentence asks before it makes a picture, and after it has kept one. Below are `guard::visible` and `store`.

use tokio::time::{Instant, timeout};

use super::{
    Flight, keep::Kept, made::Made, object::is_picture, original::Fetched, resolve::resolve, settle::look, state::State, tag::tag,
};
use crate::{
    error::Error,
    guard::loop_guard::Recalled,
    outcome::{Outcome, Shown},
    store::website::Sight,
};

impl Flight {
    /// What is known of the key. Visitors who come back because the derivative is gone again are in no loop.
    pub(super) async fn recall(&self) -> Recalled {
        let key = self.key.to_string();
        let recalled = self.service.loop_guard.recall(&key, Instant::now());
        let is_excused = recalled == Recalled::Loop && self.is_gone().await && self.service.loop_guard.excuse(&key);
        if is_excused { Recalled::New } else { recalled }
    }

    /// Whether there is no derivative, or one that is made again.
    async fn is_gone(&self) -> bool {
        let looked = look(&*self.service.store, &self.service.settings, &self.key);
        match timeout(self.service.settings.bounds.fetch, looked).await {
            Ok(Ok(found)) => found.is_none_or(|(state, _)| state.goes()),
            _ => false,
        }
    }

    /// The outcome where nothing need be made: the derivative was stored a while ago and is still there.
    pub(super) async fn stored(&mut self, recalled: Recalled) -> Result<Option<Outcome>, Error> {
        let key = self.key.to_string();
        match recalled {
            Recalled::New => Ok(None),
            Recalled::Stored => {
                let looked = look(&*self.service.store, &self.service.settings, &self.key);
                let found = timeout(self.service.settings.bounds.fetch, looked).await;
                let is_fresh = matches!(found, Ok(Ok(Some((State::Fresh, _)))));
                if is_fresh {
                    self.service.loop_guard.sent(&key, Instant::now());
                }
                Ok(is_fresh.then_some(Outcome::Stored))
            }
            Recalled::Loop => {
                self.read_key().await;
                self.may_show().await?;
                self.show_stored(Shown::Loop).await
            }
        }
    }

    /// Finds out which original the key means, where it can be read in two ways.
    async fn read_key(&mut self) {
        let service = &self.service;
        if service.settings.readings(&self.key).len() > 1 {
            let found = timeout(service.settings.bounds.fetch, resolve(&*service.store, &service.settings, &self.key)).await;
            if let Ok(Ok(Some((meant, _)))) = found {
                self.key = meant;
            }
        }
    }

    /// The stored object in the answer itself, if it is a picture that can be read. Whether it may be shown was asked before.
    async fn show_stored(&mut self, why: Shown) -> Result<Option<Outcome>, Error> {
        let Ok(Some(stored)) = self.fetch(&self.key.to_string(), None).await else { return Ok(None) };
        let Fetched { bytes, charge, provenance } = stored;
        let Some(content_type) = provenance.content_type.filter(|content_type| is_picture(content_type)) else { return Ok(None) };
        self.lease.answer(bytes.len() as u64, &charge)?;
        Ok(Some(Outcome::Picture { why, bytes, content_type, etag: None }))
    }

    /// The outcome where the place of the derivative is taken: a redirect there, or what is stored if the public URL refuses it.
    pub(super) async fn found(&mut self) -> Result<Outcome, Error> {
        self.service.metrics.already_stored.inc();
        self.service.loop_guard.note(&self.key.to_string(), Instant::now());
        if self.is_refused().await && self.may_show().await.is_ok() {
            return Ok(self.show_stored(Shown::Refused).await?.unwrap_or(Outcome::Stored));
        }
        Ok(Outcome::Stored)
    }

    /// The outcome where the derivative is stored.
    pub(super) async fn kept(&mut self, kept: Kept, made: Made, recalled: Recalled) -> Result<Outcome, Error> {
        if kept == Kept::Found {
            self.service.metrics.already_stored.inc();
        }
        // also when another replica stored it: whichever replica is asked next ends a redirect loop
        self.service.loop_guard.note(&made.derivative.key, Instant::now());
        if recalled == Recalled::Loop {
            return self.show(Shown::Loop, made).await;
        }
        if self.is_refused().await {
            // where the original may not be shown either, the redirect and the site's own error must do
            return Ok(self.show(Shown::Refused, made).await.unwrap_or(Outcome::Stored));
        }
        Ok(Outcome::Stored)
    }

    /// The outcome where the derivative could not be stored.
    pub(super) async fn not_kept(&mut self, error: &Error, made: Made) -> Result<Outcome, Error> {
        self.count_unstored(error);
        self.show(Shown::NotStored, made).await
    }

    /// The picture itself, which from now on holds memory of the pool for answers.
    async fn show(&self, why: Shown, made: Made) -> Result<Outcome, Error> {
        self.may_show().await?;
        self.lease.answer(made.derivative.object.bytes.len() as u64, &made.charge)?;
        Ok(picture(why, &made, None))
    }

    /// The picture for visitors who wait for it, though it is not kept yet; none if there is no memory for one more answer.
    pub(super) fn give(&self, made: &Made) -> Option<Outcome> {
        self.lease.answer(made.derivative.object.bytes.len() as u64, &made.charge).ok()?;
        let etag = tag(&self.service.settings, &self.key, made.source.as_deref());
        Some(picture(Shown::Made, made, etag))
    }

    /// An error unless visitors may read the original: the settings say so, or the public URL shows it to everybody.
    async fn may_show(&self) -> Result<(), Error> {
        if !self.service.settings.source.include_prefixes.is_empty() {
            return Ok(());
        }
        match self.service.visible.original(&self.service.settings.url.object(&self.key.original)).await {
            Sight::Shown => Ok(()),
            Sight::Refused(_) | Sight::Unknown => Err(Error::NotPublic),
        }
    }

    /// Whether the public URL does not show the derivative that was just stored.
    async fn is_refused(&self) -> bool {
        let url = self.service.settings.url.location(&self.key);
        let Sight::Refused(status) = self.service.visible.derivative(&url).await else { return false };
        self.service.metrics.public_url_failures.inc();
        let status = status.as_u16();
        tracing::warn!(url, status, "stored, but the public URL does not show it: look at the bucket's policy, or set OUTPUT_ACL");
        true
    }
}

fn picture(why: Shown, made: &Made, etag: Option<String>) -> Outcome {
    let object = &made.derivative.object;
    Outcome::Picture { why, bytes: object.bytes.clone(), content_type: object.content_type.clone(), etag }
}
