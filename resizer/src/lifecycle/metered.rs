//! A bucket → the same bucket, asked no more often than it may be, again where it failed in passing, with every request counted.
//!
//! Where the store asks to slow down, the rate is halved, and grows again slowly. Below is only the `store`.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use tokio::time::{Instant, sleep, sleep_until};

use crate::store::{
    Head, Object, Opened, Overwrite, Store, StoreError,
    listing::{Bucket, Depth, Inventory, Mark, Page},
};

/// Attempts of a request that fails in passing, beside those of the store itself.
const ATTEMPTS: u32 = 6;
/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest time between two requests, however often the store asks to slow down.
const SLOWEST: Duration = Duration::from_secs(1);

/// Requests by kind.
#[derive(Debug, Default)]
pub struct Calls {
    /// LIST requests.
    pub list: AtomicU64,
    /// HEAD requests.
    pub head: AtomicU64,
    /// DELETE requests.
    pub delete: AtomicU64,
}

/// A bucket, with a rate.
pub struct Metered {
    bucket: Arc<dyn Bucket>,
    rate: Rate,
    calls: Calls,
}

impl Metered {
    /// `bucket`, asked at most so often a second.
    pub fn new(bucket: Arc<dyn Bucket>, per_second: NonZeroU32) -> Self {
        Self { bucket, rate: Rate::new(per_second), calls: Calls::default() }
    }

    /// What was asked so far.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Asks when it is time, and again where that may help. Requests are counted by `kind`.
    async fn ask<'a, T>(
        &self,
        kind: Option<&AtomicU64>,
        mut request: impl FnMut() -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.ask_once(kind, request()).await {
                Err(error) if may_pass(&error) => {
                    sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
        self.ask_once(kind, request()).await
    }

    async fn ask_once<T>(&self, kind: Option<&AtomicU64>, request: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        self.rate.turn().await;
        if let Some(kind) = kind {
            kind.fetch_add(1, Ordering::Relaxed);
        }
        let outcome = request.await;
        match outcome {
            Err(StoreError::SlowDown) => self.rate.slow_down(),
            _ => self.rate.go_on(),
        }
        outcome
    }
}

impl Store for Metered {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        self.ask_once(None, self.bucket.get(key)).boxed()
    }

    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.ask_once(None, self.bucket.put(key, object, overwrite)).boxed()
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.ask(Some(&self.calls.head), || self.bucket.head(key)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.ask(Some(&self.calls.delete), move || self.bucket.delete(key, etag)).boxed()
    }

    fn may_list(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.bucket.may_list()
    }
}

impl Inventory for Metered {
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.ask(Some(&self.calls.list), move || self.bucket.page(prefix, from, depth)).boxed()
    }
}

/// Whether the same request may go well a little later.
fn may_pass(error: &StoreError) -> bool {
    match error {
        StoreError::SlowDown | StoreError::TimedOut | StoreError::Interrupted(_) => true,
        // the status of a request that is wrong
        StoreError::Failed(why) => !why.starts_with('4'),
        _ => false,
    }
}

/// A bound on requests in time.
struct Rate {
    /// Between two requests, where the store has nothing against it.
    interval: Duration,
    now: Mutex<Pace>,
}

struct Pace {
    next: Instant,
    interval: Duration,
}

impl Rate {
    fn new(per_second: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        Self { interval, now: Mutex::new(Pace { next: Instant::now(), interval }) }
    }

    /// Waits until the next request may go.
    async fn turn(&self) {
        let turn = {
            let mut pace = self.pace();
            let turn = pace.next.max(Instant::now());
            pace.next = turn + pace.interval;
            turn
        };
        sleep_until(turn).await;
    }

    fn slow_down(&self) {
        let mut pace = self.pace();
        pace.interval = (pace.interval * 2).min(SLOWEST).max(self.interval);
    }

    fn go_on(&self) {
        let mut pace = self.pace();
        pace.interval = (pace.interval * 99 / 100).max(self.interval);
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_not_tried_again() {
        let failed = |why: &str| StoreError::Failed(why.to_owned());
        for error in [StoreError::SlowDown, StoreError::TimedOut, failed("500 InternalError"), failed("connection refused")] {
            assert!(may_pass(&error), "{error}");
        }
        for error in [StoreError::Forbidden, StoreError::Missing, StoreError::NoBucket, failed("400 InvalidRequest")] {
            assert!(!may_pass(&error), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn asks_so_often_and_slower_when_it_is_told() {
        let rate = Rate::new(const { NonZeroU32::new(100).unwrap() });
        let start = Instant::now();
        let after = async |turns: u32| {
            for _ in 0..turns {
                rate.turn().await;
            }
            start.elapsed().as_millis()
        };
        assert_eq!(after(101).await, 1000);
        rate.slow_down();
        rate.slow_down();
        assert_eq!(after(101).await, 1000 + 10 + 4000);
        for _ in 0..1000 {
            rate.go_on();
        }
        assert_eq!(after(101).await, 5010 + 40 + 1000);
        for _ in 0..100 {
            rate.slow_down();
        }
        assert_eq!(after(2).await, 6050 + 10 + 1000);
    }
}
