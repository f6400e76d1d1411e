//! What a derivative needs → permits for it, after a bounded wait, or [`Refused`].
//!
//! A flight takes a [`Lease`] of the queue, then a fetch and memory for its source, then memory for the resize, then a worker, then a
//! store; always in this order, so that no two wait for each other. Memory for sources and memory for resizes are separate pools for
//! the same reason, as are fetches and stores. A worker is never held while waiting for the network. A picture that is sent to a
//! visitor moves to a pool of its own, so that slow readers block no resize.
//!
//! `derivative` takes permits here; below are the pools, and `watch` for the numbers.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use resize_api::Settings;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::{Instant, timeout},
};

use super::{
    capacity::Capacity,
    pool::{Permit, Pool},
};
use crate::watch::metrics::Usage;

/// One part of so many of the budget is for sources.
const SOURCE_SHARE: u64 = 4;
/// One part of so many is for pictures on their way to visitors.
const ANSWER_SHARE: u64 = 16;

/// All that is given away.
pub struct Admission {
    queue: Pool,
    streams: Pool,
    pools: Pools,
    patience: Duration,
}

/// What a lease gives access to.
#[derive(Clone)]
struct Pools {
    fetches: Pool,
    sources: Pool,
    resizes: Pool,
    workers: Pool,
    stores: Pool,
    answers: Pool,
    /// Flights that wait for any of these.
    waiting: Arc<AtomicU64>,
}

/// Why there is nothing to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More memory is needed than there will ever be.
    #[error("needs {needed} bytes of memory, the budget has {budget}")]
    OverBudget {
        /// Bytes needed.
        needed: u64,
        /// Bytes that the budget has when nothing else runs.
        budget: u64,
    },
    /// Nothing came free within the time that one waits for it.
    #[error("no room: {0}")]
    Busy(&'static str),
}

impl Admission {
    /// Gives away `capacity` to as many flights as `settings` say, of which each waits as long as they say in all.
    pub fn new(capacity: Capacity, settings: &Settings) -> Self {
        let memory = capacity.memory;
        let (sources, answers) = (memory / SOURCE_SHARE, memory / ANSWER_SHARE);
        let pools = Pools {
            fetches: Pool::new(settings.bounds.fetches.get() as u64),
            sources: Pool::new(sources),
            resizes: Pool::new(memory - sources - answers),
            workers: Pool::new(capacity.workers as u64),
            stores: Pool::new(settings.bounds.stores.get() as u64),
            answers: Pool::new(answers),
            waiting: Arc::default(),
        };
        let streams = Pool::new(settings.bounds.streams.get() as u64);
        Self { queue: Pool::new(settings.queue_length.get() as u64), streams, pools, patience: settings.queue }
    }

    /// A lease for one flight, at once or not at all.
    pub fn lease(&self) -> Result<Lease, Refused> {
        let permit = self.queue.try_take(1).ok_or(Refused::Busy("queue is full"))?;
        Ok(Lease { pools: self.pools.clone(), patience: self.patience, waited: Duration::ZERO, source: None, _permit: permit })
    }

    /// A slot to send a stored object, if one is free.
    pub fn try_stream(&self) -> Option<Permit> {
        self.streams.try_take(1)
    }

    /// Waits for a slot to send a stored object. It is held as long as a client takes, and so is of a kind of its own: slow readers
    /// stop no fetch.
    pub async fn stream(&self) -> Result<Permit, Refused> {
        timeout(self.patience, self.streams.take(1)).await.map_err(|_| Refused::Busy("too many objects are being sent"))
    }

    /// How much is taken now.
    pub fn usage(&self) -> Usage {
        let Pools { sources, resizes, answers, workers, waiting, .. } = &self.pools;
        let memory = [sources, resizes, answers];
        Usage {
            memory: memory.iter().map(|pool| pool.size()).sum(),
            memory_used: memory.iter().map(|pool| pool.used()).sum(),
            flights: self.queue.used(),
            streams: self.streams.used(),
            waiting: waiting.load(Ordering::Relaxed),
            workers: workers.size(),
            workers_busy: workers.used(),
        }
    }
}

/// One flight's slot in the queue, and what it has got so far.
pub struct Lease {
    pools: Pools,
    patience: Duration,
    waited: Duration,
    source: Option<Permit>,
    _permit: Permit,
}

/// Memory and a worker for one resize.
pub struct Grant {
    memory: Permit,
    worker: Permit,
}

/// Bytes and the memory that was admitted for them: it is free again when the last copy of them is gone.
struct Held<T> {
    bytes: T,
    _memory: Charge,
}

/// The memory that some bytes hold; it can be moved to another pool while they live.
#[derive(Clone)]
pub struct Charge(Arc<Mutex<Permit>>);

