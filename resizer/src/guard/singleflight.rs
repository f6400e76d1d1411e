//! Requests for a key → one flight per key → its outcome to each of them.
//!
//! The first request for a key is its leader, and starts the flight; those that come while it runs are followers and wait for the same
//! outcome. A flight is driven by those who wait for it: when all of them go away it is dropped, with everything it holds. Once
//! [`Hold::commit`] was called it runs to its end, so that work on a key which cannot be interrupted is never begun twice: where such
//! work goes on after the flight has its outcome, every later request gets that outcome, until the last hold is dropped.
//!
//! `http` joins flights; nothing of this crate is below.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::{BoxFuture, FutureExt, Shared, WeakShared, ready};

type Flight<T> = Shared<BoxFuture<'static, T>>;

/// All flights of the process, by key. `T` is what every waiting request gets a clone of.
pub struct Singleflight<T> {
    running: Arc<Mutex<Running<T>>>,
}

struct Running<T> {
    flights: HashMap<String, Entry<T>>,
    next: u64,
}

struct Entry<T> {
    number: u64,
    flight: WeakShared<BoxFuture<'static, T>>,
    /// What it came to, while work on the key goes on.
    outcome: Option<T>,
}

/// Whether a request began a flight or waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It began the flight.
    Leader,
    /// It waits for the flight that the leader began.
    Follower,
}

/// A flight's hold on its key; the key is free again when all who share this have dropped it.
pub struct Hold<T> {
    running: Arc<Mutex<Running<T>>>,
    key: String,
    number: u64,
}

impl<T: Clone + Send + Sync + 'static> Singleflight<T> {
    /// No flights yet.
    pub fn new() -> Self {
        Self { running: Arc::new(Mutex::new(Running { flights: HashMap::new(), next: 0 })) }
    }

    /// Waits for the flight of `key`. If there is none, `admit` gives a lease for one, and `start` makes the flight with it.
    ///
    /// Without a lease nothing of a flight is made: refused requests are many, and must cost little.
    pub async fn join<L, E, F>(
        &self,
        key: String,
        admit: impl FnOnce() -> Result<L, E>,
        start: impl FnOnce(L, Arc<Hold<T>>) -> F,
    ) -> Result<(T, Role), E>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (flight, role) = self.find_or_start(key, admit, start)?;
        Ok((flight.await, role))
    }

    fn find_or_start<L, E, F>(
        &self,
        key: String,
        admit: impl FnOnce() -> Result<L, E>,
        start: impl FnOnce(L, Arc<Hold<T>>) -> F,
    ) -> Result<(Flight<T>, Role), E>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = lock(&self.running);
        if let Some(flight) = running.flights.get(&key).and_then(Entry::join) {
            return Ok((flight, Role::Follower));
        }
        let lease = admit()?;
        let number = running.next;
        running.next += 1;
        let hold = Arc::new(Hold { running: Arc::clone(&self.running), key: key.clone(), number });
        let work = start(lease, Arc::clone(&hold));
        let flight = async move {
            let outcome = work.await;
            hold.record(&outcome);
            outcome
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            running.flights.insert(key, Entry { number, flight: weak, outcome: None });
        }
        Ok((flight, Role::Leader))
    }
}

impl<T: Clone + Send + Sync + 'static> Default for Singleflight<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + Send + Sync + 'static> Entry<T> {
    fn join(&self) -> Option<Flight<T>> {
        let outcome = || self.outcome.clone().map(|outcome| ready(outcome).boxed().shared());
        outcome().or_else(|| self.flight.upgrade())
    }
}

impl<T: Clone + Send + Sync + 'static> Hold<T> {
    /// From here on the flight runs to its end, whoever waits.
    pub fn commit(&self) {
        let flight = lock(&self.running).flights.get(&self.key).and_then(|entry| entry.flight.upgrade());
        if let Some(flight) = flight {
            tokio::spawn(flight);
        }
    }

    /// The flight has come to `outcome`, which stands for the key as long as others share this hold.
    fn record(self: Arc<Self>, outcome: &T) {
        if Arc::strong_count(&self) > 1 {
            let mut running = lock(&self.running);
            let entry = running.flights.get_mut(&self.key).filter(|entry| entry.number == self.number);
            if let Some(entry) = entry {
                entry.outcome = Some(outcome.clone());
            }
        }
    }
}

