//! Keys stored a moment ago → whether a request is a visitor sent back to us.
//!
//! A visitor who was redirected to a stored picture and is back within seconds did
//! not get it: the bucket's website refuses it, or still answers from a cache.
//! Another redirect would send the visitor round for ever.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long after storing a key a request for it counts as a loop.
const WINDOW: Duration = Duration::from_secs(5);
/// Keys remembered; beyond that the oldest is forgotten.
const CAPACITY: usize = 1024;

/// The keys stored lately, oldest first.
#[derive(Default)]
pub struct LoopGuard {
    stored: Mutex<VecDeque<(Instant, String)>>,
}

impl LoopGuard {
    /// Remembers that `key` was stored at `now`.
    pub fn note(&self, key: &str, now: Instant) {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.len() == CAPACITY {
            stored.pop_front();
        }
        stored.push_back((now, key.to_owned()));
    }

    /// Whether `key` was stored so shortly before `now` that nobody should ask for it here.
    pub fn is_loop(&self, key: &str, now: Instant) -> bool {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        while stored.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            stored.pop_front();
        }
        stored.iter().any(|(_, known)| known == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_seconds_only() {
        let (guard, start) = (LoopGuard::default(), Instant::now());
        guard.note("300x300/a.jpg", start);
        assert!(guard.is_loop("300x300/a.jpg", start));
        assert!(guard.is_loop("300x300/a.jpg", start + WINDOW));
        assert!(!guard.is_loop("300x300/b.jpg", start));
        assert!(!guard.is_loop("300x300/a.jpg", start + WINDOW + Duration::from_millis(1)));
    }

    #[test]
    fn is_bounded() {
        let (guard, start) = (LoopGuard::default(), Instant::now());
        for number in 0..=CAPACITY {
            guard.note(&number.to_string(), start);
        }
        assert!(!guard.is_loop("0", start));
        assert!(guard.is_loop("1", start));
        assert_eq!(guard.stored.lock().unwrap().len(), CAPACITY);
    }
}
