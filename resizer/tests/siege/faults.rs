//! Faults of a store → the answer, the object in the bucket, the metrics.

use std::time::Duration;

use crate::{
    lab::{self, Lab, Resizer, picture},
    proxy::{Fault, Proxy},
};

const LONG: Duration = Duration::from_secs(5);

/// Method, fault, how many requests meet it.
type Wrong = (&'static str, Fault, usize);

struct Case {
    name: &'static str,
    wrong: Option<Wrong>,
    status: u16,
    outcome: &'static str,
    /// Whether the derivative is in the bucket afterwards.
    stored: bool,
    /// Metrics that must have moved, but for the outcome: how they begin.
    moved: &'static [&'static str],
}

const fn case(name: &'static str, wrong: Wrong, status: u16, outcome: &'static str, stored: bool, moved: &'static [&'static str]) -> Case {
    Case { name, wrong: Some(wrong), status, outcome, stored, moved }
}

const ALWAYS: usize = usize::MAX;

fn cases() -> Vec<Case> {
    use Fault::{AnnouncesLess, AnnouncesMore, Answer, LosesAnswer, Reset, Slow};
    let get_failed = &["s3_requests{operation=\"get\""][..];
    let put_failed = &["store_failures", "s3_requests{operation=\"put\""][..];
    vec![
        Case {
            name: "nothing",
            wrong: None,
            status: 307,
            outcome: "redirected",
            stored: true,
            moved: &["s3_requests{operation=\"put\",code=\"200\""],
        },
        case(
            "GET slower than FETCH_SECONDS",
            ("GET", Slow(LONG), ALWAYS),
            504,
            "store_timed_out",
            false,
            &["s3_requests{operation=\"get\",code=\"timeout\""],
        ),
        case(
            "GET 500, always",
            ("GET", Answer(500, "InternalError"), ALWAYS),
            502,
            "store_failed",
            false,
            &["s3_requests{operation=\"get\",code=\"500\""],
        ),
        case(
            "GET 500, twice",
            ("GET", Answer(500, "InternalError"), 2),
            307,
            "redirected",
            true,
            &["s3_requests{operation=\"get\",code=\"200\""],
        ),
        case(
            "GET 503 SlowDown, always",
            ("GET", Answer(503, "SlowDown"), ALWAYS),
            503,
            "store_slow_down",
            false,
            &["s3_requests{operation=\"get\",code=\"503\""],
        ),
        case(
            "GET 503 SlowDown, once",
            ("GET", Answer(503, "SlowDown"), 1),
            307,
            "redirected",
            true,
            &["s3_requests{operation=\"get\",code=\"200\""],
        ),
        case("GET reset in mid-body, always", ("GET", Reset, ALWAYS), 502, "store_interrupted", false, &["source_refetches+2"]),
        case("GET reset in mid-body, once", ("GET", Reset, 1), 307, "redirected", true, &["source_refetches+1"]),
        case(
            "GET announces more than comes, always",
            ("GET", AnnouncesMore, ALWAYS),
            502,
            "store_interrupted",
            false,
            &["source_refetches+2"],
        ),
        case("GET announces more than comes, once", ("GET", AnnouncesMore, 1), 307, "redirected", true, &["source_refetches+1"]),
        case(
            "GET announces less than there is",
            ("GET", AnnouncesLess, ALWAYS),
            422,
            "damaged",
            false,
            &["rejected_sources{reason=\"damaged\"}+1"],
        ),
        case("GET answer lost, once", ("GET", LosesAnswer, 1), 307, "redirected", true, &["s3_requests{operation=\"get\",code=\"200\""]),
        case(
            "expired credentials",
            ("GET", Answer(400, "ExpiredToken"), ALWAYS),
            502,
            "store_credentials",
            false,
            &["s3_requests{operation=\"get\",code=\"400\""],
        ),
        case(
            "403 AccessDenied on GET",
            ("GET", Answer(403, "AccessDenied"), ALWAYS),
            404,
            "original_forbidden",
            false,
            &["s3_requests{operation=\"get\",code=\"403\""],
        ),
        case("bucket gone, by its error", ("GET", Answer(404, "NoSuchBucket"), ALWAYS), 502, "store_failed", false, get_failed),
        case(
            "403 AccessDenied on PUT only",
            ("PUT", Answer(403, "AccessDenied"), ALWAYS),
            200,
            "shown_not_stored",
            false,
            &["store_failures+1", "s3_requests{operation=\"put\",code=\"403\""],
        ),
        case(
            "PUT slower than STORE_SECONDS",
            ("PUT", Slow(LONG), ALWAYS),
            200,
            "shown_not_stored",
            false,
            &["store_failures+1", "s3_requests{operation=\"put\",code=\"timeout\""],
        ),
        case("PUT 500, always", ("PUT", Answer(500, "InternalError"), ALWAYS), 200, "shown_not_stored", false, put_failed),
        case(
            "PUT 500, once",
            ("PUT", Answer(500, "InternalError"), 1),
            307,
            "redirected",
            true,
            &["s3_requests{operation=\"put\",code=\"200\""],
        ),
        case("PUT 503 SlowDown, always", ("PUT", Answer(503, "SlowDown"), ALWAYS), 200, "shown_not_stored", false, put_failed),
        case(
            "PUT stored, answer lost, once",
            ("PUT", LosesAnswer, 1),
            307,
            "redirected",
            true,
            &["already_stored+1", "s3_requests{operation=\"put\",code=\"412\"", "s3_requests{operation=\"head\",code=\"200\""],
        ),
    ]
}