impl Charge {
    fn move_to(&self, memory: Permit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = memory;
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// `bytes`, which hold their `memory` for as long as anybody has them: also while a slow client takes them.
pub fn holding(bytes: impl AsRef<[u8]> + Send + 'static, memory: Permit) -> (Bytes, Charge) {
    let charge = Charge(Arc::new(Mutex::new(memory)));
    (Bytes::from_owner(Held { bytes, _memory: charge.clone() }), charge)
}

/// Counts a flight as waiting while it lives.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Waits until one more original may be fetched.
    pub async fn fetch(&mut self) -> Result<Permit, Refused> {
        let pool = self.pools.fetches.clone();
        self.wait(&pool, 1, "too many fetches").await
    }

    /// Waits until one more derivative may be stored.
    pub async fn store(&mut self) -> Result<Permit, Refused> {
        let pool = self.pools.stores.clone();
        self.wait(&pool, 1, "too many stores").await
    }

    /// Waits for the memory of a source of `bytes`; it is held until [`Lease::source`] or the end of this lease.
    pub async fn hold_source(&mut self, bytes: u64) -> Result<(), Refused> {
        // never wait for memory of a pool while holding some of it: two could wait for each other
        self.source = None;
        let pool = self.pools.sources.clone();
        self.source = Some(self.wait(&pool, bytes, "no memory for the source").await?);
        Ok(())
    }

    /// The source, which holds its memory from now on; none if none was taken for it.
    pub fn source(&mut self, bytes: Bytes) -> Option<(Bytes, Charge)> {
        self.source.take().map(|memory| holding(bytes, memory))
    }

    /// Moves what `bytes` of a picture hold to the memory of answers, at once or not at all.
    /// One that is larger than all of that takes all of it.
    pub fn answer(&self, bytes: u64, charge: &Charge) -> Result<(), Refused> {
        let pool = &self.pools.answers;
        let memory = pool.try_take(bytes.min(pool.size())).ok_or(Refused::Busy("no memory for one more answer"))?;
        charge.move_to(memory);
        Ok(())
    }

    /// Waits for `bytes` of memory and a worker.
    pub async fn admit(&mut self, bytes: u64) -> Result<Grant, Refused> {
        let (resizes, workers) = (self.pools.resizes.clone(), self.pools.workers.clone());
        let memory = self.wait(&resizes, bytes, "no memory for the resize").await?;
        let worker = self.wait(&workers, 1, "no worker").await?;
        Ok(Grant { memory, worker })
    }

    /// How long this flight has waited so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    async fn wait(&mut self, pool: &Pool, amount: u64, why: &'static str) -> Result<Permit, Refused> {
        if amount > pool.size() {
            return Err(Refused::OverBudget { needed: amount, budget: pool.size() });
        }
        let _waiting = Waiting::begin(&self.pools.waiting);
        let start = Instant::now();
        let permit = timeout(self.patience.saturating_sub(self.waited), pool.take(amount)).await;
        self.waited += start.elapsed();
        permit.map_err(|_| Refused::Busy(why))
    }
}

