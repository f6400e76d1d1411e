//! The sequencers of the keys that were handled lately: an event that is older than one that was handled needs no look.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::event::Change;

/// Keys remembered; beyond that the oldest is forgotten, and an old event costs a look.
const CAPACITY: usize = 10_000;

/// What was handled lately.
#[derive(Default)]
pub struct Sequencers(Mutex<Handled>);

#[derive(Default)]
struct Handled {
    sequencers: HashMap<String, String>,
    /// Oldest first.
    keys: VecDeque<String>,
}

impl Sequencers {
    /// Whether this change, or a later one of the same key, was handled already.
    pub fn is_old(&self, change: &Change) -> bool {
        let handled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(new), Some(last)) = (&change.sequencer, handled.sequencers.get(&change.key)) else { return false };
        !is_later(new, last)
    }

    /// Remembers that `change` was handled.
    pub fn handled(&self, change: &Change) {
        let Some(sequencer) = &change.sequencer else { return };
        let mut handled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match handled.sequencers.get(&change.key) {
            Some(last) if !is_later(sequencer, last) => return,
            Some(_) => {}
            None => handled.keys.push_back(change.key.clone()),
        }
        handled.sequencers.insert(change.key.clone(), sequencer.clone());
        if handled.keys.len() > CAPACITY
            && let Some(oldest) = handled.keys.pop_front()
        {
            handled.sequencers.remove(&oldest);
        }
    }
}

/// S3's rule: hexadecimal digits, the shorter one filled with zeros at its right end.
fn is_later(new: &str, last: &str) -> bool {
    let width = new.len().max(last.len());
    let filled = |text: &str| format!("{text:0<width$}").to_ascii_uppercase();
    filled(new) > filled(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, sequencer: Option<&str>) -> Change {
        Change { bucket: "photos".into(), key: key.into(), sequencer: sequencer.map(Into::into), token: None }
    }

    #[test]
    fn an_event_older_than_one_that_was_handled_is_old() {
        let order = Sequencers::default();
        assert!(!order.is_old(&change("a", Some("0055"))));
        order.handled(&change("a", Some("0055")));
        for (key, sequencer, old) in [
            ("a", Some("0055"), true),
            ("a", Some("0054FF"), true),
            ("a", Some("00550"), true),
            ("a", Some("005501"), false),
            ("a", Some("00aB"), false),
            ("a", None, false),
            ("b", Some("0001"), false),
        ] {
            assert_eq!(order.is_old(&change(key, sequencer)), old, "{key} {sequencer:?}");
        }
        // late news do not turn the clock back
        order.handled(&change("a", Some("0001")));
        assert!(order.is_old(&change("a", Some("0055"))));
    }

    #[test]
    fn memory_is_bounded() {
        let order = Sequencers::default();
        for number in 0..=CAPACITY {
            order.handled(&change(&number.to_string(), Some("01")));
        }
        assert!(!order.is_old(&change("0", Some("01"))) && order.is_old(&change("1", Some("01"))));
        assert_eq!(order.0.lock().unwrap().sequencers.len(), CAPACITY);
    }
}
