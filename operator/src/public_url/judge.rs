//! What `publicUrl` answered → condition PublicUrlVerified, each wrong answer with what to do. Pure.

use resize_api::{condition::Reason, text::short};

use super::{Answer, Seen};
use crate::report::Verdict;

/// What a visitor of a picture that nobody has should get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// The bucket's redirect to this URL, after which the key stands.
    RedirectTo(&'a str),
    /// The resizer's own 404.
    Resizer,
}

/// Judges what `url` answered.
pub fn judge(seen: &Seen, url: &str, expected: Expected<'_>) -> Verdict {
    match seen {
        Seen::Answer(answer) => match expected {
            Expected::RedirectTo(target) => judge_website(answer, url, target),
            Expected::Resizer => judge_resizer(answer, url),
        },
        Seen::Untrusted(why) => Verdict::no(
            Reason::TlsError,
            format!(
                "the certificate of {url} is not trusted ({why}): renew it or correct the host name; if it is from an authority of your own, \
                 name that in bucket.caBundle"
            ),
        ),
        Seen::Nothing(why) => Verdict::unknown(
            Reason::PublicUrlUnreachable,
            format!("{url} cannot be reached from the operator ({why}): Ready does not wait for it; open it from where visitors are"),
        ),
    }
}

fn judge_resizer(answer: &Answer, url: &str) -> Verdict {
    if answer.ours {
        return Verdict::yes(Reason::PublicUrlServes, "publicUrl leads to the resizer");
    }
    let status = answer.status;
    let (reason, message) = match answer.cache {
        Some(header) => (
            Reason::CdnInTheWay,
            format!(
                "{url} answers {status} through a CDN or proxy (header {header}) in place of the resizer's 404: make the resizer its origin, or \
                 the second one that it asks after 403 and 404 of the first, and have it put no error page of its own in place of 404"
            ),
        ),
        None => (
            Reason::NotTheResizer,
            format!(
                "{url} answers {status}, not the resizer's 404 in JSON: with delivery.mode Direct, publicUrl must lead to the Ingress or Gateway \
                 of the resizer, or to a CDN before that; no path may be missing or too many"
            ),
        ),
    };
    Verdict::no(reason, message)
}

fn judge_website(answer: &Answer, url: &str, target: &str) -> Verdict {
    let leads_to_us = answer.location.as_ref().is_some_and(|location| location.starts_with(target));
    if answer.status == 307 && leads_to_us {
        return Verdict::yes(Reason::PublicUrlServes, "publicUrl sends a missing size to the resizer");
    }
    let status = answer.status;
    let location = short(answer.location.as_deref().unwrap_or_default());
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
            let verdict = judge(&seen, "http://photos.example.com/300x300/a", Expected::RedirectTo(TARGET));
            assert_eq!((verdict.holds, verdict.reason), (holds, reason), "{seen:?}");
            assert!(verdict.message.contains(says), "{seen:?}: {}", verdict.message);
        }
    }

    #[test]
    fn with_direct_only_the_resizers_own_404_is_right() {
        let ours = |cache| Answer { ours: true, cache, ..answer(404, "") };
        let cached = |status| Answer { cache: Some("x-cache"), ..answer(status, "") };
        for (seen, holds, reason, says) in [
            (Seen::Answer(ours(None)), Some(true), Reason::PublicUrlServes, "leads to the resizer"),
            (Seen::Answer(ours(Some("x-cache"))), Some(true), Reason::PublicUrlServes, "leads to the resizer"),
            (Seen::Answer(answer(404, "")), Some(false), Reason::NotTheResizer, "answers 404, not the resizer's"),
            (Seen::Answer(answer(503, "")), Some(false), Reason::NotTheResizer, "answers 503"),
            (Seen::Answer(answer(307, &format!("{TARGET}300x300/a"))), Some(false), Reason::NotTheResizer, "answers 307"),
            (Seen::Answer(cached(403)), Some(false), Reason::CdnInTheWay, "after 403 and 404 of the first"),
            (Seen::Untrusted("certificate expired".into()), Some(false), Reason::TlsError, "certificate expired"),
            (Seen::Nothing("connection refused".into()), None, Reason::PublicUrlUnreachable, "Ready does not wait"),
        ] {
            let verdict = judge(&seen, "http://photos.example.com/300x300/a", Expected::Resizer);
            assert_eq!((verdict.holds, verdict.reason), (holds, reason), "{seen:?}");
            assert!(verdict.message.contains(says), "{seen:?}: {}", verdict.message);
        }
    }

    #[test]
    fn a_location_is_compared_whole_and_told_in_part() {
        let target = format!("http://{}.example.com/default/resize?key=", "a".repeat(240));
        let right = judge(
            &Seen::Answer(answer(307, &format!("{target}300x300/a"))),
            "http://photos.example.com/300x300/a",
            Expected::RedirectTo(&target),
        );
        assert_eq!(right.reason, Reason::PublicUrlServes);
        let wrong =
            judge(&Seen::Answer(answer(307, &"b".repeat(9000))), "http://photos.example.com/300x300/a", Expected::RedirectTo(TARGET));
        assert!(wrong.reason == Reason::WrongRedirect && wrong.message.len() < 500, "{}", wrong.message);
    }
}
