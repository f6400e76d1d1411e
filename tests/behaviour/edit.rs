//! Changes of the spec.

use aws_sdk_s3::types::WebsiteConfiguration;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use serde_json::json;

use crate::lab::{self, Lab, picture, size};

fn prefixes(website: &WebsiteConfiguration) -> Vec<&str> {
    website.routing_rules().iter().map(|rule| rule.condition().unwrap().key_prefix_equals().unwrap_or_default()).collect()
}

#[tokio::test]
async fn allowed_resolutions_change_rules_and_pods() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        assert_eq!(prefixes(&lab.website().await.unwrap()), ["300x300/", "640x0/"]);

        lab.serve(json!({ "allowedResolutions": ["640x0", "0x120"] })).await;
        assert_eq!(prefixes(&lab.website().await.unwrap()), ["0x120/", "640x0/"]);
        let answers = lab.visit("0x120/a.jpg").await;
        assert_eq!(size(&answers.last().unwrap().body), (160, 120));
        assert_eq!(lab.get(&format!("{}?key=300x300/a.jpg", lab.resizer())).await.status, 403);

        lab.serve(json!({ "allowedResolutions": [] })).await;
        assert_eq!(prefixes(&lab.website().await.unwrap()), [""]);
        assert_eq!(lab.wait_for(&lab.name, "Ready", "True").await.reason, "ServingEverySize");
        assert_eq!(size(&lab.visit("33x44/a.jpg").await.last().unwrap().body), (33, 44));
    })
    .await;
}

#[tokio::test]
async fn an_ingress_that_is_no_longer_wanted_goes() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let ingresses: Api<Ingress> = Api::namespaced(lab.kube.clone(), &lab.name);
        let name = format!("{}-resizer", lab.name);
        assert!(ingresses.get_opt(&name).await.unwrap().is_some());

        let mut spec = lab.spec(json!({}));
        spec.as_object_mut().unwrap().remove("ingress");
        spec.as_object_mut().unwrap().remove("routing");
        lab.try_apply(&lab.name, spec).await.unwrap();
        lab.wait_for(&lab.name, "Ready", "True").await;
        assert!(ingresses.get_opt(&name).await.unwrap().is_none());
        let status = lab.endpoints().get(&lab.name).await.unwrap().status.unwrap();
        assert_eq!(status.redirect_url, Some(format!("http://{name}.{}.svc/default/resize?key=", lab.name)));
    })
    .await;
}

#[tokio::test]
async fn observe_writes_nothing_and_shows_the_rules() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "routing": { "management": "Observe" } })).await;
        let waiting = lab.wait_for(&lab.name, "RoutingRuleApplied", "False").await;
        assert_eq!(waiting.reason, "WaitingForExternalWriter");
        assert_eq!(lab.website().await, None);
        assert_eq!(lab.endpoints().get(&lab.name).await.unwrap().status.unwrap().routing_rules.len(), 2);

        // the operator writes them once, then hands over
        lab.serve(json!({ "routing": { "management": "Merge" } })).await;
        let written = lab.website().await;
        lab.serve(json!({ "routing": { "management": "Observe" } })).await;
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, written, "Observe took rules out");
    })
    .await;
}

#[tokio::test]
async fn observe_orphans_no_rule_that_merge_wrote() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        lab.apply(json!({ "routing": { "management": "Observe" }, "allowedResolutions": ["10x10"] })).await;
        lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "WaitingForExternalWriter").await;
        lab.serve(json!({ "routing": { "management": "Merge" }, "allowedResolutions": ["10x10"] })).await;
        assert_eq!(prefixes(&lab.website().await.unwrap()), ["10x10/"]);
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_suspended_endpoint_is_kept_as_it_is() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let before = lab.website().await;
        lab.apply(json!({ "suspend": true, "allowedResolutions": ["10x10"] })).await;
        lab.wait_for_reason(&lab.name, "Ready", "Suspended").await;
        // what was said last is still said
        assert_eq!(lab.wait_for(&lab.name, "Ready", "True").await.reason, "Suspended");
        let status = lab.endpoints().get(&lab.name).await.unwrap().status.unwrap();
        let routing = status.conditions.iter().find(|condition| condition.type_ == "RoutingRuleApplied").unwrap();
        assert_eq!((routing.status.as_str(), routing.reason.as_str()), ("True", "RulesApplied"));
        assert_eq!(lab.website().await, before);
        lab.serve(json!({ "suspend": false, "allowedResolutions": ["10x10"] })).await;
        assert_eq!(prefixes(&lab.website().await.unwrap()), ["10x10/"]);
    })
    .await;
}