impl Grant {
    /// Runs `work` on a thread of its own. The worker is free when it ends; the memory
    /// is, but for `keep` of its result, and that once the second value is dropped.
    ///
    /// An error is a panic of `work`. What it holds stays taken until `work` ends, also when nobody waits for it any more.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
        keep: impl FnOnce(&T) -> u64,
    ) -> Result<(T, Permit), JoinError> {
        let Self { memory, worker } = self;
        let ran = spawn_blocking(move || {
            let result = work();
            drop(worker);
            (result, memory)
        });
        let (result, mut memory) = ran.await?;
        memory.shrink(keep(&result));
        Ok((result, memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 4096 bytes in all: 1024 for sources, 256 for answers, 2816 for resizes.
    fn admission() -> Admission {
        let mut settings = Settings::new("photos".into(), "http://photos.example.com".parse().unwrap());
        (settings.queue_length, settings.queue) = (2.try_into().unwrap(), SECOND);
        (settings.bounds.fetches, settings.bounds.stores) = (1.try_into().unwrap(), 1.try_into().unwrap());
        Admission::new(Capacity { memory: 4096, workers: 1 }, &settings)
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_what_never_fits_and_what_finds_the_queue_full() {
        let admission = admission();
        let mut lease = admission.lease().unwrap();
        assert_eq!(lease.admit(2817).await.err(), Some(Refused::OverBudget { needed: 2817, budget: 2816 }));
        assert_eq!(lease.hold_source(1025).await, Err(Refused::OverBudget { needed: 1025, budget: 1024 }));
        let _second = admission.lease().unwrap();
        assert_eq!(admission.lease().err(), Some(Refused::Busy("queue is full")));
        assert_eq!(lease.waited(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_no_longer_than_its_patience_in_all() {
        let admission = admission();
        let (mut first, mut second) = (admission.lease().unwrap(), admission.lease().unwrap());
        first.hold_source(1024).await.unwrap();
        let grant = first.admit(1).await.unwrap();
        let half = async {
            tokio::time::sleep(SECOND / 2).await;
            drop(first.source(Bytes::new()));
        };
        let (held, ()) = futures::join!(second.hold_source(1), half);
        assert_eq!(held, Ok(()));
        assert_eq!(second.admit(1).await.err(), Some(Refused::Busy("no worker")));
        assert_eq!(second.waited(), SECOND);
        drop(grant);
        assert!(second.admit(1).await.is_ok(), "what is free needs no patience");
    }

    #[tokio::test]
    async fn gives_back_what_the_result_does_not_need() {
        let admission = admission();
        let mut lease = admission.lease().unwrap();
        let grant = lease.admit(2816).await.unwrap();
        let during = admission.usage();
        assert_eq!((during.memory, during.memory_used, during.flights, during.workers_busy), (4096, 2816, 1, 1));
        let (result, memory) = grant.run(|| vec![0_u8; 1000], |result| result.len() as u64).await.unwrap();
        assert_eq!((result.len(), admission.usage().memory_used, admission.usage().workers_busy), (1000, 1000, 0));
        drop((memory, lease));
        assert_eq!((admission.usage().memory_used, admission.usage().flights), (0, 0));
    }

    #[tokio::test]
    async fn a_panic_is_caught_and_gives_everything_back() {
        let admission = admission();
        let grant = admission.lease().unwrap().admit(1).await.unwrap();
        let outcome = grant.run(|| assert_eq!(1, 2, "on purpose"), |()| 0).await;
        assert!(outcome.is_err_and(|error| error.is_panic()));
        assert_eq!(admission.usage(), Usage { memory: 4096, workers: 1, ..Usage::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn the_network_has_bounds_of_its_own() {
        let admission = admission();
        let (mut first, mut second) = (admission.lease().unwrap(), admission.lease().unwrap());
        let (fetch, store) = (first.fetch().await.unwrap(), first.store().await.unwrap());
        assert!(first.admit(1).await.is_ok(), "a worker is free while others fetch and store");
        let waits = async {
            tokio::time::sleep(SECOND / 2).await;
            assert_eq!(admission.usage().waiting, 1);
            drop(fetch);
        };
        assert!(futures::join!(second.fetch(), waits).0.is_ok());
        assert_eq!(second.store().await.err(), Some(Refused::Busy("too many stores")));
        drop(store);
        assert_eq!(admission.usage().waiting, 0);
    }

    #[tokio::test]
    async fn bytes_hold_their_memory_until_the_last_copy_is_gone() {
        let admission = admission();
        let mut lease = admission.lease().unwrap();
        lease.hold_source(1000).await.unwrap();
        let (bytes, _) = lease.source(Bytes::from(vec![7; 1000])).unwrap();
        let copy = bytes.slice(1..3);
        drop((bytes, lease));
        assert_eq!((admission.usage().memory_used, &copy[..]), (1000, &[7, 7][..]));
        drop(copy);
        assert_eq!(admission.usage().memory_used, 0);
    }

    #[tokio::test]
    async fn pictures_that_are_being_sent_hold_no_memory_of_sources_and_resizes() {
        let admission = admission();
        let mut lease = admission.lease().unwrap();
        let mut sent = Vec::new();
        for _ in 0..2 {
            lease.hold_source(1024).await.unwrap();
            let (bytes, charge) = lease.source(Bytes::from(vec![7; 128])).unwrap();
            lease.answer(128, &charge).unwrap();
            sent.push((bytes, charge));
            assert!(lease.admit(2816).await.is_ok());
        }
        let answers = |sent: &Vec<_>| sent.len() as u64 * 128;
        assert_eq!(admission.usage().memory_used, answers(&sent));
        lease.hold_source(1).await.unwrap();
        let (bytes, charge) = lease.source(Bytes::from(vec![7])).unwrap();
        assert_eq!(lease.answer(1, &charge), Err(Refused::Busy("no memory for one more answer")));
        sent.pop();
        assert_eq!(lease.answer(1, &charge), Ok(()));
        drop((bytes, charge, sent));
        assert_eq!(admission.usage().memory_used, 0);
        // larger than all of it: alone
        lease.hold_source(1024).await.unwrap();
        let (_bytes, charge) = lease.source(Bytes::from(vec![7; 1024])).unwrap();
        assert_eq!((lease.answer(1024, &charge), admission.usage().memory_used), (Ok(()), 256));
    }
}
