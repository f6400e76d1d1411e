//! What is wrong is in the conditions, with what to do.

use aws_sdk_s3::types::{RedirectAllRequestsTo, WebsiteConfiguration};
use k8s_openapi::api::{
    core::v1::{ResourceQuota, Secret},
    events::v1::Event,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::lab::{self, Lab, picture};

#[tokio::test]
async fn a_wrong_image_shows_up_and_no_rule_is_written() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "workload": { "image": "localhost/none:1" } })).await;
        let failing = lab.wait_for_reason(&lab.name, "WorkloadAvailable", "PodsFailing").await;
        assert!(failing.message.contains("ImagePull"), "{failing:?}");
        assert_eq!(lab.wait_for(&lab.name, "Ready", "False").await.reason, "PodsFailing");
        assert_eq!(lab.wait_for(&lab.name, "RoutingRuleApplied", "False").await.reason, "WaitingForWorkload");
        assert_eq!(lab.website().await, None);

        let events: Api<Event> = Api::namespaced(lab.kube.clone(), &lab.name);
        lab.eventually("an Event tells of it", async || {
            let events = events.list(&ListParams::default()).await.unwrap();
            events.iter().any(|event| event.reason.as_deref() == Some("PodsFailing") && event.type_.as_deref() == Some("Warning"))
        })
        .await;
        lab.serve(json!({})).await;
    })
    .await;
}

#[tokio::test]
async fn what_s3_refuses_is_told_and_recovers() {
    lab::run(async |lab: &Lab| {
        lab.delete_bucket().await;
        lab.apply(json!({})).await;
        let gone = lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "BucketNotFound").await;
        assert!(gone.message.contains(&format!("bucket {} does not exist", lab.name)), "{gone:?}");
        lab.create_bucket().await;
        lab.wait_for(&lab.name, "Ready", "True").await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "bucket": { "credentialsSecretRef": { "name": "none" } } })).await;
        let failing = lab.wait_for_reason(&lab.name, "WorkloadAvailable", "PodsFailing").await;
        assert!(failing.message.contains("\"none\" not found"), "{failing:?}");
    })
    .await;
}

#[tokio::test]
async fn a_newline_in_a_secrets_value_is_named() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let secrets: Api<Secret> = Api::namespaced(lab.kube.clone(), &lab.name);
        for (id, secret, named) in
            [("id\n", "secret", "AWS_ACCESS_KEY_ID ends with a newline"), ("id", "secret\n", "AWS_SECRET_ACCESS_KEY ends with a newline")]
        {
            let wrong = json!({ "stringData": { "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret } });
            secrets.patch("s3", &PatchParams::default(), &Patch::Merge(wrong)).await.unwrap();
            lab.nudge(&lab.name).await;
            lab.eventually(named, async || {
                let refused = lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "SecretInvalid").await;
                refused.message.contains(named)
            })
            .await;
        }
        assert_eq!(lab.wait_for(&lab.name, "Ready", "False").await.reason, "SecretInvalid");
        // the rules are removed with the keys that worked last
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, None);
    })
    .await;
}

/// To the owner of a bucket Ceph tells a missing key also where the policy denies reading, so that is not tried here.
#[tokio::test]
async fn pods_that_may_not_store_are_told() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        assert_eq!(lab.wait_for(&lab.name, "OriginalsReadable", "True").await.reason, "PodsCanRead");
        let of = |what: &str| format!("arn:aws:s3:::{}{what}", lab.name);
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": of("") },
            { "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": of("/*") },
            { "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": of("/*") },
        ] });
        lab.s3.put_bucket_policy().bucket(&lab.name).policy(policy.to_string()).send().await.unwrap();
        assert_eq!(lab.visit("300x300/a.jpg").await.last().unwrap().status, 200, "it is shown all the same");
        lab.nudge(&lab.name).await;
        let told = lab.wait_for_reason(&lab.name, "OriginalsReadable", "PodsCannotStore").await;
        assert!(told.status == "True" && told.message.contains("s3:PutObject"), "{told:?}");
        lab.eventually("Ready tells of it", async || lab.wait_for(&lab.name, "Ready", "True").await.message.contains("warning")).await;
    })
    .await;
}

