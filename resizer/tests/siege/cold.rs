//! Many visitors at once for a picture that is not there yet.

use std::{path::PathBuf, time::Duration};

use futures::future::join_all;

use crate::{
    lab::{self, Lab, picture},
    proxy::{Fault, Proxy},
};

const VISITORS: usize = 200;

/// The gateway's own log of every request.
fn access_log() -> PathBuf {
    lab::s3_state().join("log/client.rgw.ceph.log")
}

/// Lines of the log for requests in `bucket`, such as `GET cat.jpg 200`.
fn logged(bucket: &str) -> Vec<String> {
    let log = std::fs::read(access_log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let requests = log.lines().filter(|line| line.contains("beast:")).filter_map(|line| line.split('"').nth(1).zip(line.split('"').nth(2)));
    let ours = requests.filter_map(|(request, rest)| {
        let (method, path) = request.split_once(' ')?;
        let key = path.strip_prefix(&format!("/{bucket}/"))?.split([' ', '?']).next()?;
        Some(format!("{method} {key} {}", rest.split_whitespace().next()?))
    });
    ours.filter(|request| !request.contains("/ ") && !request.starts_with("GET  ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_visitors_of_a_cold_key_cost_one_get_one_decode_and_one_put() {
    lab::run(async |lab: &Lab| {
        lab.upload("cat.jpg", "image/jpeg", picture(3000, 2000, 1)).await;
        let uploads = logged(&lab.bucket).len();
        // slow enough that all of them are there before the first one is served: who comes later finds the picture in the bucket
        let proxy = Proxy::start().await;
        proxy.fail("GET", Fault::Slow(Duration::from_secs(3)));
        let resizer = lab.resizer(&[("AWS_ENDPOINT_URL", &proxy.url())]);
        let answers = join_all((0..VISITORS).map(|_| resizer.get("300x300/cat.jpg"))).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().status == 307));

        let metrics = resizer.metrics().await;
        assert!((metrics["resizer_stage_duration_seconds_count{stage=\"decode\"}"] - 1.0).abs() < 0.1);
        // one line in our own log for each, of which one did the work
        while resizer.lines().len() < VISITORS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let lines = resizer.lines();
        assert_eq!(lines.iter().filter(|line| line["coalesced"] == false).count(), 1);
        assert!(lines.iter().all(|line| line["key"] == "300x300/cat.jpg" && line["outcome"] == "redirected" && line["decode_ms"].is_u64()));
        // the gateway writes its log a little later
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen = logged(&lab.bucket).split_off(uploads);
            if seen.len() >= 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(seen, ["GET cat.jpg 200", "PUT 300x300/cat.jpg 200"]);
        assert_eq!(logged(&lab.bucket).len(), uploads + 2);
        println!("{VISITORS} requests at once; the S3's access log: {seen:?}");
    })
    .await;
}
