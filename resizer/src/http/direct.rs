//! A key, where the resizer itself answers visitors → what is stored of it, streamed; or the picture as soon as it is made; or 304.
//!
//! `http` calls it after the policy. Below are `derivative`, which looks and makes, and `stream`, which sends.

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use resize_api::{ResizedKey, Variant, picture::Animation};

use super::{Answer, answer, asked::Asked, stream::stream};
use crate::{
    derivative::{
        object::{essence, is_picture, made_by_a_resizer},
        ready::{Found, Look, Open, Ready},
    },
    error::Error,
    outcome::Outcome,
    service::Service,
    store::{Head, Opened, listing::Moment},
    watch::record::Record,
};

/// How often one looks again, because what was found stored was another object when it was opened.
const ATTEMPTS: usize = 3;
/// What an original may do in a browser that is not one of our pictures: an SVG can hold scripts.
const HARMLESS: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

impl Service {
    /// The answer to a request for `key`, which may be made.
    pub(super) async fn direct(self: &Arc<Self>, key: &ResizedKey, asked: &Asked, record: &mut Record) -> Result<Answer, Error> {
        let has = |etag: &str| asked.has(etag);
        for _ in 0..ATTEMPTS {
            let look = Look { open: !asked.is_head, has: if asked.is_conditional() { Some(&has) } else { None } };
            let answer = match self.ready(key, look).await? {
                Ready::Same(etag) => Some(self.same(Some(&etag), None)),
                Ready::Stored(found, etag) => self.stored(&key.to_string(), found, etag.as_deref(), asked, record).await?,
                Ready::Missing(etag) => match self.fly(key, etag.as_deref(), record).await? {
                    Outcome::Picture { etag, .. } if asked.has_answer(etag.as_deref()) => Some(self.same(etag.as_deref(), None)),
                    Outcome::Picture { why, bytes, content_type, etag } => {
                        let head = Head { length: Some(bytes.len() as u64), content_type: Some(content_type), ..Head::default() };
                        let body = if asked.is_head { Body::empty() } else { bytes.into() };
                        Some(Answer { label: why.label(), response: self.whole(head, etag.as_deref(), body) })
                    }
                    Outcome::Original { key } => self.as_it_is(&key, asked, record).await?,
                    Outcome::Stored => None,
                },
            };
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        Err(Error::Changing)
    }

    /// The answer to a request for the original `key`.
    pub(super) async fn original_itself(&self, key: &str, asked: &Asked, record: &mut Record) -> Result<Answer, Error> {
        record.key = Some(key.to_owned());
        if self.settings.reserves(key) || !self.settings.source.publishes(key) {
            return Err(Error::NotPublished);
        }
        for _ in 0..ATTEMPTS {
            if let Some(answer) = self.as_it_is(key, asked, record).await? {
                return Ok(answer);
            }
        }
        Err(Error::Changing)
    }

    /// The original `key`, as the store has it. None if it is another one by now.
    async fn as_it_is(&self, key: &str, asked: &Asked, record: &mut Record) -> Result<Option<Answer>, Error> {
        let found = self.look_at(key, !asked.is_head && !asked.is_conditional()).await?;
        if made_by_a_resizer(&found.head.metadata) {
            return Err(Error::NotPublished);
        }
        let etag = found.head.etag.clone();
        if asked.has_answer(etag.as_deref()) {
            return Ok(Some(self.same(etag.as_deref(), Some(&found.head))));
        }
        let Some(found) = self.typed(key, found).await? else { return Ok(None) };
        let is_harmless = found.head.content_type.as_deref().is_some_and(is_picture);
        let Some(mut answer) = self.stored(key, found, etag.as_deref(), asked, record).await? else { return Ok(None) };
        if !is_harmless {
            answer.response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HARMLESS);
        }
        Ok(Some(Answer { label: "original", ..answer }))
    }