#[tokio::test]
async fn an_ingress_class_that_does_not_exist_is_told() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "ingress": { "className": "none" } })).await;
        lab.wait_for(&lab.name, "Ready", "True").await;
        let told = lab.wait_for_reason(&lab.name, "WorkloadAvailable", "NoAddress").await;
        assert!(told.message.contains("IngressClass none"), "{told:?}");
        let ready = lab.wait_for(&lab.name, "Ready", "True").await;
        assert!(ready.message.contains("no address"), "{ready:?}");
    })
    .await;
}

#[tokio::test]
async fn a_quota_is_told_in_its_words() {
    lab::run(async |lab: &Lab| {
        let quotas: Api<ResourceQuota> = Api::namespaced(lab.kube.clone(), &lab.name);
        let quota =
            serde_json::from_value(json!({ "metadata": { "name": "none" }, "spec": { "hard": { "count/services": "0" } } })).unwrap();
        quotas.create(&PostParams::default(), &quota).await.unwrap();
        lab.eventually("the quota counts", async || quotas.get("none").await.unwrap().status.is_some_and(|status| status.hard.is_some()))
            .await;
        lab.apply(json!({})).await;
        let refused = lab.wait_for_reason(&lab.name, "WorkloadAvailable", "Forbidden").await;
        assert!(refused.message.contains("exceeded quota"), "{refused:?}");
        quotas.delete("none", &DeleteParams::default()).await.unwrap();
        lab.wait_for(&lab.name, "Ready", "True").await;
    })
    .await;
}

#[tokio::test]
async fn what_the_api_server_refuses_of_the_spec_is_told_in_its_words() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "workload": { "tolerations": [{ "key": "a", "operator": "Sometimes" }] } })).await;
        let refused = lab.wait_for_reason(&lab.name, "Accepted", "InvalidSpec").await;
        assert!(refused.message.contains("Sometimes"), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn old_pods_that_serve_beside_a_new_one_that_waits_are_a_rollout() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        lab.apply(json!({ "workload": { "nodeSelector": { "none": "such" } } })).await;
        let rolling = lab.wait_for_reason(&lab.name, "WorkloadAvailable", "RollingOut").await;
        lab.eventually("it says what the new pod waits for", async || {
            lab.wait_for(&lab.name, "WorkloadAvailable", "True").await.message.contains("cannot be scheduled")
        })
        .await;
        assert_eq!(rolling.status, "True");
    })
    .await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "bucket": { "endpoint": "http://198.18.255.1:1" } })).await;
        let failing = lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "S3Unreachable").await;
        assert!(failing.message.contains("bucket.endpoint"), "{failing:?}");
    })
    .await;
}

#[tokio::test]
async fn a_website_that_redirects_everything_is_left_alone() {
    lab::run(async |lab: &Lab| {
        let to = RedirectAllRequestsTo::builder().host_name("www.example.com").build().unwrap();
        lab.put_website(WebsiteConfiguration::builder().redirect_all_requests_to(to).build()).await;
        let before = lab.website().await;
        lab.apply(json!({})).await;
        lab.wait_for_reason(&lab.name, "Ready", "RedirectsAllRequests").await;
        assert_eq!(lab.website().await, before);
    })
    .await;
}

#[tokio::test]
async fn a_variable_of_the_operator_cannot_be_overridden() {
    lab::run(async |lab: &Lab| {
        for name in ["BUCKET", "RESIZE_PATH", "AWS_ENDPOINT_URL_S3"] {
            lab.apply(json!({ "workload": { "env": [{ "name": name, "value": "other" }] } })).await;
            let refused = lab.wait_for(&lab.name, "Accepted", "False").await;
            assert_eq!(refused.reason, "InvalidSpec");
            assert!(refused.message.contains(&format!("spec.workload.env: {name}")), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn pods_follow_the_ports_and_times_that_the_user_gives() {
    lab::run(async |lab: &Lab| {
        let env = json!([
            { "name": "LISTEN", "value": "0.0.0.0:8000" }, { "name": "ADMIN_LISTEN", "value": "0.0.0.0:9000" },
            { "name": "DRAIN_SECONDS", "value": "60" },
        ]);
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({ "workload": { "env": env } })).await;
        assert_eq!(lab.get(&format!("{}?key=300x300/a.jpg", lab.resizer())).await.status, 307);
        let pod = lab.pods().await.remove(0).spec.unwrap();
        assert!(pod.termination_grace_period_seconds > Some(60), "{:?}", pod.termination_grace_period_seconds);
    })
    .await;
}
