//! A number of bytes or slots → permits, each given back when it is dropped.
//!
//! Waiters are served in their order, but one that asks for much does not stop those behind it that ask for little: they pass it as
//! long as they fit. A waiter is passed a bounded number of times; after that everything that comes free is kept for it.
//! `admission` has one pool for each resource; nothing of this crate is below.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// How often one that waits is passed by those behind it.
const MOST_PASSED: u32 = 64;

/// What there is to give away; all clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    size: u64,
    state: Mutex<State>,
}

struct State {
    free: u64,
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    amount: u64,
    passed: u32,
    served: oneshot::Sender<Permit>,
}

/// An amount of a pool, taken until this is dropped.
pub struct Permit {
    pool: Pool,
    amount: u64,
}

/// Serves the next waiters when one of them goes away.
struct Leaving<'a>(&'a Pool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.serve(0);
    }
}

impl Pool {
    /// A pool of `size`, all of it free.
    pub fn new(size: u64) -> Self {
        Self(Arc::new(Shared { size, state: Mutex::new(State { free: size, waiting: VecDeque::new() }) }))
    }

    /// All that there is.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// How much is taken.
    pub fn used(&self) -> u64 {
        self.0.size - self.lock().free
    }

    /// `amount`, at once or not at all. It passes nobody who waits.
    pub fn try_take(&self, amount: u64) -> Option<Permit> {
        let mut state = self.lock();
        let fits = state.waiting.is_empty() && amount <= state.free;
        fits.then(|| {
            state.free -= amount;
            Permit { pool: self.clone(), amount }
        })
    }

    /// Waits for `amount`. More than the pool's size never comes: the caller asks before.
    pub async fn take(&self, amount: u64) -> Permit {
        let (served, permit) = oneshot::channel();
        let _leaving = Leaving(self);
        self.lock().waiting.push_back(Waiter { amount, passed: 0, served });
        self.serve(0);
        match permit.await {
            Ok(permit) => permit,
            // a sender is dropped only after it was used, or when its waiter is gone
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes back `returned`, and gives what is free to those who wait.
    fn serve(&self, returned: u64) {
        let mut state = self.lock();
        state.free += returned;
        let next = state.next();
        drop(state);
        for (waiter, amount) in next {
            // if the waiter is gone, the permit is dropped here and goes back to the pool
            drop(waiter.send(Permit { pool: self.clone(), amount }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes out of the queue those that can be served now.
    fn next(&mut self) -> Vec<(oneshot::Sender<Permit>, u64)> {
        self.waiting.retain(|waiter| !waiter.served.is_closed());
        let (mut next, mut at) = (Vec::new(), 0);
        while let Some(waiter) = self.waiting.get(at) {
            if waiter.amount > self.free {
                if waiter.passed >= MOST_PASSED {
                    break;
                }
                at += 1;
                continue;
            }
            for passed in self.waiting.iter_mut().take(at) {
                passed.passed += 1;
            }
            if let Some(Waiter { amount, served, .. }) = self.waiting.remove(at) {
                self.free -= amount;
                next.push((served, amount));
            }
        }
        next
    }
}

impl Permit {
    /// How much this is.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Gives back all but `rest`.
    pub fn shrink(&mut self, rest: u64) {
        let surplus = self.amount.saturating_sub(rest);
        self.amount -= surplus;
        self.pool.serve(surplus);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.serve(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_large_one_at_the_head_does_not_stop_small_ones_nor_is_it_passed_for_ever() {
        let pool = Pool::new(100);
        let held = pool.take(20).await;
        let mut large = Box::pin(pool.take(100));
        assert!(large.as_mut().now_or_never().is_none());
        for number in 0..MOST_PASSED {
            assert!(pool.take(10).now_or_never().is_some(), "small one {number} waits behind the large one");
        }
        let mut late = Box::pin(pool.take(10));
        assert!(late.as_mut().now_or_never().is_none(), "now what is free is kept for the large one");
        assert!(pool.try_take(1).is_none());
        drop(held);
        let large = large.await;
        assert!((large.amount(), pool.used()) == (100, 100) && late.as_mut().now_or_never().is_none());
        drop(large);
        assert_eq!(late.await.amount(), 10);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_goes_away_lets_those_behind_it_in_and_loses_nothing() {
        let pool = Pool::new(10);
        let mut held = pool.take(8).await;
        let large = async {
            assert!(timeout(Duration::from_secs(1), pool.take(10)).await.is_err());
        };
        let behind = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            drop(pool.take(2).await);
        };
        futures::join!(large, behind);
        held.shrink(3);
        assert_eq!((held.amount(), pool.used()), (3, 3));
        // granted and dropped before it was looked at
        let mut waits = Box::pin(pool.take(9));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(held);
        drop(waits);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test]
    async fn equals_are_served_in_their_order() {
        let pool = Pool::new(1);
        let held = pool.take(1).await;
        let (mut first, mut second) = (Box::pin(pool.take(1)), Box::pin(pool.take(1)));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(second.as_mut().now_or_never().is_none());
        let permit = first.now_or_never().unwrap();
        assert!(second.as_mut().now_or_never().is_none());
        drop(permit);
        assert!(second.now_or_never().is_some());
    }
}
