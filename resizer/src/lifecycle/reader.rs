//! Listings of originals and derivatives → what is to be looked at or made, one after the other.
//!
//! A stream: it lists as fast as what it gives is worked on. Many resolutions are compared in turns, so that memory is bounded. `sweep`
//! works on what comes; below are `lanes`, `merge` and `suspicion`.

use std::{collections::VecDeque, sync::Arc, vec::IntoIter};

use futures::{Stream, stream};
use resize_api::{ResizedKey, Resolution, Settings};

use super::{
    lanes::{self, Lane, ListingError},
    merge::{Disorder, Group, Merge, Step},
    metered::Metered,
    order::Order,
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
    /// Its key.
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
            merge: Merge::new(0),
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
        self.lanes = std::iter::once(originals).chain(derivatives).collect();
        self.merge = Merge::new(self.lanes.len());
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
    fn sort(&mut self, Group { original, derivatives }: &Group) {
        let Scope { order, tally, .. } = self.scope;
        let original = original.as_ref();
        if original.is_some() && self.counts_originals {
            count(&tally.originals);
        }
        for (lane, derivative) in derivatives {
            count(&tally.derivatives);
            let Target { resolution, is_listed, .. } = self.resolutions[lane - 1];
            if order.purge || order.suspicion.falls_on(derivative, original, is_listed) {
                let Some(key) = ResizedKey::of(resolution, &derivative.key, None) else {
                    // nobody could have asked a resizer for it
                    tally.count(State::Foreign);
                    continue;
                };
                let original = original.map(|original| original.etag.clone());
                self.work.push_back(Work::Look(Suspect { key, modified: derivative.modified, original }));
            } else {
                tally.pass();
            }
        }
        if let Some(original) = original.filter(|original| self.is_wanted(original)) {
            for (target, lane) in self.resolutions.iter().zip(1..).filter(|(target, _)| target.is_warm) {
                let is_missing = derivatives.iter().all(|(taken, _)| *taken != lane);
                if let Some(key) = ResizedKey::of(target.resolution, &original.key, None).filter(|_| is_missing) {
                    count(&tally.missing);
                    self.work.push_back(Work::Make(key));
                }
            }
        }
    }

    /// Whether derivatives of it may be made, as far as a listing shows.
    fn is_wanted(&self, original: &Listed) -> bool {
        let settings = self.scope.settings;
        (1..=settings.limits.max_source_bytes).contains(&original.size) && settings.source.publishes(&original.key)
    }
}
