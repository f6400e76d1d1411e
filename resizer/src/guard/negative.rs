//! Originals found missing or bad a moment ago → the same answer again, without asking, fetching or decoding.
//!
//! Short, for an original may be put right at any time; without it, a picture that
//! takes a second to be found bad would cost that second again for every request.
//! What is missing, what is bad and what is bad for one size have memories of their own:
//! anybody can name missing keys without end, and they are not to push out what costs much.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use resize_api::ResizedKey;
use tokio::time::Instant;

use crate::error::{Blame, Error};

/// Keys remembered of each kind; beyond that the oldest is forgotten. At the most 1 KiB each.
const MISSING: usize = 2048;
const BAD: usize = 1024;

/// What is known of originals and derivatives that cannot be had.
pub struct Negative {
    known: Mutex<Kinds>,
    age: Duration,
}

struct Kinds {
    missing: Known,
    originals: Known,
    derivatives: Known,
}

struct Known {
    capacity: usize,
    errors: HashMap<String, (Instant, Error)>,
    order: VecDeque<(Instant, String)>,
}

impl Negative {
    /// Remembers for `age`; for zero, nothing.
    pub fn new(age: Duration) -> Self {
        let (missing, originals, derivatives) = (Known::new(MISSING), Known::new(BAD), Known::new(BAD));
        Self { known: Mutex::new(Kinds { missing, originals, derivatives }), age }
    }

    /// Remembers at `now` that `key` came to `error`, if that will not change by itself.
    pub fn note(&self, key: &ResizedKey, error: &Error, now: Instant) {
        if self.age.is_zero() {
            return;
        }
        let mut kinds = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, name) = match error.blame() {
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
    pub fn look_up(&self, key: &ResizedKey, now: Instant) -> Option<Error> {
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

impl Known {
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
    use crate::store::StoreError;

    const AGE: Duration = Duration::from_secs(10);

    fn key(text: &str) -> ResizedKey {
        ResizedKey::from_encoded(text).unwrap()
    }

    fn damaged() -> Error {
        Error::Resize(picture::Error::Damaged("on purpose".into()))
    }

    #[test]
    fn what_is_wrong_with_an_original_holds_for_every_size() {
        let (negative, start) = (Negative::new(AGE), Instant::now());
        negative.note(&key("30x30/bad.jpg"), &damaged(), start);
        assert_eq!(negative.look_up(&key("40x40/bad.jpg"), start + AGE), Some(damaged()));
        assert_eq!(negative.look_up(&key("30x30/good.jpg"), start), None);
        assert_eq!(negative.look_up(&key("40x40/bad.jpg"), start + AGE + Duration::from_millis(1)), None);
    }

    #[test]
    fn what_is_too_large_for_a_size_holds_for_that_size() {
        let (negative, start) = (Negative::new(AGE), Instant::now());
        let error = Error::OverBudget { needed: 2, budget: 1 };
        negative.note(&key("9000x0/a.jpg"), &error, start);
        assert_eq!(negative.look_up(&key("9000x0/a.jpg"), start), Some(error));
        assert_eq!(negative.look_up(&key("30x0/a.jpg"), start), None);
    }

    #[test]
    fn what_may_pass_is_not_remembered() {
        let (negative, start) = (Negative::new(AGE), Instant::now());
        for error in [Error::Busy("no worker"), Error::Store(StoreError::TimedOut), Error::Store(StoreError::Failed("500".into()))] {
            negative.note(&key("30x30/a.jpg"), &error, start);
            assert_eq!(negative.look_up(&key("30x30/a.jpg"), start), None, "{error}");
        }
        let never = Negative::new(Duration::ZERO);
        never.note(&key("30x30/a.jpg"), &damaged(), start);
        assert_eq!(never.look_up(&key("30x30/a.jpg"), start), None);
    }

    #[test]
    fn is_bounded_and_keeps_the_latest() {
        let (negative, start) = (Negative::new(AGE), Instant::now());
        negative.note(&key("30x30/0"), &damaged(), start);
        negative.note(&key("30x30/0"), &damaged(), start + Duration::from_secs(1));
        for number in 1..BAD {
            negative.note(&key(&format!("30x30/{number}")), &damaged(), start + Duration::from_secs(2));
        }
        assert!(negative.look_up(&key("30x30/0"), start + Duration::from_secs(2)).is_some());
        negative.note(&key("30x30/last"), &damaged(), start + Duration::from_secs(2));
        assert!(negative.look_up(&key("30x30/0"), start + Duration::from_secs(2)).is_none());
        let kinds = negative.known.lock().unwrap();
        assert_eq!(kinds.originals.order.len(), BAD);
        assert!(kinds.originals.errors.len() <= BAD);
    }

    #[test]
    fn random_missing_keys_push_out_nothing_but_each_other() {
        let (negative, start) = (Negative::new(AGE), Instant::now());
        negative.note(&key("30x30/bomb.png"), &damaged(), start);
        let large = Error::OverBudget { needed: 2, budget: 1 };
        negative.note(&key("30x30/large.png"), &large, start);
        for number in 0..100_000 {
            negative.note(&key(&format!("30x30/{number}")), &Error::Store(StoreError::Missing), start);
        }
        assert_eq!(negative.look_up(&key("40x40/bomb.png"), start), Some(damaged()));
        assert_eq!(negative.look_up(&key("30x30/large.png"), start), Some(large));
        assert_eq!(negative.look_up(&key("30x30/99999"), start), Some(Error::Store(StoreError::Missing)));
        assert_eq!(negative.look_up(&key("30x30/0"), start), None);
    }
}
