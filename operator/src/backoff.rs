//! How long to wait before the next try, per object.

use std::{collections::HashMap, sync::Mutex, time::Duration};

/// Delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay after failures.
const LONGEST: Duration = Duration::from_mins(5);

/// Failures in a row, per object.
#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// Notes a failure of the object `uid`; returns the delay, doubled by each failure. `random` is from 0 to 1.
    pub fn failed(&self, uid: &str, random: f64) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        let delay = FIRST.saturating_mul(1 << (*count).min(16)).min(LONGEST);
        *count += 1;
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
    fn doubles_to_a_bound_and_starts_anew_after_success() {
        let backoff = Backoff::default();
        let seconds: Vec<_> = (0..11).map(|_| backoff.failed("a", 0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff.failed("b", 0.0), FIRST);
        backoff.succeeded("a");
        assert_eq!(backoff.failed("a", 0.0), FIRST);
        assert_eq!(backoff.failed("c", 1.0), Duration::from_millis(800));
    }
}
