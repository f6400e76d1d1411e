//! What `publicUrl` answered → condition PublicUrlVerified, each wrong answer with what to do. Pure.

use resize_api::condition::Reason;

use super::{Answer, Seen};
use crate::report::Verdict;

/// Longest part of a redirect that is repeated in a condition.
const SHOWN: usize = 200;

/// Judges what `url` answered; `target` is where our rules lead, the key left out.
pub fn judge(seen: &Seen, url: &str, target: &str) -> Verdict {
    match seen {
        Seen::Answer(answer) => judge_answer(answer, url, target),
        Seen::Untrusted(why) => Verdict::no(
            Reason::TlsError,
            format!(
                "the certificate of {url} is not trusted ({why}): renew it or correct the host name; if it is from an authority of your own, \
                 tell the operator by SSL_CERT_FILE"
            ),
        ),
        Seen::Nothing(why) => Verdict::unknown(
            Reason::PublicUrlUnreachable,
            format!("{url} cannot be reached from the operator ({why}): Ready does not wait for it; open it from where visitors are"),
        ),
    }
}

fn judge_answer(answer: &Answer, url: &str, target: &str) -> Verdict {
    let leads_to_us = answer.location.as_ref().is_some_and(|location| location.starts_with(target));
    if answer.status == 307 && leads_to_us {
        return Verdict::yes(Reason::PublicUrlServes, "publicUrl sends a missing size to the resizer");
    }
    let status = answer.status;
    let location: String = answer.location.iter().flat_map(|location| location.chars()).take(SHOWN).collect();
    if let Some(header) = answer.cache {
        let what = if location.is_empty() { String::new() } else { format!(" to {location}") };
        let message = format!(
            "{url} answers {status}{what} through a CDN or proxy (header {header}) in place of the bucket's 307 to the resizer: make the \
             bucket's website endpoint its origin, not the REST endpoint, and have it pass redirects on and cache no errors"
        );
        return Verdict::no(Reason::CdnInTheWay, message);
    }
    let (reason, message) = match status {
        _ if answer.xml => (
            Reason::NotTheWebsite,
            format!("{url} answers {status} as S3's REST endpoint does, which knows no routing rules: use the bucket's website endpoint"),
        ),
        300..=399 if leads_to_us => (
            Reason::WrongRedirect,
            format!("{url} redirects to the resizer with {status}, and caches may keep that: want 307; look for another routing rule"),
        ),
        300..=399 => (
            Reason::WrongRedirect,
            format!("{url} redirects with {status} to {location}, not to {target}: look for another routing rule, or another bucket"),
        ),
        403 => (
            Reason::PublicAccessDenied,
            format!(
                "{url} answers 403: let everybody s3:GetObject (bucket policy, public access block of bucket and account); on Ceph everybody \
                 needs s3:ListBucket too"
            ),
        ),
        404 => (
            Reason::NoRedirect,
            format!(
                "{url} answers 404 without the redirect: it is not the website endpoint of this bucket, or the store has no routing rules"
            ),
        ),
        _ => (
            Reason::NotTheWebsite,
            format!("{url} answers {status}, not the bucket's 307 to the resizer: publicUrl must lead to the bucket's website endpoint"),
        ),
    };
    Verdict::no(reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "http://resize.example.com/default/resize?key=";

    fn answer(status: u16, location: &str) -> Answer {
        Answer { status, location: Some(location.to_owned()).filter(|location| !location.is_empty()), ..Answer::default() }
    }

    #[test]
    fn each_answer_has_its_reason_and_says_what_to_do() {
        let ours = format!("{TARGET}300x300/a");
        let cached = |status, location| Answer { cache: Some("x-cache"), ..answer(status, location) };
        for (seen, holds, reason, says) in [
            (Seen::Answer(answer(307, &ours)), Some(true), Reason::PublicUrlServes, "to the resizer"),
            (Seen::Answer(cached(307, &ours)), Some(true), Reason::PublicUrlServes, "to the resizer"),
            (Seen::Answer(answer(301, &ours)), Some(false), Reason::WrongRedirect, "want 307"),
            (Seen::Answer(answer(307, "http://old.example.com/")), Some(false), Reason::WrongRedirect, "to http://old.example.com/"),
            (Seen::Answer(answer(302, "")), Some(false), Reason::WrongRedirect, "look for another"),
            (Seen::Answer(answer(403, "")), Some(false), Reason::PublicAccessDenied, "s3:ListBucket"),
            (Seen::Answer(answer(404, "")), Some(false), Reason::NoRedirect, "website endpoint"),
            (Seen::Answer(answer(200, "")), Some(false), Reason::NotTheWebsite, "answers 200"),
            (Seen::Answer(answer(503, "")), Some(false), Reason::NotTheWebsite, "answers 503"),
            (Seen::Answer(Answer { xml: true, ..answer(403, "") }), Some(false), Reason::NotTheWebsite, "REST endpoint"),
            (Seen::Answer(cached(404, "")), Some(false), Reason::CdnInTheWay, "header x-cache"),
            (Seen::Answer(cached(301, "http://old.example.com/")), Some(false), Reason::CdnInTheWay, "301 to http://old.example.com/"),
            (Seen::Untrusted("certificate expired".into()), Some(false), Reason::TlsError, "certificate expired"),
            (Seen::Nothing("connection refused".into()), None, Reason::PublicUrlUnreachable, "Ready does not wait"),
        ] {
            let verdict = judge(&seen, "http://photos.example.com/300x300/a", TARGET);
            assert_eq!((verdict.holds, verdict.reason), (holds, reason), "{seen:?}");
            assert!(verdict.message.contains(says), "{seen:?}: {}", verdict.message);
        }
    }

    #[test]
    fn a_location_is_compared_whole_and_told_in_part() {
        let target = format!("http://{}.example.com/default/resize?key=", "a".repeat(240));
        let right = judge(&Seen::Answer(answer(307, &format!("{target}300x300/a"))), "http://photos.example.com/300x300/a", &target);
        assert_eq!(right.reason, Reason::PublicUrlServes);
        let wrong = judge(&Seen::Answer(answer(307, &"b".repeat(9000))), "http://photos.example.com/300x300/a", TARGET);
        assert!(wrong.reason == Reason::WrongRedirect && wrong.message.len() < 500, "{}", wrong.message);
    }
}
