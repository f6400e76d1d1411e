//! The store goes before the endpoint.

use k8s_openapi::api::{
    core::v1::{Event, Namespace, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::lab::{self, Forwarder, HOST, Lab, Release};

/// Whether `namespace` has an Event that tells of a cleanup that was given up for this lab's endpoint.
async fn is_given_up(lab: &Lab, namespace: &str) -> bool {
    let events: Api<Event> = Api::namespaced(lab.kube.clone(), namespace);
    let events = events.list(&ListParams::default().fields("reason=CleanupGivenUp")).await.unwrap();
    events.iter().any(|event| event.message.as_ref().is_some_and(|message| message.contains(&format!("ResizeEndpoint {} ", lab.name))))
}

async fn delete_namespace(lab: &Lab) {
    Api::<Namespace>::all(lab.kube.clone()).delete(&lab.name, &DeleteParams::background()).await.unwrap();
}

async fn namespace_goes(lab: &Lab) {
    let namespaces: Api<Namespace> = Api::all(lab.kube.clone());
    lab.eventually("the namespace is gone", async || namespaces.get_opt(&lab.name).await.unwrap().is_none()).await;
}

/// A Service of the lab's namespace that leads to `store`: its URL.
async fn service(lab: &Lab, store: &Forwarder) -> String {
    let port = store.address.port();
    let service: Service =
        serde_json::from_value(json!({ "metadata": { "name": "store" }, "spec": { "ports": [{ "port": port }] } })).unwrap();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": { "name": "store", "labels": { "kubernetes.io/service-name": "store" } },
        "addressType": "IPv4", "ports": [{ "port": port }], "endpoints": [{ "addresses": [HOST] }],
    }))
    .unwrap();
    Api::namespaced(lab.kube.clone(), &lab.name).create(&PostParams::default(), &service).await.unwrap();
    Api::namespaced(lab.kube.clone(), &lab.name).create(&PostParams::default(), &slice).await.unwrap();
    format!("http://store.{}.svc:{port}", lab.name)
}

#[tokio::test]
async fn one_of_the_same_namespace_goes_with_it_and_holds_nothing() {
    lab::run(async |lab: &Lab| {
        lab.allow_everybody(&["s3:GetObject", "s3:ListBucket", "s3:GetBucketWebsite", "s3:PutBucketWebsite", "s3:DeleteBucketWebsite"])
            .await;
        let store = Forwarder::anonymous().await;
        let url = service(lab, &store).await;
        lab.serve(json!({ "bucket": { "endpoint": url } })).await;
        let rules = lab.website().await;
        drop(store);
        delete_namespace(lab).await;
        namespace_goes(lab).await;
        assert_eq!(lab.website().await, rules);
        // that of the namespace itself, for nothing can be made in it any more
        lab.eventually("an Event tells of it", async || is_given_up(lab, "default").await).await;
    })
    .await;
}

#[tokio::test]
async fn one_from_elsewhere_holds_the_endpoint_until_its_rules_may_stay() {
    lab::run(async |lab: &Lab| {
        let store = Forwarder::new(0).await;
        lab.serve(json!({ "bucket": { "endpoint": format!("http://{}", store.address) } })).await;
        let rules = lab.website().await;
        drop(store);
        delete_namespace(lab).await;
        lab.eventually("it is held, and says how to let it go", async || {
            let held = lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "S3Unreachable").await;
            held.message.contains("cannot take the routing rules out of the bucket")
                && held.message.contains("set deletionPolicy to Retain")
        })
        .await;
        let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
        lab.endpoints().patch(&lab.name, &PatchParams::default(), &Patch::Merge(retain)).await.unwrap();
        namespace_goes(lab).await;
        assert_eq!(lab.website().await, rules);
    })
    .await;
}

#[tokio::test]
async fn a_deadline_lets_the_endpoint_go() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            release.install(&["--set", "cleanup.deadline=10"]).await;
            let store = Forwarder::new(0).await;
            lab.serve(json!({ "bucket": { "endpoint": format!("http://{}", store.address) } })).await;
            let rules = lab.website().await;
            drop(store);
            lab.endpoints().delete(&lab.name, &DeleteParams::default()).await.unwrap();
            lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "S3Unreachable").await;
            lab.eventually("the endpoint is gone", async || lab.endpoints().get_opt(&lab.name).await.unwrap().is_none()).await;
            assert_eq!(lab.website().await, rules);
            lab.eventually("an Event tells of it", async || is_given_up(lab, &lab.name).await).await;
        })
        .await;
    })
    .await;
}
