//! How long to wait before the next try, per object.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use resize_api::condition::Reason;

/// Delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay after failures.
const LONGEST: Duration = Duration::from_mins(5);

/// Shortest delay after S3 asked for fewer calls.
const THROTTLED: Duration = Duration::from_secs(15);

/// Failures in a row, per object.
#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<String, Failures>>);

#[derive(Debug, Default)]
struct Failures {
    generation: Option<i64>,
    count: u32,
}

impl Backoff {
    /// Notes a failure of the object `uid`; returns the delay, doubled by each failure of the same
    /// generation. `random` is from 0 to 1.
    pub fn failed(&self, uid: &str, generation: Option<i64>, reason: Reason, random: f64) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let failures = all.entry(uid.to_owned()).or_default();
        if failures.generation != generation {
            *failures = Failures { generation, count: 0 };
        }
        let shortest = if reason == Reason::S3Throttled { THROTTLED } else { FIRST };
        let delay = FIRST.saturating_mul(1 << failures.count.min(16)).clamp(shortest, LONGEST);
        failures.count += 1;
        jitter(delay, random)
    }

    /// Forgets the failures of the object `uid`.
    pub fn succeeded(&self, uid: &str) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(uid);
    }
}

/// `delay`, less up to a fifth, so that objects do not come in step. `random` is from 0 to 1.
pub fn jitter(delay: Duration, random: f64) -> Duration {
    delay.mul_f64(1.0 - random.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_a_bound_and_starts_anew_after_success_and_after_a_change() {
        let backoff = Backoff::default();
        let failed = |uid: &str, generation| backoff.failed(uid, Some(generation), Reason::S3Error, 0.0);
        let seconds: Vec<_> = (0..11).map(|_| failed("a", 1).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(failed("b", 1), FIRST);
        backoff.succeeded("a");
        assert_eq!((failed("a", 1), failed("a", 1)), (FIRST, FIRST * 2));
        assert_eq!(failed("a", 2), FIRST);
        assert_eq!(backoff.failed("c", None, Reason::S3Error, 1.0), Duration::from_millis(800));
    }

    #[test]
    fn waits_longer_when_s3_asks_for_fewer_calls() {
        let backoff = Backoff::default();
        let seconds: Vec<_> = (0..6).map(|_| backoff.failed("a", None, Reason::S3Throttled, 0.0).as_secs()).collect();
        assert_eq!(seconds, [15, 15, 15, 15, 16, 32]);
    }
}
