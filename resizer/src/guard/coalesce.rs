//! Requests for a key → one flight per key → its outcome to each of them.
//!
//! A flight is driven by those who wait for it: when all of them go away it is
//! dropped, with everything it holds. Once [`Ticket::commit`] was called it runs to
//! its end, so that work on a key which cannot be interrupted is never begun twice:
//! where such work goes on after the flight came to its outcome, that outcome is what
//! every later request gets, until the last hold on the ticket is dropped.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::{BoxFuture, FutureExt, Shared, WeakShared, ready};

type Flight<T> = Shared<BoxFuture<'static, T>>;

/// All flights of the process, by key. `T` is what every waiting request gets a clone of.
pub struct Flights<T> {
    airborne: Arc<Mutex<Airborne<T>>>,
}

struct Airborne<T> {
    flights: HashMap<String, Entry<T>>,
    next: u64,
}

struct Entry<T> {
    number: u64,
    flight: WeakShared<BoxFuture<'static, T>>,
    /// What it came to, while work for it goes on.
    outcome: Option<T>,
}

/// Whether a request began a flight or came along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It began the flight.
    Leader,
    /// It waits for a flight that another request began.
    Follower,
}

/// A flight's hold on its key; the key is free again when all who share this have dropped it.
pub struct Ticket<T> {
    airborne: Arc<Mutex<Airborne<T>>>,
    key: String,
    number: u64,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// No flights yet.
    pub fn new() -> Self {
        Self { airborne: Arc::new(Mutex::new(Airborne { flights: HashMap::new(), next: 0 })) }
    }

    /// Waits for the flight of `key`. If there is none, `enter` asks for a place, and `depart` makes the flight in it.
    ///
    /// Without a place nothing of a flight is made: those who are refused are many, and are to cost little.
    pub async fn join<P, E, F>(
        &self,
        key: String,
        enter: impl FnOnce() -> Result<P, E>,
        depart: impl FnOnce(P, Arc<Ticket<T>>) -> F,
    ) -> Result<(T, Role), E>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (flight, role) = self.board(key, enter, depart)?;
        Ok((flight.await, role))
    }

    fn board<P, E, F>(
        &self,
        key: String,
        enter: impl FnOnce() -> Result<P, E>,
        depart: impl FnOnce(P, Arc<Ticket<T>>) -> F,
    ) -> Result<(Flight<T>, Role), E>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut airborne = lock(&self.airborne);
        if let Some(flight) = airborne.flights.get(&key).and_then(Entry::join) {
            return Ok((flight, Role::Follower));
        }
        let place = enter()?;
        let number = airborne.next;
        airborne.next += 1;
        let ticket = Arc::new(Ticket { airborne: Arc::clone(&self.airborne), key: key.clone(), number });
        let work = depart(place, Arc::clone(&ticket));
        let flight = async move {
            let outcome = work.await;
            ticket.land(&outcome);
            outcome
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            airborne.flights.insert(key, Entry { number, flight: weak, outcome: None });
        }
        Ok((flight, Role::Leader))
    }
}

impl<T: Clone + Send + Sync + 'static> Default for Flights<T> {
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

impl<T: Clone + Send + Sync + 'static> Ticket<T> {
    /// From here on the flight runs to its end, whoever waits.
    pub fn commit(&self) {
        let flight = lock(&self.airborne).flights.get(&self.key).and_then(|entry| entry.flight.upgrade());
        if let Some(flight) = flight {
            tokio::spawn(flight);
        }
    }

    /// The flight has come to `outcome`; it holds for the key as long as others share this ticket.
    fn land(self: Arc<Self>, outcome: &T) {
        if Arc::strong_count(&self) > 1 {
            let mut airborne = lock(&self.airborne);
            let entry = airborne.flights.get_mut(&self.key).filter(|entry| entry.number == self.number);
            if let Some(entry) = entry {
                entry.outcome = Some(outcome.clone());
            }
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let mut airborne = lock(&self.airborne);
        // an abandoned flight may be dropped after the next one for its key took off
        if airborne.flights.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            airborne.flights.remove(&self.key);
        }
    }
}

fn lock<T>(airborne: &Mutex<Airborne<T>>) -> MutexGuard<'_, Airborne<T>> {
    airborne.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Always a place.
    const ROOM: fn() -> Result<(), Infallible> = || Ok(());

    #[tokio::test(start_paused = true)]
    async fn one_flight_for_all() {
        let (flights, departures) = (Flights::new(), AtomicUsize::new(0));
        let requests = (0..100).map(|_| {
            flights.join("a".into(), ROOM, |(), _| {
                departures.fetch_add(1, Ordering::SeqCst);
                async {
                    sleep(Duration::from_secs(1)).await;
                    7
                }
            })
        });
        let outcomes = join_all(requests).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok((7, _)))));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok((7, Role::Leader))).count(), 1);
        assert_eq!(departures.into_inner(), 1);
        assert!(lock(&flights.airborne).flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_goes_away_leaves_the_flight_to_its_followers() {
        let flights = Flights::new();
        let flight = |(), _| async {
            sleep(Duration::from_secs(2)).await;
            7
        };
        let leader = timeout(Duration::from_secs(1), flights.join("a".into(), ROOM, flight));
        let follower = flights.join("a".into(), ROOM, flight);
        let (leader, follower) = futures::join!(leader, follower);
        assert!(leader.is_err());
        assert_eq!(follower, Ok((7, Role::Follower)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_place_a_flight_in_the_air_can_be_joined_and_none_begun() {
        let flights = Flights::new();
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
        let (flights, landed) = (Flights::new(), Arc::new(AtomicUsize::new(0)));
        let flight = |commit: bool| {
            let landed = Arc::clone(&landed);
            move |(), ticket: Arc<Ticket<()>>| async move {
                if commit {
                    ticket.commit();
                }
                sleep(Duration::from_secs(2)).await;
                landed.fetch_add(1, Ordering::SeqCst);
            }
        };
        for (commit, airborne) in [(false, 0), (true, 1)] {
            let gone = timeout(Duration::from_secs(1), flights.join("a".into(), ROOM, flight(commit))).await;
            assert!(gone.is_err());
            assert_eq!(lock(&flights.airborne).flights.len(), airborne);
        }
        assert_eq!(flights.join("a".into(), ROOM, flight(false)).await, Ok(((), Role::Follower)));
        assert_eq!(landed.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_stays_known_until_the_work_on_it_has_ended() {
        let (flights, departures) = (Flights::new(), AtomicUsize::new(0));
        let ask = || {
            flights.join("a".into(), ROOM, |(), ticket| {
                departures.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::spawn(async move {
                        sleep(Duration::from_secs(9)).await;
                        drop(ticket);
                    });
                    "too slow"
                }
            })
        };
        assert_eq!(ask().await, Ok(("too slow", Role::Leader)));
        for _ in 0..3 {
            assert_eq!(ask().await, Ok(("too slow", Role::Follower)));
        }
        assert_eq!(departures.load(Ordering::SeqCst), 1);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(ask().await, Ok(("too slow", Role::Leader)));
    }
}
