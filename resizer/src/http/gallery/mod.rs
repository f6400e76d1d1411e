//! The originals that a store lists → a page with each of them at every size and in every variant, with bytes and milliseconds.
//!
//! `command` shows it at `/` of a local folder, `main` on the admin port of a pod: read-only, with the pictures at their own URLs. The
//! browser loads and measures them. `page` writes the HTML; below are the settings and the listing of `store`.

mod page;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Query, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use resize_api::Settings;
use serde::Deserialize;
use tokio::time::timeout;

use self::page::{Page, Sheet};
use crate::store::{
    StoreError,
    listing::{Depth, Inventory, Listed, Mark},
};

/// Pictures of a page: each is shown in many sizes.
const PICTURES: usize = 12;
/// Pages of the listing that are read for one: most of a bucket may be no pictures.
const LISTINGS: usize = 20;
/// What pictures are called; a listing tells no media types.
const ENDINGS: [&str; 11] = ["jpg", "jpeg", "png", "gif", "webp", "avif", "tif", "tiff", "bmp", "svg", "heic"];

/// Where pictures are shown, and which.
pub struct Gallery {
    settings: Settings,
    inventory: Arc<dyn Inventory>,
    prefix: String,
    is_own: bool,
}

#[derive(Deserialize)]
struct From {
    after: Option<String>,
}

impl Gallery {
    /// All originals in `inventory`, at their paths on the very server that shows the page.
    pub fn here(settings: Settings, inventory: Arc<dyn Inventory>) -> Self {
        Self { settings, inventory, prefix: String::new(), is_own: true }
    }

    /// Those whose keys begin with `prefix`, at their public URLs. No key begins with a slash: `/` is all of them.
    pub fn of_bucket(settings: Settings, inventory: Arc<dyn Inventory>, prefix: &str) -> Self {
        Self { settings, inventory, prefix: prefix.trim_start_matches('/').to_owned(), is_own: false }
    }

    /// The route at `path`.
    pub fn route(self, path: &str) -> Router {
        Router::new().route(path, get(show)).with_state(Arc::new(self))
    }

    /// The keys of the first picture behind `after`, and of those that follow; and whether there may be more.
    async fn gather(&self, after: &str) -> Result<Sheet, StoreError> {
        let mut sheet = Sheet::default();
        let mut from = if after.is_empty() { Mark::Start } else { Mark::After(after.to_owned()) };
        for _ in 0..LISTINGS {
            let listed = self.inventory.page(&self.prefix, &from, Depth::Objects);
            let listed = timeout(self.settings.bounds.fetch, listed).await.map_err(|_| StoreError::TimedOut)??;
            let mut next = listed.next;
            for object in listed.objects {
                if let Some(prefix) = self.derivatives(&object.key) {
                    // jumped over: there may be millions of them
                    next = Some(Mark::behind(prefix));
                    break;
                }
                if sheet.pictures.len() == PICTURES {
                    return Ok(sheet);
                }
                sheet.next = Some(object.key.clone());
                if self.is_shown(&object) {
                    sheet.pictures.push(object);
                }
            }
            match next {
                Some(next) => from = next,
                None => return Ok(Sheet { next: None, ..sheet }),
            }
            if let Mark::After(key) = &from {
                sheet.next = Some(key.clone());
            }
        }
        Ok(sheet)
    }

    /// What the keys of derivatives begin with, if this is one.
    fn derivatives<'a>(&self, key: &'a str) -> Option<&'a str> {
        let end = key.find('/').filter(|_| self.settings.reserves(key))?;
        Some(&key[..=end])
    }

    fn is_shown(&self, object: &Listed) -> bool {
        is_called_a_picture(&object.key) && self.settings.source.publishes(&object.key)
    }
}

/// Whether the name of an object ends like that of a picture.
pub fn is_called_a_picture(key: &str) -> bool {
    let ending = key.rsplit_once('.').map_or("", |(_, ending)| ending);
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Good enough for a page that runs no text of others.
fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

async fn show(State(gallery): State<Arc<Gallery>>, Query(From { after }): Query<From>) -> Response {
    let after = after.unwrap_or_default();
    let sheet = gallery.gather(&after).await.inspect_err(|error| tracing::warn!(%error, "the gallery cannot list the pictures"));
    let status = match &sheet {
        Ok(_) => StatusCode::OK,
        Err(StoreError::Forbidden) => StatusCode::FORBIDDEN,
        Err(_) => StatusCode::BAD_GATEWAY,
    };
    let nonce = nonce();
    let Gallery { settings, prefix, is_own, .. } = &*gallery;
    let html = Page { settings, prefix, is_own: *is_own, nonce: &nonce }.write(&after, sheet);
    // a redirect to the resizer is a source of pictures too, and nobody here knows where it leads
    let images = if *is_own { "'self'" } else { "http: https:" };
    let policy = format!(
        "default-src 'none'; img-src {images}; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (status, headers, Html(html)).into_response()
}