async fn assert_case(lab: &Lab, resizer: &Resizer, case: &Case, key: &str, whole: &[u8]) {
    let before = resizer.metrics().await;
    let answer = resizer.get(key).await.unwrap();
    let moved = resizer.moved(&before).await;
    let stored = lab.object(key).await;
    println!(
        "| {} | {}{} | {} | {} |",
        case.name,
        answer.status,
        retry(&answer),
        if stored.is_some() { "whole" } else { "nothing" },
        moved.join(", ")
    );

    assert_eq!(answer.status, case.status, "{}: {moved:?}", case.name);
    for start in case.moved.iter().copied().chain([format!("requests{{outcome=\"{}\"", case.outcome).as_str()]) {
        assert!(moved.iter().any(|metric| metric.starts_with(start)), "{}: {start} did not move: {moved:?}", case.name);
    }
    assert_eq!(stored.as_deref(), case.stored.then_some(whole), "{}", case.name);
    if answer.status == 200 {
        assert_eq!((answer.body.as_slice(), &answer.headers["cache-control"]), (whole, &"no-store".parse().unwrap()), "{}", case.name);
    }
    if answer.status == 503 {
        assert!(answer.headers.contains_key("retry-after"), "{}", case.name);
    }
}

fn retry(answer: &lab::Answer) -> String {
    answer.headers.get("retry-after").map(|after| format!(", Retry-After {}", after.to_str().unwrap())).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_store_has_its_answer_and_its_metric() {
    lab::run(async |lab: &Lab| {
        let proxy = Proxy::start().await;
        let (url, seconds) = (proxy.url(), "2");
        // all of them may be shown: there is no website here to ask
        let published = ("INCLUDE_PREFIXES", "whole,0,1,2,3,4,5,6,7,8,9");
        let resizer = lab.resizer(&[("AWS_ENDPOINT_URL", &url), ("FETCH_SECONDS", seconds), ("STORE_SECONDS", seconds), published]);
        println!("| fault | answer | in the bucket | metrics that moved |\n|---|---|---|---|");
        let original = picture(400, 300, 1);
        lab.upload("whole.jpg", "image/jpeg", original.clone()).await;
        resizer.get("100x100/whole.jpg").await.unwrap();
        let whole = lab.object("100x100/whole.jpg").await.unwrap();
        for (number, case) in cases().iter().enumerate() {
            lab.upload(&format!("{number}.jpg"), "image/jpeg", original.clone()).await;
            if let Some((method, fault, times)) = case.wrong.clone() {
                proxy.fail_times(method, fault, times);
            }
            assert_case(lab, &resizer, case, &format!("100x100/{number}.jpg"), &whole).await;
            proxy.heal();
        }
        // once the store works again, the derivative is made
        let failed = cases().iter().position(|case| case.outcome == "store_failed").unwrap();
        assert_eq!(resizer.get(&format!("100x100/{failed}.jpg")).await.unwrap().status, 307);

        let stranger = lab.resizer(&[("AWS_ACCESS_KEY_ID", "nobody")]);
        let unknown = Case {
            name: "credentials that nobody has",
            wrong: None,
            status: 502,
            outcome: "store_credentials",
            stored: false,
            moved: &["s3_requests{operation=\"get\",code=\"403\""],
        };
        assert_case(lab, &stranger, &unknown, "101x100/whole.jpg", &whole).await;
        lab.delete_bucket().await;
        let moved = &["s3_requests{operation=\"get\",code=\"404\""];
        let gone = Case { name: "the bucket is gone, for real", outcome: "store_failed", moved, ..unknown };
        assert_case(lab, &resizer, &gone, "102x100/whole.jpg", &whole).await;
    })
    .await;
}
