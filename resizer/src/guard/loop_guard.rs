//! Keys stored in the last minutes → whether a request is a redirect loop, and whether there is anything to make.
//!
//! A visitor who was redirected to a stored picture and asks for it again within seconds did not get it: the bucket's website refuses
//! the object, or still answers from a cache. Another redirect would never end. While that goes on, the picture is not made again for
//! each request: the stored object is sent instead. `derivative` asks and tells; nothing of this crate is below.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long after a redirect to a key a request for it counts as a loop.
const WINDOW: Duration = Duration::from_secs(5);
/// How long a key is remembered; then the picture is made again, which replaces one that is stale.
const MEMORY: Duration = Duration::from_mins(10);
const CAPACITY: usize = 2048;

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Nothing.
    New,
    /// It was stored, and nobody came back at once.
    Stored,
    /// Visitors who were sent to it come back.
    Loop,
}

/// The keys stored lately.
pub struct LoopGuard {
    stored: Mutex<Stored>,
    /// Keys remembered; beyond that the oldest is forgotten.
    capacity: usize,
}

impl Default for LoopGuard {
    fn default() -> Self {
        Self { stored: Mutex::default(), capacity: CAPACITY }
    }
}

#[derive(Default)]
struct Stored {
    keys: HashMap<String, Entry>,
    /// Oldest first.
    order: VecDeque<(Instant, String)>,
}

struct Entry {
    stored: Instant,
    /// The last redirect to it.
    sent: Instant,
    looped: bool,
    /// It was found gone from the store once, which is no loop.
    excused: bool,
}

impl LoopGuard {
    /// One that remembers nothing: where nobody is sent to what is stored, nobody comes back.
    pub fn off() -> Self {
        Self { capacity: 0, ..Self::default() }
    }

    /// Remembers that `key` was stored at `now`, and its visitor sent there.
    pub fn note(&self, key: &str, now: Instant) {
        if self.capacity == 0 {
            return;
        }
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.order.len() == self.capacity {
            stored.pop();
        }
        stored.order.push_back((now, key.to_owned()));
        let (looped, excused) = stored.keys.get(key).map_or((false, false), |entry| (entry.looped, entry.excused));
        stored.keys.insert(key.to_owned(), Entry { stored: now, sent: now, looped, excused });
    }

    /// Remembers that one more visitor was sent to `key` at `now`.
    pub fn sent(&self, key: &str, now: Instant) {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = stored.keys.get_mut(key) {
            entry.sent = now;
        }
    }

    /// Whether a visitor came back because `key` is gone from the store: an event or a sweep deletes what is stale. So it is once;
    /// if what is stored is gone time after time, it is a loop.
    pub fn excuse(&self, key: &str) -> bool {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = stored.keys.get_mut(key).filter(|entry| !entry.excused) else { return false };
        (entry.looped, entry.excused) = (false, true);
        true
    }

    /// What is known of `key` at `now`, when somebody asks for it.
    pub fn recall(&self, key: &str, now: Instant) -> Recalled {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        while stored.order.front().is_some_and(|(at, _)| now.duration_since(*at) > MEMORY) {
            stored.pop();
        }
        let Some(entry) = stored.keys.get_mut(key) else { return Recalled::New };
        let is_back = now.duration_since(entry.sent) <= WINDOW;
        entry.looped |= is_back;
        entry.excused &= is_back;
        if entry.looped { Recalled::Loop } else { Recalled::Stored }
    }
}

impl Stored {
    fn pop(&mut self) {
        let Some((at, key)) = self.order.pop_front() else { return };
        // a later note of the same key outlives this one
        if self.keys.get(&key).is_some_and(|entry| entry.stored == at) {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "300x300/a.jpg";

    #[test]
    fn who_comes_back_within_seconds_is_in_a_loop() {
        let (guard, start) = (LoopGuard::default(), Instant::now());
        let late = start + WINDOW + Duration::from_millis(1);
        guard.note(KEY, start);
        assert_eq!(guard.recall("300x300/b.jpg", start), Recalled::New);
        assert_eq!(guard.recall(KEY, late), Recalled::Stored);
        guard.sent(KEY, late);
        assert_eq!(guard.recall(KEY, late + WINDOW), Recalled::Loop);
    }

    #[test]
    fn a_loop_is_remembered_and_ends() {
        let (guard, start) = (LoopGuard::default(), Instant::now());
        guard.note(KEY, start);
        assert_eq!(guard.recall(KEY, start + WINDOW), Recalled::Loop);
        assert_eq!(guard.recall(KEY, start + MEMORY), Recalled::Loop);
        assert_eq!(guard.recall(KEY, start + MEMORY + Duration::from_millis(1)), Recalled::New);
        guard.note(KEY, start + MEMORY * 2);
        assert_eq!(guard.recall(KEY, start + MEMORY * 2 + WINDOW * 2), Recalled::Stored);
    }

    #[test]
    fn is_bounded_and_keeps_the_latest() {
        let (guard, start) = (LoopGuard::default(), Instant::now());
        guard.note("twice", start);
        guard.note("twice", start + WINDOW);
        for number in 0..CAPACITY {
            assert_ne!(guard.recall("twice", start + WINDOW * 3), Recalled::New);
            guard.note(&number.to_string(), start + WINDOW * 2);
            if number == CAPACITY - 2 {
                break;
            }
        }
        guard.note("last", start + WINDOW * 2);
        assert_eq!(guard.recall("twice", start + WINDOW * 3), Recalled::New);
        let stored = guard.stored.lock().unwrap();
        assert!(stored.order.len() == CAPACITY && stored.keys.len() <= CAPACITY);
    }
}
