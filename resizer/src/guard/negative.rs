//! The negative cache: errors of the last seconds → the same error again, without asking S3, fetching or decoding.
//!
//! Entries live for seconds only, because an original may be replaced at any time; without them, a picture that takes a second to
//! be found damaged would cost that second at every request. Missing originals, bad originals and single bad sizes have caches of
//! their own: anybody can name missing keys without end, and they must not push out entries that are expensive to find again.
//! The error is of any type `E`; `error` and `service` stand above.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use resize_api::ResizedKey;
use tokio::time::Instant;

/// Keys remembered of each kind; beyond that the oldest is forgotten. At the most 1 KiB each.
const MISSING: usize = 2048;
const BAD: usize = 1024;

/// What an error tells of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The store has no such original, or does not show it.
    Missing,
    /// The original, whatever size is made of it.
    Original,
    /// The original at this size.
    Derivative,
    /// Neither: the next request may go well.
    Passing,
}

/// What is known of originals and derivatives that cannot be had.
pub struct Negative<E> {
    known: Mutex<Kinds<E>>,
    age: Duration,
}

struct Kinds<E> {
    missing: Known<E>,
    originals: Known<E>,
    derivatives: Known<E>,
}

struct Known<E> {
    capacity: usize,
    errors: HashMap<String, (Instant, E)>,
    order: VecDeque<(Instant, String)>,
}

impl<E: Clone> Negative<E> {
    /// Remembers for `age`; for zero, nothing.
    pub fn new(age: Duration) -> Self {
        let (missing, originals, derivatives) = (Known::new(MISSING), Known::new(BAD), Known::new(BAD));
        Self { known: Mutex::new(Kinds { missing, originals, derivatives }), age }
    }

    /// Remembers at `now` that `key` came to `error`, unless `blame` says that it passes by itself.
    pub fn note(&self, key: &ResizedKey, blame: Blame, error: &E, now: Instant) {
        if self.age.is_zero() {
            return;
        }
        let mut kinds = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, name) = match blame {
            Blame::Missing => (&mut kinds.missing, key.original.clone()),
            Blame::Original => (&mut kinds.originals, key.original.clone()),
            Blame::Derivative => (&mut kinds.derivatives, key.to_string()),
            Blame::Passing => return,
        };
        known.forget(now, self.age);
        if known.order.len() == known.capacity {
            known.pop();
        }
        known.order.push_back((now, name.clone()));
        known.errors.insert(name, (now, error.clone()));
    }

    /// What `key` came to shortly before `now`.
    pub fn look_up(&self, key: &ResizedKey, now: Instant) -> Option<E> {
        let mut kinds = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Kinds { missing, originals, derivatives } = &mut *kinds;
        let derivative = key.to_string();
        let mut kinds = [(originals, &key.original), (derivatives, &derivative), (missing, &key.original)].into_iter();
        kinds.find_map(|(known, name)| {
            known.forget(now, self.age);
            known.errors.get(name).map(|(_, error)| error.clone())
        })
    }
}

impl<E> Known<E> {
    fn new(capacity: usize) -> Self {
        Self { capacity, errors: HashMap::new(), order: VecDeque::new() }
    }

    fn forget(&mut self, now: Instant, age: Duration) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) > age) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some((at, name)) = self.order.pop_front() else { return };
        // a later note of the same key outlives this one
        if self.errors.get(&name).is_some_and(|(noted, _)| *noted == at) {
            self.errors.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(10);

    fn key(text: &str) -> ResizedKey {
        ResizedKey::from_encoded(text).unwrap()
    }

    #[test]
    fn what_is_wrong_with_an_original_holds_for_every_size() {
        let (negative, start) = (Negative::<&str>::new(AGE), Instant::now());
        negative.note(&key("30x30/bad.jpg"), Blame::Original, &"damaged", start);
        assert_eq!(negative.look_up(&key("40x40/bad.jpg"), start + AGE), Some("damaged"));
        assert_eq!(negative.look_up(&key("30x30/good.jpg"), start), None);
        assert_eq!(negative.look_up(&key("40x40/bad.jpg"), start + AGE + Duration::from_millis(1)), None);
    }

    #[test]
    fn what_is_too_large_for_a_size_holds_for_that_size() {
        let (negative, start) = (Negative::<&str>::new(AGE), Instant::now());
        negative.note(&key("9000x0/a.jpg"), Blame::Derivative, &"too large", start);
        assert_eq!(negative.look_up(&key("9000x0/a.jpg"), start), Some("too large"));
        assert_eq!(negative.look_up(&key("30x0/a.jpg"), start), None);
    }

    #[test]
    fn what_may_pass_is_not_remembered() {
        let (negative, start) = (Negative::<&str>::new(AGE), Instant::now());
        negative.note(&key("30x30/a.jpg"), Blame::Passing, &"busy", start);
        assert_eq!(negative.look_up(&key("30x30/a.jpg"), start), None);
        let never = Negative::<&str>::new(Duration::ZERO);
        never.note(&key("30x30/a.jpg"), Blame::Original, &"damaged", start);
        assert_eq!(never.look_up(&key("30x30/a.jpg"), start), None);
    }

    #[test]
    fn is_bounded_and_keeps_the_latest() {
        let (negative, start) = (Negative::<&str>::new(AGE), Instant::now());
        negative.note(&key("30x30/0"), Blame::Original, &"damaged", start);
        negative.note(&key("30x30/0"), Blame::Original, &"damaged", start + Duration::from_secs(1));
        for number in 1..BAD {
            negative.note(&key(&format!("30x30/{number}")), Blame::Original, &"damaged", start + Duration::from_secs(2));
        }
        assert!(negative.look_up(&key("30x30/0"), start + Duration::from_secs(2)).is_some());
        negative.note(&key("30x30/last"), Blame::Original, &"damaged", start + Duration::from_secs(2));
        assert!(negative.look_up(&key("30x30/0"), start + Duration::from_secs(2)).is_none());
        let kinds = negative.known.lock().unwrap();
        assert_eq!(kinds.originals.order.len(), BAD);
        assert!(kinds.originals.errors.len() <= BAD);
    }

    #[test]
    fn random_missing_keys_push_out_nothing_but_each_other() {
        let (negative, start) = (Negative::<&str>::new(AGE), Instant::now());
        negative.note(&key("30x30/bomb.png"), Blame::Original, &"damaged", start);
        negative.note(&key("30x30/large.png"), Blame::Derivative, &"too large", start);
        for number in 0..100_000 {
            negative.note(&key(&format!("30x30/{number}")), Blame::Missing, &"missing", start);
        }
        assert_eq!(negative.look_up(&key("40x40/bomb.png"), start), Some("damaged"));
        assert_eq!(negative.look_up(&key("30x30/large.png"), start), Some("too large"));
        assert_eq!(negative.look_up(&key("30x30/99999"), start), Some("missing"));
        assert_eq!(negative.look_up(&key("30x30/0"), start), None);
    }
}
