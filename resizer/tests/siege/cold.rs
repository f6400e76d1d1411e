//! Many visitors at once for a picture that is not there yet.

use std::{path::PathBuf, time::Duration};

use futures::{FutureExt, future::join_all};
use tokio::time::timeout;

use crate::{
    lab::{self, Lab, picture, s3},
    proxy::{Fault, Proxy},
};

const VISITORS: u32 = 200;
/// What one picture costs beside a look where it goes.
const CALLS: [&str; 4] = ["PUT cat.jpg 200", "GET cat.jpg 200", "PUT 300x300/cat.jpg 200", "HEAD cat.jpg 200"];
const PATIENCE: Duration = Duration::from_mins(1);

/// The gateway's own log of every request.
fn access_log() -> PathBuf {
    s3::state().join("log/client.rgw.ceph.log")
}

/// Lines of the log for objects in `bucket`, such as `GET cat.jpg 200`.
fn logged(bucket: &str) -> Vec<String> {
    let log = std::fs::read(access_log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let requests = log.lines().filter(|line| line.contains("beast:")).filter_map(|line| line.split('"').nth(1).zip(line.split('"').nth(2)));
    let ours = requests.filter_map(|(request, rest)| {
        let (method, path) = request.split_once(' ')?;
        let key = path.strip_prefix(&format!("/{bucket}/"))?.split([' ', '?']).next()?;
        (!key.is_empty()).then_some(format!("{method} {key} {}", rest.split_whitespace().next()?))
    });
    ours.collect()
}

/// What `look` finds, once it does.
async fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, found).await.expect("it comes in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_visitors_of_a_cold_key_cost_one_get_one_decode_and_one_put() {
    lab::run(async |lab: &Lab| {
        lab.upload("cat.jpg", "image/jpeg", picture(3000, 2000, 1)).await;
        // the store holds its answer until all requests are there: a later one would find the derivative in the bucket
        let proxy = Proxy::start().await;
        proxy.fail("GET", Fault::Held);
        let resizer = lab.resizer(&[("AWS_ENDPOINT_URL", &proxy.url()), ("FETCH_SECONDS", "120"), ("REQUEST_SECONDS", "120")]);
        let all_there = async {
            while resizer.metrics().await["resizer_in_flight_requests"] < f64::from(VISITORS) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            proxy.release();
        };
        let visits = join_all((0..VISITORS).map(|_| resizer.get("300x300/cat.jpg")));
        let (answers, ()) = futures::join!(visits, timeout(PATIENCE, all_there).map(|there| there.expect("all of them get in")));
        for answer in answers {
            assert_eq!(answer.unwrap().status, 307);
        }

        let metrics = resizer.metrics().await;
        assert!((metrics["resizer_stage_duration_seconds_count{stage=\"decode\"}"] - 1.0).abs() < 0.1);
        // one line in our own log for each, of which one did the work
        let lines = eventually(|| Some(resizer.lines()).filter(|lines| lines.len() >= VISITORS as usize)).await;
        assert_eq!(lines.iter().filter(|line| line["coalesced"] == false).count(), 1);
        assert!(lines.iter().all(|line| line["key"] == "300x300/cat.jpg" && line["outcome"] == "redirected" && line["decode_ms"].is_u64()));
        // the gateway writes its log a little later
        eventually(|| logged(&lab.bucket).iter().any(|line| line.starts_with("PUT 300x300")).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut seen = logged(&lab.bucket);
        seen.retain(|line| !line.contains("self-check"));
        // the derivative is looked at while the original is held
        let looks = seen.extract_if(.., |line| line.starts_with("HEAD 300x300")).collect::<Vec<_>>();
        assert_eq!((looks, seen.as_slice()), (vec!["HEAD 300x300/cat.jpg 404".to_owned()], &CALLS.map(ToOwned::to_owned)[..]));
        println!("{VISITORS} requests at once; the S3's access log: {seen:?}");
    })
    .await;
}