impl<T> Drop for Hold<T> {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        // an abandoned flight may be dropped after the next one for its key began
        if running.flights.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            running.flights.remove(&self.key);
        }
    }
}

fn lock<T>(running: &Mutex<Running<T>>) -> MutexGuard<'_, Running<T>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use futures::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Always a lease.
    const LEASE: fn() -> Result<(), Infallible> = || Ok(());

    #[tokio::test(start_paused = true)]
    async fn one_flight_for_all() {
        let (flights, starts) = (Singleflight::new(), AtomicUsize::new(0));
        let requests = (0..100).map(|_| {
            flights.join("a".into(), LEASE, |(), _| {
                starts.fetch_add(1, Ordering::SeqCst);
                async {
                    sleep(Duration::from_secs(1)).await;
                    7
                }
            })
        });
        let outcomes = join_all(requests).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok((7, _)))));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok((7, Role::Leader))).count(), 1);
        assert_eq!(starts.into_inner(), 1);
        assert!(lock(&flights.running).flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_goes_away_leaves_the_flight_to_its_followers() {
        let flights = Singleflight::new();
        let flight = |(), _| async {
            sleep(Duration::from_secs(2)).await;
            7
        };
        let leader = timeout(Duration::from_secs(1), flights.join("a".into(), LEASE, flight));
        let follower = flights.join("a".into(), LEASE, flight);
        let (leader, follower) = futures::join!(leader, follower);
        assert!(leader.is_err());
        assert_eq!(follower, Ok((7, Role::Follower)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_lease_a_running_flight_can_be_joined_and_none_begun() {
        let flights = Singleflight::new();
        let full = || Err("full");
        let flight = |(), _| async {
            sleep(Duration::from_secs(1)).await;
            7
        };
        let leader = flights.join("a".into(), || Ok::<_, &str>(()), flight);
        let outcomes = futures::join!(leader, flights.join("a".into(), full, flight), flights.join("b".into(), full, flight));
        assert_eq!(outcomes, (Ok((7, Role::Leader)), Ok((7, Role::Follower)), Err("full")));
        assert_eq!(flights.join("b".into(), || Ok::<_, &str>(()), flight).await, Ok((7, Role::Leader)), "a refusal leaves nothing behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_nobody_waits_for_is_dropped_until_it_commits() {
        let (flights, ended) = (Singleflight::new(), Arc::new(AtomicUsize::new(0)));
        let flight = |commit: bool| {
            let ended = Arc::clone(&ended);
            move |(), hold: Arc<Hold<()>>| async move {
                if commit {
                    hold.commit();
                }
                sleep(Duration::from_secs(2)).await;
                ended.fetch_add(1, Ordering::SeqCst);
            }
        };
        for (commit, left) in [(false, 0), (true, 1)] {
            let gone = timeout(Duration::from_secs(1), flights.join("a".into(), LEASE, flight(commit))).await;
            assert!(gone.is_err());
            assert_eq!(lock(&flights.running).flights.len(), left);
        }
        assert_eq!(flights.join("a".into(), LEASE, flight(false)).await, Ok(((), Role::Follower)));
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_stays_known_until_the_work_on_it_has_ended() {
        let (flights, starts) = (Singleflight::new(), AtomicUsize::new(0));
        let ask = || {
            flights.join("a".into(), LEASE, |(), hold| {
                starts.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::spawn(async move {
                        sleep(Duration::from_secs(9)).await;
                        drop(hold);
                    });
                    "too slow"
                }
            })
        };
        assert_eq!(ask().await, Ok(("too slow", Role::Leader)));
        for _ in 0..3 {
            assert_eq!(ask().await, Ok(("too slow", Role::Follower)));
        }
        assert_eq!(starts.load(Ordering::SeqCst), 1);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(ask().await, Ok(("too slow", Role::Leader)));
    }
}
