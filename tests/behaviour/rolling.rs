//! Pods are replaced while visitors ask.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;

use crate::lab::{self, Lab, picture};

const ANNOTATION: &str = "example.com/generation";

/// Waits until all pods are of `generation`, and none that ends is left.
async fn rolled_out(lab: &Lab, generation: &str) {
    let pods: Api<Pod> = Api::namespaced(lab.kube.clone(), &lab.name);
    lab.eventually("every pod is replaced", async || {
        let pods = pods.list(&ListParams::default().labels("resize-operator.dev/endpoint")).await.unwrap();
        pods.items.len() == 2 && pods.iter().all(|pod| pod.annotations().get(ANNOTATION).is_some_and(|found| found == generation))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_fails_no_request() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(400, 300)).await;
        let spec = |generation: &str| json!({ "allowedResolutions": [], "workload": { "replicas": 2, "podAnnotations": { ANNOTATION: generation } } });
        lab.serve(spec("0")).await;
        rolled_out(lab, "0").await;
        let updates = async {
            for generation in ["1", "2"] {
                lab.apply(spec(generation)).await;
                rolled_out(lab, generation).await;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        let answers = lab.under_load("a.jpg", updates).await;
        println!("answers during two rolling updates: {answers:?}");
        let asked: u32 = answers.values().sum();
        assert!(asked > 100, "{answers:?}");
        assert_eq!(answers.get("307"), Some(&asked), "{answers:?}");
    })
    .await;
}