    /// The same object with a media type: its own if that is a picture's, or what its first bytes say where it only has bytes. An error
    /// if it is no picture, none if it is another one by now.
    async fn typed(&self, key: &str, found: Found) -> Result<Option<Found>, Error> {
        let named = found.head.content_type.as_deref().map(essence).unwrap_or_default();
        if named.starts_with("image/") {
            return Ok(Some(found));
        }
        if !matches!(named.as_str(), "" | "application/octet-stream" | "binary/octet-stream") {
            return Err(Error::NotPublished);
        }
        let Some((head, (body, slot))) = self.open(key, found).await? else { return Ok(None) };
        let mut opened = Opened { head, body };
        let first = opened.head(picture::HEAD, self.settings.bounds.fetch).await?;
        // of a format that browsers show
        let found = picture::media_type(&first).filter(|found| is_picture(found)).ok_or(Error::NotPublished)?;
        opened.head.content_type = Some(found.to_owned());
        Ok(Some(Found { head: opened.head, open: Some((opened.body, slot)) }))
    }

    /// An object that was found, as it is. None if it is another one by now.
    async fn stored(
        &self,
        key: &str,
        found: Found,
        etag: Option<&str>,
        asked: &Asked,
        record: &mut Record,
    ) -> Result<Option<Answer>, Error> {
        if asked.has_answer(etag) {
            return Ok(Some(self.same(etag, Some(&found.head))));
        }
        record.report.output_bytes = found.head.length;
        if asked.is_head {
            return Ok(Some(Answer { label: "streamed", response: self.whole(found.head, etag, Body::empty()) }));
        }
        let Some((head, open)) = self.open(key, found).await? else { return Ok(None) };
        let body = self.sending(key, head.length, open);
        Ok(Some(Answer { label: "streamed", response: self.whole(head, etag, body) }))
    }

    fn sending(&self, key: &str, length: Option<u64>, (body, slot): Open) -> Body {
        stream(key, body, length, self.settings.bounds.fetch, slot, &self.metrics)
    }

    /// 200 with `body`, and what is known of it.
    fn whole(&self, head: Head, etag: Option<&str>, body: Body) -> Response {
        let mut response = Response::new(body);
        self.describe(&mut response, etag, Some(&head));
        put(&mut response, header::CONTENT_TYPE, head.content_type.as_deref());
        put(&mut response, header::CONTENT_ENCODING, head.content_encoding.as_deref());
        put(&mut response, header::CONTENT_LENGTH, head.length.map(|length| length.to_string()).as_deref());
        put(&mut response, header::ACCEPT_RANGES, Some("none"));
        response
    }

    /// 304: the visitor has it.
    fn same(&self, etag: Option<&str>, head: Option<&Head>) -> Answer {
        let mut response = answer::nothing().into_response();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.describe(&mut response, etag, head);
        Answer { label: "not_modified", response }
    }

    fn describe(&self, response: &mut Response, etag: Option<&str>, head: Option<&Head>) {
        put(response, header::ETAG, etag);
        put(response, header::CACHE_CONTROL, Some(&self.settings.cache_control));
        let modified = head.and_then(|head| head.modified).map(Moment::http_date);
        put(response, header::LAST_MODIFIED, modified.as_deref());
    }

    /// Whether the answer to a request for `key` depends on its `Accept`. One that names such a variant itself gets that.
    pub(super) fn negotiates(&self, key: &ResizedKey) -> bool {
        let named = key.as_variant().and_then(|key| key.variant).filter(|variant| self.settings.variants.contains(variant));
        self.settings.delivery.negotiate && !matches!(named, Some(Variant::Avif | Variant::WebP))
    }

    /// The variant of `key` that its request wants more than what it names.
    pub(super) fn wanted(&self, key: &ResizedKey, asked: &Asked) -> Option<ResizedKey> {
        // an animation stays one only where the format can
        let keeps = self.settings.recipe_of(key).animation == Animation::Keep;
        let is_offered = |variant| self.settings.variants.contains(&variant) && !(keeps && variant == Variant::Avif);
        let variant = asked.choose(is_offered).filter(|_| self.negotiates(key))?;
        let chosen = ResizedKey::of(key.resolution, &key.original, Some(variant))?;
        Some(ResizedKey { written: key.written.clone(), ..chosen })
    }
}

/// Sets the header `name`; text that no header can hold is left out.
fn put(response: &mut Response, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}
