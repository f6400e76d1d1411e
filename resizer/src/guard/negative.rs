//! Originals found missing or bad a moment ago → the same answer again, without asking, fetching or decoding.
//!
//! Short, for an original may be put right at any time; without it, a picture that
//! takes a second to be found bad would cost that second again for every request.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use resize_api::ResizedKey;
use tokio::time::Instant;

use crate::error::{Blame, Error};

/// Keys remembered; beyond that the oldest is forgotten. At the most 1 KiB each.
const CAPACITY: usize = 4096;

/// What is known of originals and derivatives that cannot be had.
pub struct Negative {
    known: Mutex<Known>,
    age: Duration,
}

/// No original has the key of a derivative, so both kinds of key stand side by side.
#[derive(Default)]
struct Known {
    errors: HashMap<String, (Instant, Error)>,
    order: VecDeque<(Instant, String)>,
}

impl Negative {
    /// Remembers for `age`; for zero, nothing.
    pub fn new(age: Duration) -> Self {
        Self { known: Mutex::default(), age }
    }

    /// Remembers at `now` that `key` came to `error`, if that will not change by itself.
    pub fn note(&self, key: &ResizedKey, error: &Error, now: Instant) {
        let name = match error.blame() {
            _ if self.age.is_zero() => return,
            Blame::Original => key.original.clone(),
            Blame::Derivative => key.to_string(),
            Blame::Passing => return,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget(now, self.age);
        if known.order.len() == CAPACITY {
            known.pop();
        }
        known.order.push_back((now, name.clone()));
        known.errors.insert(name, (now, error.clone()));
    }

    /// What `key` came to shortly before `now`.
    pub fn look_up(&self, key: &ResizedKey, now: Instant) -> Option<Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget(now, self.age);
        let found = known.errors.get(&key.original).or_else(|| known.errors.get(&key.to_string()));
        found.map(|(_, error)| error.clone())
    }
}

impl Known {
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
        for number in 1..CAPACITY {
            negative.note(&key(&format!("30x30/{number}")), &damaged(), start + Duration::from_secs(2));
        }
        assert!(negative.look_up(&key("30x30/0"), start + Duration::from_secs(2)).is_some());
        negative.note(&key("30x30/last"), &damaged(), start + Duration::from_secs(2));
        assert!(negative.look_up(&key("30x30/0"), start + Duration::from_secs(2)).is_none());
        assert_eq!(negative.known.lock().unwrap().order.len(), CAPACITY);
        assert!(negative.known.lock().unwrap().errors.len() <= CAPACITY);
    }
}
