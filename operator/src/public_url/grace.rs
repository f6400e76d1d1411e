//! What the public URL answered → reported at once, or after a grace period: website, Ingress controller and CDN may follow a write late, and
//! a single answer may get lost. Pure.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use resize_api::condition::Reason;

use crate::report::Verdict;

/// How long an answer may be wrong, or missing, before it is reported.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What is said of an answer that is judged as `verdict`: that, or what was said before as long as a wrong or missing answer may be over soon.
///
/// `before` is the verdict on the same spec and rules, if there was one; `wrong_since` tells since when there was no right answer.
/// Returns that anew, too, as long as it is worth another look.
pub fn settle(verdict: Verdict, before: Option<Verdict>, wrong_since: Option<Timestamp>, now: Timestamp) -> (Verdict, Option<Timestamp>) {
    if verdict.holds == Some(true) {
        return (verdict, None);
    }
    let silent = is_silence(&verdict);
    let known = before.as_ref().is_some_and(|before| if silent { is_silence(before) } else { before.holds == Some(false) });
    let first = wrong_since.filter(|_| before.is_some());
    let since = first.unwrap_or(now);
    let stays = now.duration_since(since) >= PATIENCE;
    if silent && (stays || known && first.is_none()) {
        return (verdict, None); // it may well be so for ever: others can reach it
    }
    let told = match before {
        _ if stays || known => verdict,
        Some(before) => before,
        // `Ready` does not wait for what cannot be reached from here
        None if silent => verdict,
        None => Verdict::unknown(
            Reason::Verifying,
            "publicUrl does not send a missing size to the resizer yet; S3, an Ingress controller or a CDN may need a moment to follow a change",
        ),
    };
    (told, Some(since))
}

fn is_silence(verdict: &Verdict) -> bool {
    verdict.reason == Reason::PublicUrlUnreachable
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

    #[test]
    fn an_answer_that_got_lost_hides_nothing() {
        let (right, wrong) = (Verdict::yes(Reason::PublicUrlServes, ""), Verdict::no(Reason::TlsError, ""));
        let silence = Verdict::unknown(Reason::PublicUrlUnreachable, "");
        let verifying = Verdict::unknown(Reason::Verifying, "");
        // it is part of the time in which there is no right answer
        assert_eq!(settle(silence.clone(), Some(verifying.clone()), Some(at(0)), at(59)), (verifying, Some(at(0))));
        // and is told when it stays; then another look is worth as much as where all is well
        for before in [&right, &wrong] {
            assert_eq!(settle(silence.clone(), Some(before.clone()), None, at(0)), (before.clone(), Some(at(0))));
            assert_eq!(settle(silence.clone(), Some(before.clone()), Some(at(0)), at(60)), (silence.clone(), None));
        }
        assert_eq!(settle(silence.clone(), Some(silence.clone()), None, at(600)), (silence.clone(), None));
        // the first one is told, and looked at again
        assert_eq!(settle(silence.clone(), None, None, at(0)), (silence.clone(), Some(at(0))));
        assert_eq!(settle(silence.clone(), Some(silence.clone()), Some(at(0)), at(30)), (silence.clone(), Some(at(0))));
        assert_eq!(settle(silence.clone(), Some(silence.clone()), Some(at(0)), at(60)), (silence.clone(), None));
        assert_eq!(settle(wrong.clone(), Some(silence.clone()), Some(at(0)), at(60)), (wrong, Some(at(0))));
        assert_eq!(settle(right.clone(), Some(silence), Some(at(0)), at(30)), (right, None));
    }
}
