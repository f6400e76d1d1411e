//! Pods are replaced while visitors ask.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;

use crate::lab::{self, Lab, picture};

const VISITORS: usize = 6;
const ANNOTATION: &str = "example.com/generation";

/// Waits until all pods are of `generation`, and none that ends is left.
async fn rolled_out(lab: &Lab, generation: &str) {
    let pods: Api<Pod> = Api::namespaced(lab.kube.clone(), &lab.name);
    lab.eventually("every pod is replaced and ready", async || {
        let pods = pods.list(&ListParams::default().labels("app.kubernetes.io/name=resizer")).await.unwrap();
        pods.items.len() == 2 && pods.iter().all(|pod| pod.annotations().get(ANNOTATION).is_some_and(|found| found == generation))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_fails_no_request() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(400, 300)).await;
        // every size, so that every request is for a picture that has to be made
        let spec = |generation: &str| json!({ "allowedResolutions": [], "workload": { "replicas": 2, "podAnnotations": { ANNOTATION: generation } } });
        lab.serve(spec("0")).await;
        rolled_out(lab, "0").await;

        let (next, done) = (AtomicU32::new(0), AtomicBool::new(false));
        let visit = async || {
            let mut seen = BTreeMap::<String, u32>::new();
            while !done.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let url = format!("{}?key={}x{}/a.jpg", lab.resizer(), 20 + number % 200, 20 + number / 200);
                let outcome = lab.try_get(&url).await.map_or_else(|error| format!("{error:?}"), |status| status.to_string());
                *seen.entry(outcome).or_default() += 1;
            }
            seen
        };
        let update = async {
            for generation in ["1", "2"] {
                lab.apply(spec(generation)).await;
                rolled_out(lab, generation).await;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            done.store(true, Ordering::Relaxed);
        };
        let (seen, ()) = futures::join!(join_all((0..VISITORS).map(|_| visit())), update);
        let mut all = BTreeMap::<String, u32>::new();
        for (outcome, count) in seen.into_iter().flatten() {
            *all.entry(outcome).or_default() += count;
        }
        println!("answers during two rolling updates: {all:?}");
        let asked: u32 = all.values().sum();
        assert!(asked > 100, "{all:?}");
        assert_eq!(all.get("307"), Some(&asked), "{all:?}");
    })
    .await;
}
