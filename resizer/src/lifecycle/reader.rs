//! Listings of originals and derivatives → what is to be looked at or made, one after the other.
//!
//! A stream: it lists as fast as what it gives is worked on. Many resolutions are compared in turns, so that memory is bounded. `sweep`
//! works on what comes; below are `lanes`, `merge` and `suspicion`.

use std::{collections::VecDeque, iter::once, sync::Arc, vec::IntoIter};

use futures::{Stream, stream};
use resize_api::{ResizedKey, Resolution, Settings, Variant};

use super::{
    lanes::{self, Lane, ListingError},
    merge::{Disorder, Group, Merge, Step},
    metered::Metered,
    order::Order,
    pending::Whole,
    tally::{Tally, count},
};
use crate::{
    derivative::state::State,
    store::listing::{Listed, Moment},
};

/// Resolutions that are compared at once with their originals; more come in turns, each with a listing of the originals of its own.
const AT_ONCE: usize = 64;

/// What is to be done with a derivative.
#[derive(Debug)]
pub enum Work {
    /// It has to be looked at.
    Look(Suspect),
    /// It is missing and is to be made.
    Make(ResizedKey),
}

/// A derivative that has to be looked at.
#[derive(Debug)]
pub struct Suspect {
    /// Its key, read as the originals say that were listed.
    pub key: ResizedKey,
    /// When it was stored.
    pub modified: Moment,
    /// The original's ETag, where one was listed.
    pub original: Option<Option<String>>,
}

impl Suspect {
    /// Memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        let etag = self.original.iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.key.written.len() + self.key.original.len() + etag + 3 * size_of::<usize>()
    }
}

/// Why the listing ended too early.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The store did not give it.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// It cannot be merged.
    #[error(transparent)]
    Disorder(#[from] Disorder),
}

/// What is compared.
pub struct Scope<'a> {
    /// The bucket.
    pub bucket: &'a Arc<Metered>,
    /// The settings of the pods.
    pub settings: &'a Arc<Settings>,
    /// What to do.
    pub order: &'a Order,
    /// What is counted.
    pub tally: &'a Tally,
}

struct Reader<'a> {
    scope: Scope<'a>,
    /// Not yet begun.
    later: IntoIter<Resolution>,
    resolutions: Vec<Target>,
    lanes: Vec<Lane>,
    merge: Merge,
    work: VecDeque<Work>,
    /// Originals are counted once, in whatever turns they are listed.
    counts_originals: bool,
}

/// A resolution, and what is asked of it.
struct Target {
    resolution: Resolution,
    is_listed: bool,
    is_warm: bool,
}

impl<'a> Scope<'a> {
    /// Everything that has to be looked at or made.
    pub fn read(self) -> impl Stream<Item = Result<Work, Unread>> + 'a {
        stream::try_unfold(Start::No(self), |reader| async move {
            let mut reader = match reader {
                Start::No(scope) => Reader::begin(scope).await?,
                Start::Yes(reader) => reader,
            };
            Ok(reader.next().await?.map(|work| (work, Start::Yes(reader))))
        })
    }
}

enum Start<'a> {
    No(Scope<'a>),
    Yes(Reader<'a>),
}

impl<'a> Reader<'a> {
    async fn begin(scope: Scope<'a>) -> Result<Self, Unread> {
        let mut resolutions = lanes::resolutions(scope.bucket).await?;
        resolutions.extend(&scope.settings.allowed_resolutions);
        resolutions.extend(&scope.order.warm);
        let later = resolutions.into_iter().collect::<Vec<_>>().into_iter();
        let mut reader = Self {
            scope,
            later,
            resolutions: Vec::new(),
            lanes: Vec::new(),
            merge: Merge::new(0, [].into()),
            work: VecDeque::new(),
            counts_originals: true,
        };
        reader.begin_turn();
        Ok(reader)
    }

    /// Begins to compare the next resolutions.
    fn begin_turn(&mut self) {
        let Scope { bucket, settings, order, .. } = self.scope;
        let target =
            |resolution| Target { resolution, is_listed: settings.allow_resolution(resolution), is_warm: order.warm.contains(&resolution) };
        self.resolutions = self.later.by_ref().take(AT_ONCE).map(target).collect();
        let derivatives = self.resolutions.iter().map(|target| Lane::of_derivatives(bucket, target.resolution, &order.prefix));
        // a purge does not care for originals
        let originals = if order.purge { Lane::empty() } else { Lane::of_originals(bucket, settings, &order.prefix) };
        self.lanes = once(originals).chain(derivatives).collect();
        self.merge = Merge::new(self.lanes.len(), settings.variants.clone());
    }

    async fn next(&mut self) -> Result<Option<Work>, Unread> {
        loop {
            if let Some(work) = self.work.pop_front() {
                return Ok(Some(work));
            }
            match self.merge.step() {
                Step::Feed(lane) => {
                    let page = self.lanes[lane].next().await?;
                    if let (0, Some(first)) = (lane, page.iter().flatten().next()) {
                        self.scope.tally.arrive(&first.key);
                    }
                    self.merge.feed(lane, page)?;
                }
                Step::Group(group) => self.sort(&group),
                Step::Whole(whole) => self.complete(&whole),
                Step::End if self.later.len() == 0 => {
                    self.scope.tally.arrive_at_the_end();
                    return Ok(None);
                }
                Step::End => {
                    self.counts_originals = false;
                    self.begin_turn();
                }
            }
        }
    }

    /// Counts what need not be looked at, and queues all else.
    fn sort(&mut self, Group { owner, derivatives }: &Group) {
        let Scope { order, tally, .. } = self.scope;
        let original = owner.as_ref().map(|(original, _)| &**original);
        for (lane, derivative) in derivatives {
            count(&tally.derivatives);
            let Target { resolution, is_listed, .. } = self.resolutions[lane - 1];
            if !order.purge && !order.suspicion.falls_on(derivative, original, is_listed) {
                tally.pass();
                continue;
            }
            let key = match owner {
                Some((original, variant)) => ResizedKey::of(resolution, &original.key, *variant),
                None => ResizedKey::of(resolution, &derivative.key, None),
            };
            let Some(key) = key else {
                // nobody could have asked a resizer for it
                tally.count(State::Foreign);
                continue;
            };
            let original = original.map(|original| original.etag.clone());
            self.work.push_back(Work::Look(Suspect { key, modified: derivative.modified, original }));
        }
    }

    /// Counts an original, and queues what is missing of it.
    fn complete(&mut self, whole: &Whole) {
        let Scope { settings, tally, .. } = self.scope;
        let original = &*whole.original;
        if self.counts_originals {
            count(&tally.originals);
        }
        if !self.is_wanted(original) {
            return;
        }
        for (target, lane) in self.resolutions.iter().zip(1..).filter(|(target, _)| target.is_warm) {
            let free = formats(settings).filter(|variant| whole.is_free(lane, *variant));
            for key in free.filter_map(|variant| ResizedKey::of(target.resolution, &original.key, variant)) {
                count(&tally.missing);
                self.work.push_back(Work::Make(key));
            }
        }
    }

    /// Whether derivatives of it may be made, as far as a listing shows.
    fn is_wanted(&self, original: &Listed) -> bool {
        let settings = self.scope.settings;
        (1..=settings.limits.max_source_bytes).contains(&original.size) && settings.source.publishes(&original.key)
    }
}

/// The formats that there are of each picture: its own, and the listed variants.
pub fn formats(settings: &Settings) -> impl Iterator<Item = Option<Variant>> {
    once(None).chain(settings.variants.iter().copied().map(Some))
}
