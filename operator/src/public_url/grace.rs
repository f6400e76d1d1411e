//! A wrong answer of the public URL → reported at once, or after a grace period: website, Ingress controller and CDN may follow a write late. Pure.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use resize_api::condition::Reason;

use crate::report::Verdict;

/// How long an answer may be wrong before it is reported.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What is said of an answer that is judged as `verdict`: that, or what was said before as long as a wrong answer may be over soon.
///
/// `before` is the verdict on the same spec and rules, if there was one; `wrong_since` tells since when answers are wrong.
/// Returns that anew, too.
pub fn settle(verdict: Verdict, before: Option<Verdict>, wrong_since: Option<Timestamp>, now: Timestamp) -> (Verdict, Option<Timestamp>) {
    if verdict.holds != Some(false) {
        return (verdict, None);
    }
    let since = wrong_since.filter(|_| before.is_some()).unwrap_or(now);
    let told = match before {
        Some(Verdict { holds: Some(false), .. }) => verdict,
        _ if now.duration_since(since) >= PATIENCE => verdict,
        Some(before) => before,
        None => Verdict::unknown(
            Reason::Verifying,
            "publicUrl does not send a missing size to the resizer yet; S3, an Ingress controller or a CDN may need a moment to follow a change",
        ),
    };
    (told, Some(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_wrong_answer_is_told_when_it_stays() {
        let (right, wrong) = (Verdict::yes(Reason::PublicUrlServes, ""), Verdict::no(Reason::NoRedirect, ""));
        let (first, since) = settle(wrong.clone(), None, None, at(0));
        assert_eq!((first.holds, first.reason, since), (None, Reason::Verifying, Some(at(0))));
        assert_eq!(settle(wrong.clone(), Some(first.clone()), since, at(59)), (first.clone(), since));
        assert_eq!(settle(wrong.clone(), Some(first), since, at(60)), (wrong.clone(), since));
        assert_eq!(settle(right.clone(), Some(wrong.clone()), since, at(61)), (right.clone(), None));
        // a condition that was true stays true for the grace period
        assert_eq!(settle(wrong.clone(), Some(right.clone()), None, at(100)), (right.clone(), Some(at(100))));
        assert_eq!(settle(wrong.clone(), Some(right), Some(at(100)), at(160)).0, wrong);
        // a problem that was already reported is reported at once; after a write the grace period starts anew
        assert_eq!(settle(wrong.clone(), Some(wrong.clone()), None, at(0)).0, wrong);
        assert_eq!(settle(wrong, None, Some(at(0)), at(100)).0.reason, Reason::Verifying);
    }
}
