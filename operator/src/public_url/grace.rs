//! A wrong answer → whether it is told at once: S3 may need a moment until its website follows a write.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use resize_api::condition::Reason;

use crate::report::Verdict;

/// How long an answer may be wrong before it is told.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Since when public URLs answer wrongly, per object.
#[derive(Debug, Default)]
pub struct Settling(Mutex<HashMap<String, Timestamp>>);

impl Settling {
    /// `verdict`, or what was said before as long as the wrong answer may be over soon.
    ///
    /// `before` is the verdict on the same spec and rules, if there was one.
    pub fn settle(&self, uid: &str, verdict: Verdict, before: Option<Verdict>, now: Timestamp) -> Verdict {
        let mut wrong_since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verdict.holds != Some(false) {
            wrong_since.remove(uid);
            return verdict;
        }
        if before.is_none() {
            wrong_since.insert(uid.to_owned(), now);
        }
        let since = *wrong_since.entry(uid.to_owned()).or_insert(now);
        match before {
            Some(Verdict { holds: Some(false), .. }) => verdict,
            _ if now.duration_since(since) >= PATIENCE => verdict,
            Some(before) => before,
            None => Verdict::unknown(
                Reason::Verifying,
                "publicUrl does not send a missing size to the resizer yet; S3 may need a moment to follow a change",
            ),
        }
    }

    /// Whether the last answer for the object `uid` was wrong.
    pub fn is_wrong(&self, uid: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(uid)
    }

    /// Forgets the object `uid`.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_wrong_answer_is_told_when_it_stays() {
        let settling = Settling::default();
        let (right, wrong) = (Verdict::yes(Reason::PublicUrlServes, ""), Verdict::no(Reason::NoRedirect, ""));
        let first = settling.settle("a", wrong.clone(), None, at(0));
        assert_eq!((first.holds, first.reason), (None, Reason::Verifying));
        assert_eq!(settling.settle("a", wrong.clone(), Some(first.clone()), at(59)), first);
        assert_eq!(settling.settle("a", wrong.clone(), Some(first), at(60)), wrong);
        assert!(settling.is_wrong("a"));
        assert_eq!(settling.settle("a", right.clone(), Some(wrong.clone()), at(61)), right);
        assert!(!settling.is_wrong("a"));
        // what held goes on to hold for a while
        assert_eq!(settling.settle("a", wrong.clone(), Some(right.clone()), at(100)), right);
        assert_eq!(settling.settle("a", wrong.clone(), Some(right), at(160)), wrong);
        // told once, told at once; after a write from the start
        assert_eq!(settling.settle("b", wrong.clone(), Some(wrong.clone()), at(0)), wrong);
        assert_eq!(settling.settle("b", wrong, None, at(100)).reason, Reason::Verifying);
    }
}
