//! A Prometheus that scrapes both programs: the chart's dashboards show something, its alerts fire when things are broken on purpose, and
//! are quiet when they are mended.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    chart::dashboards::queries,
    lab::{self, Lab, Release, picture, prometheus::Prometheus, s3},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_fires_and_what_is_mended_is_quiet() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            release.install(&[]).await;
            let Some(prometheus) = Prometheus::start(lab).await else { return };
            lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
            lab.serve(json!({})).await;
            lab.visit("300x300/a.jpg").await;
            for job in ["operator", "resizers"] {
                let up = format!("up{{job=\"{job}\"}} == 1");
                lab.eventually(&format!("it scrapes {job}"), async || !prometheus.query(lab, &up).await.unwrap().is_empty()).await;
            }
            prometheus.is_quiet(lab).await;
            what_dashboards_ask_for(lab, &prometheus).await;
            without_a_bucket(lab, &prometheus).await;
            with_wrong_keys(lab, &prometheus).await;
            with_a_store_that_takes_nothing(lab, &prometheus).await;
            without_an_operator(lab, &prometheus).await;
        })
        .await;
    })
    .await;
}

/// Parts of queries that show nothing where all is well, or was never swept.
const SILENT: [&str; 13] = [
    NOT_TRUE,
    FALSE,
    FAILED_CALLS,
    FAILED_REQUESTS,
    "outcome!=\"done\"",
    "deletion_timestamp",
    "last_complete_sweep",
    "stale_after",
    "last_sweep",
    "given_up",
    "rejected_sources",
    "events_total",
    "event_age",
];
/// Those of them that show something when what is tried here is broken.
const NOT_TRUE: &str = "status!=\"True\"";
const FALSE: &str = "status=\"False\"";
const FAILED_CALLS: &str = "code!~";
const FAILED_REQUESTS: &str = "store_.*";

/// Every query of the dashboards, without what stands in for an answer that is empty.
fn asked(lab: &Lab) -> Vec<String> {
    let set =
        [("$__rate_interval", "20s"), ("$namespace", &*lab.name), ("${name}", &lab.name), ("$name", &lab.name), (" or vector(0)", "")];
    let fill = |query: String| set.iter().fold(query, |query, (variable, value)| query.replace(variable, value));
    queries().into_iter().map(fill).collect()
}

/// Those of `queries` that have no answer.
async fn silent<'a>(lab: &Lab, prometheus: &Prometheus, queries: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut empty = Vec::new();
    for query in queries {
        if prometheus.query(lab, query).await.unwrap_or_else(|error| panic!("{query}: {error}")).is_empty() {
            empty.push(query);
        }
    }
    empty
}

/// Every query of the dashboards is understood, and has an answer where there is something to tell.
async fn what_dashboards_ask_for(lab: &Lab, prometheus: &Prometheus) {
    let queries = asked(lab);
    assert!(queries.len() > 50, "{}", queries.len());
    for number in 0.. {
        // something to count
        lab.upload(&format!("d{number}.jpg"), "image/jpeg", picture(400, 300)).await;
        lab.visit(&format!("300x300/d{number}.jpg")).await;
        lab.nudge(&lab.name).await;
        let mut empty = silent(lab, prometheus, queries.iter()).await;
        empty.retain(|query| !SILENT.iter().any(|part| query.contains(part)));
        if empty.is_empty() {
            break;
        }
        assert!(number < 60, "no answer to {empty:#?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Every query of the dashboards with this part has an answer, now that something is broken, and pictures are asked for.
async fn dashboards_show(lab: &Lab, prometheus: &Prometheus, part: &str) {
    let queries = asked(lab);
    let with_it = || queries.iter().filter(|query| query.contains(part));
    assert!(with_it().count() > 0, "{part}");
    lab.eventually(&format!("dashboards show {part}"), async || {
        lab.get(&format!("{}?key=300x300/a.jpg", lab.resizer())).await;
        silent(lab, prometheus, with_it()).await.is_empty()
    })
    .await;
}

async fn without_a_bucket(lab: &Lab, prometheus: &Prometheus) {
    lab.delete_bucket().await;
    lab.nudge(&lab.name).await;
    let alert = prometheus.fires(lab, "ResizeEndpointNotReady").await;
    assert_eq!((&alert["namespace"], &alert["name"], &alert["reason"]), (&json!(lab.name), &json!(lab.name), &json!("BucketNotFound")));
    for part in [NOT_TRUE, FALSE, FAILED_REQUESTS] {
        dashboards_show(lab, prometheus, part).await;
    }
    lab.create_bucket().await;
    // what the pods read tells them at once that it is there again
    lab.upload("b.jpg", "image/jpeg", picture(400, 300)).await;
    lab.get(&format!("{}?key=300x300/b.jpg", lab.resizer())).await;
    lab.nudge(&lab.name).await;
    prometheus.is_quiet(lab).await;
}

async fn with_wrong_keys(lab: &Lab, prometheus: &Prometheus) {
    let secrets: Api<Secret> = Api::namespaced(lab.kube.clone(), &lab.name);
    let key = async |key: &str| {
        let change = json!({ "stringData": { "AWS_SECRET_ACCESS_KEY": key } });
        secrets.patch("s3", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    };
    key("wrong").await;
    lab.eventually("the operator's calls to S3 fail, and that fires", async || {
        lab.nudge(&lab.name).await;
        !prometheus.firing(lab, "ResizeOperatorS3Errors").await.is_empty()
    })
    .await;
    prometheus.fires(lab, "ResizeEndpointNotReady").await;
    dashboards_show(lab, prometheus, FAILED_CALLS).await;
    key(s3::KEY).await;
    lab.wait_for(&lab.name, "Ready", "True").await;
    prometheus.is_quiet(lab).await;
}

async fn with_a_store_that_takes_nothing(lab: &Lab, prometheus: &Prometheus) {
    let everything = format!("arn:aws:s3:::{}/*", lab.name);
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": everything },
        { "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [everything, format!("arn:aws:s3:::{}", lab.name)] },
    ]});
    for number in 0..10 {
        lab.upload(&format!("{number}.jpg"), "image/jpeg", picture(400, 300)).await;
    }
    lab.s3.put_bucket_policy().bucket(&lab.name).policy(policy.to_string()).send().await.unwrap();
    let mut number = 0;
    lab.eventually("what cannot be stored fires", async || {
        lab.get(&format!("{}?key=300x300/{number}.jpg", lab.resizer())).await;
        number = (number + 1) % 10;
        !prometheus.firing(lab, "ResizerStoreFailures").await.is_empty()
    })
    .await;
    lab.create_policy().await;
    prometheus.is_quiet(lab).await;
}

async fn without_an_operator(lab: &Lab, prometheus: &Prometheus) {
    let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), &lab.name);
    let of_operator = ListParams::default().labels("app.kubernetes.io/name=resize-operator");
    let name = deployments.list(&of_operator).await.unwrap().items.pop().unwrap().metadata.name.unwrap();
    let scale = async |replicas: i32| {
        let change = json!({ "spec": { "replicas": replicas } });
        deployments.patch(&name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    };
    scale(0).await;
    prometheus.fires(lab, "ResizeOperatorNoLeader").await;
    scale(1).await;
    prometheus.is_quiet(lab).await;
}
