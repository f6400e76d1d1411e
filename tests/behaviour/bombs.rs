//! Pictures that strangers send, in pods with the memory limit that the kubelet sets.

use futures::{StreamExt, stream};
use serde_json::json;

use crate::lab::{self, Lab, picture};

/// How often each picture is asked for, at another size each time.
const TIMES: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn no_picture_restarts_a_pod() {
    lab::run(async |lab: &Lab| {
        let cases = hostile::cases();
        for (number, case) in cases.iter().enumerate() {
            lab.upload(&format!("{number}.jpg"), "image/jpeg", case.bytes.clone()).await;
        }
        // nothing is remembered, so that each request is decoded anew
        let env = json!([{ "name": "NEGATIVE_SECONDS", "value": "0" }]);
        lab.serve(json!({ "allowedResolutions": [], "workload": { "env": env } })).await;
        for (number, case) in cases.iter().enumerate() {
            let urls = (0..TIMES).map(|time| format!("{}?key={}x300/{number}.jpg", lab.resizer(), 300 + time));
            let statuses: Vec<u16> = stream::iter(urls).map(async |url| lab.get(&url).await.status).buffer_unordered(2).collect().await;
            assert_eq!(restarts(lab).await, 0, "{} ended the pod", case.name);
            assert!(statuses.iter().all(|status| *status == case.right || *status == 503), "{}: {statuses:?}", case.name);
            assert!(statuses.contains(&case.right), "{}: {statuses:?}", case.name);
        }
        lab.upload("good.jpg", "image/jpeg", picture(600, 400)).await;
        assert_eq!(lab.get(&format!("{}?key=300x300/good.jpg", lab.resizer())).await.status, 307);
        println!("{} pictures, {TIMES} times each: no restart", cases.len());
    })
    .await;
}

async fn restarts(lab: &Lab) -> i32 {
    let containers = lab.pods().await.into_iter().filter_map(|pod| pod.status?.container_statuses).flatten();
    containers.map(|container| container.restart_count).sum()
}
