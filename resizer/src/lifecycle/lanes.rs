//! A prefix → its objects, page after page, the next one asked for while the last is worked on; and which prefixes there are.
//!
//! `sweep` merges what comes. A lane holds two pages at the most. Below are `metered` and `prefix`.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::try_join_all;
use resize_api::{Resolution, Settings};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::AbortHandle,
};

use super::{metered::Metered, prefix};
use crate::store::{
    StoreError,
    listing::{Depth, Inventory, Listed, Mark},
};

/// A listing that cannot be gone on with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot list `{prefix}` (want s3:ListBucket): {error}")]
pub struct ListingError {
    prefix: String,
    error: StoreError,
}

/// A page; none: the listing has ended.
type Fed = Result<Option<Vec<Listed>>, ListingError>;

/// A listing that goes on by itself.
pub struct Lane {
    prefix: String,
    pages: Receiver<Fed>,
    task: AbortHandle,
}

impl Lane {
    /// All originals whose keys begin with `prefix`. Derivatives among them are jumped over.
    pub fn of_originals(bucket: &Arc<Metered>, settings: &Arc<Settings>, prefix: &str) -> Self {
        let settings = Arc::clone(settings);
        let jump = {
            let settings = Arc::clone(&settings);
            move |last: &str| prefix::reserved_prefix(&settings, last).map(Mark::behind)
        };
        Self::start(bucket, prefix.to_owned(), jump, move |listed| Some(listed).filter(|listed| !settings.reserves(&listed.key)))
    }

    /// All objects at the places of derivatives of such originals; their keys come without the resolution.
    pub fn of_derivatives(bucket: &Arc<Metered>, resolution: Resolution, prefix: &str) -> Self {
        let place = resolution.prefix();
        let strip = move |listed: Listed| {
            let key = listed.key.strip_prefix(&place).filter(|key| !key.is_empty())?.to_owned();
            Some(Listed { key, etag: None, ..listed })
        };
        Self::start(bucket, format!("{}{prefix}", resolution.prefix()), |_| None, strip)
    }

    /// Nothing.
    pub fn empty() -> Self {
        let (sender, pages) = channel(1);
        drop(sender.try_send(Ok(None)));
        Self { prefix: String::new(), pages, task: tokio::spawn(async {}).abort_handle() }
    }

    fn start(
        bucket: &Arc<Metered>,
        prefix: String,
        jump: impl Fn(&str) -> Option<Mark> + Send + 'static,
        keep: impl Fn(Listed) -> Option<Listed> + Send + 'static,
    ) -> Self {
        // one page waits here, another one is worked on
        let (sender, pages) = channel(1);
        let list = list(Arc::clone(bucket), prefix.clone(), sender, jump, keep);
        Self { prefix, pages, task: tokio::spawn(list).abort_handle() }
    }

    /// The next page; none where the listing has ended, which only the store can say.
    pub async fn next(&mut self) -> Fed {
        let broken = || ListingError { prefix: self.prefix.clone(), error: StoreError::Interrupted("the listing broke off".to_owned()) };
        self.pages.recv().await.unwrap_or_else(|| Err(broken()))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn list(
    bucket: Arc<Metered>,
    prefix: String,
    to: Sender<Fed>,
    jump: impl Fn(&str) -> Option<Mark>,
    keep: impl Fn(Listed) -> Option<Listed>,
) {
    let mut from = Some(Mark::Start);
    while let Some(mark) = from {
        // no page is asked for before there is room for it
        let Ok(room) = to.reserve().await else { return };
        let page = match bucket.page(&prefix, &mark, Depth::Objects).await {
            Ok(page) => page,
            Err(error) => return room.send(Err(ListingError { prefix, error })),
        };
        let last = page.objects.last().map(|last| last.key.as_str());
        from = page.next.map(|next| last.and_then(&jump).unwrap_or(next));
        room.send(Ok(Some(page.objects.into_iter().filter_map(&keep).collect())));
    }
    if let Ok(room) = to.reserve().await {
        room.send(Ok(None));
    }
}

/// The resolutions under which anything lies, by the folders of the bucket.
pub async fn resolutions(bucket: &Metered) -> Result<BTreeSet<Resolution>, ListingError> {
    let found = try_join_all((0..10).map(|digit| folders(bucket, digit.to_string()))).await?;
    Ok(found.into_iter().flatten().collect())
}

async fn folders(bucket: &Metered, prefix: String) -> Result<BTreeSet<Resolution>, ListingError> {
    let (mut found, mut from) = (BTreeSet::new(), Some(Mark::Start));
    while let Some(mark) = from {
        let page = bucket.page(&prefix, &mark, Depth::Folders).await;
        let page = page.map_err(|error| ListingError { prefix: prefix.clone(), error })?;
        found.extend(page.folders.iter().filter_map(|folder| prefix::resolution(folder)));
        from = page.next;
    }
    Ok(found)
}
