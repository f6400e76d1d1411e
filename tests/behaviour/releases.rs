//! Several releases of the operator in one cluster, and what is there between two of them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::DeleteParams};
use serde_json::json;

use crate::lab::{
    self, Lab, Release,
    identity::{AMBIENT, KEYS, OWN, without_secret},
    picture, size,
};

async fn definition(lab: &Lab) -> CustomResourceDefinition {
    Api::all(lab.kube.clone()).get("resizeendpoints.resize-operator.dev").await.unwrap()
}

#[tokio::test]
async fn two_of_one_name_keep_their_namespaces_and_one_goes_without_the_other() {
    lab::run(async |a: &Lab| {
        lab::run(async |b: &Lab| {
            Release::beside(a, async |first: &Release| {
                Release::beside(b, async |second: &Release| {
                    // which is a label of the chart's own
                    let label = ["--set", r"podLabels.app\.kubernetes\.io/name=mine"];
                    futures::join!(first.install(&[]), second.install(&label));
                    a.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
                    futures::join!(a.serve(json!({})), b.serve(json!({})));
                    assert_eq!(size(&a.visit("300x300/a.jpg").await.last().unwrap().body), (300, 300));

                    a.delete(&a.name).await;
                    first.uninstall().await;
                    b.serve(json!({ "allowedResolutions": ["10x10"] })).await;
                    assert_eq!(b.website().await.unwrap().routing_rules().len(), 1);

                    first.install(&[]).await;
                    a.serve(json!({})).await;
                    a.delete(&a.name).await;
                    b.delete(&b.name).await;
                    assert_eq!((a.website().await, b.website().await), (None, None));
                })
                .await;
            })
            .await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_definition_is_its_first_releases_until_another_one_takes_it_over() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            let owner = async || definition(lab).await.metadata.annotations.unwrap()["meta.helm.sh/release-namespace"].clone();
            let before = owner().await;
            let refused = release.would_install(&[]).await.unwrap_err();
            assert!(refused.contains("resizeendpoints.resize-operator.dev") && refused.contains("ownership"), "{refused}");
            release.would_install(&["--take-ownership"]).await.unwrap();

            release.install(&[]).await;
            release.test().await.unwrap();
            release.uninstall().await;
            let after = definition(lab).await.metadata;
            assert_eq!((owner().await, after.deletion_timestamp), (before, None));
            assert_eq!(after.annotations.unwrap()["helm.sh/resource-policy"], "keep");
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_whose_operator_went_first_waits_for_the_next_one() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            // by an identity of its own, with which no other operator can take the rules out
            let values = [&AMBIENT[..], &["--set-json", KEYS]].concat();
            release.install(&values).await;
            lab.serve(without_secret(OWN)).await;
            let rules = lab.website().await;

            release.uninstall().await;
            lab.endpoints().delete(&lab.name, &DeleteParams::default()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            let endpoint = lab.endpoints().get(&lab.name).await.unwrap();
            assert!(endpoint.metadata.deletion_timestamp.is_some() && endpoint.metadata.finalizers.is_some_and(|list| !list.is_empty()));
            assert_eq!(lab.website().await, rules);

            release.install(&values).await;
            lab.eventually("the endpoint is gone", async || lab.endpoints().get_opt(&lab.name).await.unwrap().is_none()).await;
            assert_eq!(lab.website().await, None);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_default_store_that_moves_leaves_the_rules_where_they_are_until_the_endpoint_says_so() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            let at = |endpoint: &str| format!("s3.endpoint={endpoint}");
            let (old, new) = (at("http://198.18.255.1:7480"), at("http://s3.localhost:7480"));
            let common = ["--set", "s3.forcePathStyle=true", "--set", "s3.region=us-east-1", "--set"];
            release.install(&[&common[..], &[&old]].concat()).await;
            lab.serve(json!({ "bucket": { "endpoint": null } })).await;
            let rules = lab.website().await;

            release.install(&[&common[..], &[&new]].concat()).await;
            let refused = lab.wait_for_reason(&lab.name, "Accepted", "StoreChanged").await;
            assert!(refused.message.contains("bucket.endpoint"), "{refused:?}");
            assert_eq!(lab.website().await, rules);

            lab.serve(json!({ "bucket": { "endpoint": "http://s3.localhost:7480" } })).await;
            let store = lab.endpoints().get(&lab.name).await.unwrap().status.unwrap().store.unwrap();
            assert_eq!(store.endpoint.as_deref(), Some("http://s3.localhost:7480"));
            lab.delete(&lab.name).await;
            assert_eq!(lab.website().await, None);
        })
        .await;
    })
    .await;
}
