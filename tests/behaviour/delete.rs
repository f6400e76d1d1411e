//! Deletion gives the bucket back as it was.

use aws_sdk_s3::types::{Condition, ErrorDocument, IndexDocument, Redirect, RoutingRule, WebsiteConfiguration};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::lab::{self, Lab, picture};

/// A website that somebody else set up.
fn foreign_website() -> WebsiteConfiguration {
    let rule = |prefix: &str, code: Option<&str>, to: &str| {
        RoutingRule::builder()
            .condition(Condition::builder().key_prefix_equals(prefix).set_http_error_code_returned_equals(code.map(Into::into)).build())
            .redirect(Redirect::builder().replace_key_prefix_with(to).build())
            .build()
    };
    WebsiteConfiguration::builder()
        .index_document(IndexDocument::builder().suffix("home.html").build().unwrap())
        .error_document(ErrorDocument::builder().key("sorry.html").build().unwrap())
        .routing_rules(rule("old/", None, "new/"))
        .routing_rules(rule("docs/", Some("404"), "help/"))
        .build()
}

#[tokio::test]
async fn the_website_is_exactly_as_before_and_foreign_rules_survive_everything() {
    lab::run(async |lab: &Lab| {
        lab.put_website(foreign_website()).await;
        let before = lab.website().await.unwrap();
        lab.upload("new/a.html", "text/html", b"new".to_vec()).await;
        lab.upload("a.jpg", "image/jpeg", picture(400, 400)).await;

        lab.serve(json!({})).await;
        lab.serve(json!({ "allowedResolutions": ["300x300", "10x10", "640x0"] })).await;
        lab.serve(json!({ "allowedResolutions": ["10x10"] })).await;
        let during = lab.website().await.unwrap();
        assert_eq!((during.index_document(), during.error_document()), (before.index_document(), before.error_document()));
        assert_eq!(during.routing_rules()[..2], *before.routing_rules());
        assert_eq!(during.routing_rules().len(), 3);
        assert_eq!(lab.visit("old/a.html").await.last().unwrap().body, b"new");
        assert_eq!(lab.visit("10x10/a.jpg").await.len(), 3);

        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await.unwrap(), before);
        let derivative = lab.get(&format!("{}/10x10/a.jpg", lab.site())).await;
        assert_eq!(derivative.status, 200, "deletion leaves pictures alone");
    })
    .await;
}

#[tokio::test]
async fn a_website_that_was_made_goes_again() {
    lab::run(async |lab: &Lab| {
        assert_eq!(lab.website().await, None);
        lab.serve(json!({})).await;
        assert!(lab.website().await.is_some());
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, None);
        lab.eventually("the pods are gone", async || lab.pods().await.is_empty()).await;
    })
    .await;
}

#[tokio::test]
async fn retain_leaves_the_rules() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({ "deletionPolicy": "Retain" })).await;
        let during = lab.website().await;
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, during);
    })
    .await;
}

#[tokio::test]
async fn a_bucket_that_is_gone_does_not_hold_the_object() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        lab.delete_bucket().await;
        lab.delete(&lab.name).await;
    })
    .await;
}

#[tokio::test]
async fn a_spec_that_never_applied_does_not_hold_the_object() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "bucket": { "credentialsSecretRef": { "name": "none" } } })).await;
        lab.wait_for(&lab.name, "Ready", "False").await;
        lab.delete(&lab.name).await;
    })
    .await;
}

#[tokio::test]
async fn refused_credentials_hold_the_object_and_say_how_to_let_it_go() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let during = lab.website().await;
        let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(lab.kube.clone(), &lab.name);
        let wrong = json!({ "stringData": { "AWS_SECRET_ACCESS_KEY": "wrong" } });
        secrets.patch("s3", &PatchParams::default(), &Patch::Merge(wrong)).await.unwrap();

        lab.endpoints().delete(&lab.name, &DeleteParams::default()).await.unwrap();
        let held = lab.wait_for(&lab.name, "RoutingRuleApplied", "False").await;
        assert!(["AccessDenied", "InvalidCredentials"].contains(&held.reason.as_str()), "{held:?}");
        assert!(held.message.contains("set deletionPolicy to Retain"), "{held:?}");

        let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
        lab.endpoints().patch(&lab.name, &PatchParams::default(), &Patch::Merge(retain)).await.unwrap();
        lab.eventually("the endpoint is gone", async || lab.endpoints().get_opt(&lab.name).await.unwrap().is_none()).await;
        assert_eq!(lab.website().await, during);
    })
    .await;
}

/// As with `kubectl delete -f` of one file that holds both, or `helm uninstall` of one chart.
#[tokio::test]
async fn a_secret_that_goes_first_holds_nothing() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(lab.kube.clone(), &lab.name);
        secrets.delete("s3", &DeleteParams::default()).await.unwrap();
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_namespace_goes_whole_and_takes_its_rules_along() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(lab.kube.clone());
        namespaces.delete(&lab.name, &DeleteParams::background()).await.unwrap();
        lab.eventually("the namespace is gone", async || namespaces.get_opt(&lab.name).await.unwrap().is_none()).await;
        assert_eq!(lab.website().await, None);
    })
    .await;
}
