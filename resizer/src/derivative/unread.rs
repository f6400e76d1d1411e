//! An original that is a picture and is not read here → visitors get it as it is.
//!
//! The sentence ends here where the settings say so. Where the bucket's website answers visitors, an object without a body is stored that
//! sends them to the original from then on. Below are `keep` and `object`.

use resize_api::source::Unsupported;
use tokio::time::timeout;

use super::{
    Flight, Kept, Place,
    object::{Derivative, essence},
    state::{Source, judge, request},
};
use crate::{error::Error, outcome::Outcome, store::StoreError};

impl Flight {
    /// Whether visitors get the original instead of `error`: its media type calls it a picture, and it is of no format that is read. One
    /// that is damaged or too large is refused.
    pub(super) fn is_unread(&self, error: &Error) -> bool {
        let is_called_a_picture = || {
            let content_type = self.provenance.as_ref().and_then(|provenance| provenance.content_type.as_deref());
            content_type.is_some_and(|content_type| essence(content_type).starts_with("image/"))
        };
        self.service.settings.source.unsupported == Unsupported::ShowOriginal
            && matches!(error, Error::Resize(picture::Error::Unsupported(_)) | Error::Encoded(_))
            && is_called_a_picture()
    }

    /// Sends visitors to the original, and has the bucket's website do the same from now on.
    pub(super) async fn send_to_original(&mut self) -> Outcome {
        if !self.service.settings.delivery.is_direct() {
            match self.keep_sign().await {
                Ok(Kept::Stored | Kept::Found) => {}
                // made by another replica, or the original was replaced
                Ok(Kept::Overtaken) => self.take_back().await,
                Err(error) => self.count_unstored(&error),
            }
        }
        Outcome::Original { key: self.key.original.clone() }
    }

    async fn keep_sign(&mut self) -> Result<Kept, Error> {
        let provenance = self.provenance.clone().unwrap_or_default();
        let service = &self.service;
        let found = timeout(service.settings.bounds.fetch, service.store.head(&self.key.to_string())).await;
        let judged = |found: crate::store::Head| {
            let source = Source::There(provenance.etag.as_deref());
            (judge(&service.settings, &self.key, &found.metadata, source), found)
        };
        let place = Place::of(found.unwrap_or(Err(StoreError::TimedOut)).ok().map(judged));
        let sign = Derivative::of_unread(&self.key, &request(&service.settings, &self.key), &provenance, &service.settings.cache_control);
        self.keep(&sign, &place).await
    }
}
