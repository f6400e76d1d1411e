//! What those who may write ResizeEndpoints try with the operator, its identity, and each other's buckets.

use std::{sync::Arc, time::Duration};

use http::Method;
use kube::runtime::{controller::Action, reflector, watcher};
use resize_api::condition::Reason;
use serde_json::json;

use crate::{
    config::{AmbientCredentials, ClaimSettings, Config, OutboundSettings},
    testing::{
        fake::Fake,
        fixtures::{claims, config},
        store::Site,
    },
    watch::{Scope, Scopes, children::Children},
};

fn calls(fake: &Fake, method: &Method, name: &str) -> usize {
    fake.store.lock().unwrap().calls.iter().filter(|(called, of, _)| called == method && of == name).count()
}

#[tokio::test]
async fn the_operators_own_identity_is_for_nobody_who_just_names_a_bucket() {
    let closed = Config { claims: ClaimSettings { ambient_credentials: AmbientCredentials::Listed, ..claims() }, ..config() };
    let fake = Fake::new(closed, |resource| resource.spec.bucket.public_read = true).await;
    fake.settle().await;
    let (status, reason, message) = fake.condition("Accepted");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "BucketNotAllowed"));
    assert!(message.contains("bucket.credentialsSecretRef"), "{message}");
    assert_eq!(fake.store.lock().unwrap().calls, Vec::new());
    assert!(!fake.cluster.lock().unwrap().calls.iter().any(|(_, path)| path.contains("/deployments/")), "it has no pods either");
}

#[tokio::test]
async fn the_operators_own_identity_goes_to_no_store_that_its_owner_did_not_name() {
    let fake = Fake::new(config(), |resource| {
        let url = resource.spec.bucket.endpoint.take().unwrap();
        resource.spec.bucket.endpoint = Some(url.replace("127.0.0.1", "localhost"));
    })
    .await;
    fake.settle().await;
    let (_, reason, message) = fake.condition("Accepted");
    assert_eq!(reason, "BucketNotAllowed");
    assert!(message.contains("is not among s3.allowedEndpoints"), "{message}");
    assert_eq!(fake.store.lock().unwrap().calls, Vec::new());
}

#[tokio::test]
async fn nobody_opens_a_bucket_to_everybody_unless_the_operators_owner_lets_them() {
    let closed = Config { claims: ClaimSettings { public_read: false, ..claims() }, ..config() };
    let fake = Fake::new(closed, |resource| resource.spec.bucket.public_read = true).await;
    fake.settle().await;
    let (_, reason, message) = fake.condition("Accepted");
    assert_eq!(reason, "BucketNotAllowed");
    assert!(message.contains("claims.publicRead"), "{message}");
    assert_eq!(fake.config("policy"), None);
}

#[tokio::test]
async fn a_bucket_is_opened_only_when_pods_serve_and_by_nobody_who_lost_it() {
    let fake = Fake::new(config(), |resource| resource.spec.bucket.public_read = true).await;
    fake.cluster.lock().unwrap().deployment = Some(json!({}));
    fake.settle().await;
    assert_eq!(fake.config("policy"), None, "no pod serves");
    let mut other = fake.resource().unwrap();
    (other.metadata.namespace, other.metadata.uid) = (Some("other".into()), Some("older".into()));
    other.metadata.creation_timestamp = Some(crate::testing::fixtures::time("2025-01-01T00:00:00Z"));
    fake.context.claims.put(&other);
    fake.cluster.lock().unwrap().deployment = None;
    fake.settle().await;
    assert_eq!(fake.condition("Accepted").1, "BucketClaimed");
    assert_eq!(fake.config("policy"), None, "it is another one's");
    fake.context.claims.remove("older");
    fake.settle().await;
    assert!(fake.config("policy").unwrap().contains("ResizeOperatorPublicRead"));
    assert_eq!(fake.condition("Ready").1, "Serving");
}

/// The address of a service that has something to hide.
#[tokio::test]
async fn of_what_another_service_answers_only_status_and_type_are_told() {
    const SECRET: &[u8] = b"<html><body>password=hunter2";
    for (status, kind) in [(200, "text/html"), (404, "text/plain"), (400, "application/json")] {
        let fake = Fake::new(config(), |_| ()).await;
        fake.store.lock().unwrap().other = Some((status, kind, SECRET));
        fake.settle().await;
        let (_, reason, message) = fake.condition("RoutingRuleApplied");
        assert_eq!(reason, Reason::S3Error.to_string(), "{message}");
        assert!(message.contains(&format!("answers something that is no S3 (status {status}, {kind})")), "{message}");
        let told = serde_json::to_string(&fake.resource().unwrap()).unwrap();
        assert!(!told.contains("hunter2") && !told.contains("html>"), "{told}");
    }
    // as an error of S3: one line of it, and no more than a line
    let fake = Fake::new(config(), |_| ()).await;
    let long = format!("<Error><Code>Odd</Code><Message>{}\nhunter2</Message></Error>", "a".repeat(40_000));
    fake.store.lock().unwrap().other = Some((400, "application/xml", long.leak().as_bytes()));
    fake.settle().await;
    let (_, _, message) = fake.condition("RoutingRuleApplied");
    assert!(message.len() < 300 && message.contains(": 400 Odd: aaa"), "{message}");
}

#[tokio::test]
async fn an_endless_answer_is_read_to_a_bound() {
    const PART: &[u8] = &[b'<'; 1 << 16];
    for (status, kind) in [(200, "text/html"), (200, "application/xml"), (404, "application/xml")] {
        let fake = Fake::new(config(), |_| ()).await;
        {
            let mut store = fake.store.lock().unwrap();
            (store.other, store.endless) = (Some((status, kind, PART)), true);
        }
        fake.settle().await;
        let (_, reason, message) = fake.condition("RoutingRuleApplied");
        assert_eq!(reason, Reason::S3Error.to_string(), "{message}");
        assert!(message.contains("more than 1048576 bytes"), "{status} {kind}: {message}");
    }
}

#[tokio::test]
async fn nobody_sends_the_operator_to_an_address_of_its_own_machine() {
    let careful = Config { outbound: OutboundSettings { verify_public_url: true, local_addresses: false }, ..config() };
    // by its address, and by a name that leads there
    for host in ["127.0.0.1", "localhost"] {
        let mut allowed = careful.clone();
        let fake = Fake::new(allowed.clone(), |resource| {
            let url = resource.spec.bucket.endpoint.take().unwrap().replace("127.0.0.1", host);
            allowed.s3.allowed_endpoints.push(url.parse().unwrap());
            resource.spec.bucket.endpoint = Some(url);
            resource.spec.bucket.credentials_secret_ref = Some(resize_api::endpoint::SecretRef { name: "s3".into() });
        })
        .await;
        let secret =
            json!({ "metadata": { "name": "s3", "uid": "s3" }, "data": { "AWS_ACCESS_KEY_ID": "aWQ=", "AWS_SECRET_ACCESS_KEY": "a2V5" } });
        fake.cluster.lock().unwrap().objects.insert("/api/v1/namespaces/demo/secrets/s3".into(), secret);
        let context = fake.context_with(allowed);
        fake.settle_with(&context).await;
        let (_, reason, message) = fake.condition("RoutingRuleApplied");
        assert_eq!(reason, Reason::S3Unreachable.to_string(), "{host}: {message}");
        assert!(message.contains("no link-local address"), "{message}");
        assert_eq!(fake.store.lock().unwrap().calls, Vec::new());
    }
}

#[tokio::test]
async fn a_write_that_failed_is_not_repeated_before_a_new_look() {
    let fake = Fake::new(config(), |_| ()).await;
    let theirs = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><RoutingRules><RoutingRule><Condition>\
                  <KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><HostName>theirs.example.com</HostName></Redirect></RoutingRule>\
                  </RoutingRules></WebsiteConfiguration>";
    fake.store.lock().unwrap().meanwhile = Some(("website", theirs.to_owned()));
    fake.settle().await;
    let website = fake.config("website").unwrap();
    assert!(website.contains("theirs.example.com"), "a foreign rule is lost: {website}");
    assert!(website.contains("resize.example.com"), "{website}");
    assert_eq!(calls(&fake, &Method::PUT, "website"), 2);
}

#[tokio::test]
async fn a_policy_that_somebody_else_writes_meanwhile_survives() {
    let theirs =
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*"}]}"#;
    // while the operator notes what it is about to do, and in the instant of its write
    for at_the_write in [false, true] {
        let fake = Fake::new(config(), |resource| resource.spec.bucket.public_read = true).await;
        fake.cluster.lock().unwrap().deployment = Some(json!({}));
        fake.settle().await;
        fake.cluster.lock().unwrap().deployment = None;
        if at_the_write {
            fake.store.lock().unwrap().meanwhile = Some(("policy", theirs.to_owned()));
        } else {
            let store = fake.store.clone();
            let write = move || drop(store.lock().unwrap().configs.insert("policy".into(), theirs.as_bytes().to_vec()));
            fake.cluster.lock().unwrap().when = Some(("publicRead", Box::new(write)));
        }
        fake.settle().await;
        let policy = fake.config("policy").unwrap();
        assert!(policy.contains("theirs") && policy.contains("ResizeOperatorPublicRead"), "{at_the_write}: {policy}");
    }
}

/// The URL of the fake, spelled in another way: another store to everybody but the fake.
fn elsewhere(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn what_is_in_the_old_store_is_taken_back_there_before_anything_is_written_to_the_new_one() {
    let (old, new) = (Fake::new(config(), |_| ()).await, Fake::new(config(), |_| ()).await);
    let url = |fake: &Fake| fake.resource().unwrap().spec.bucket.endpoint.unwrap();
    let context = old.context_with(Config {
        s3: crate::config::S3Defaults {
            allowed_endpoints: vec![url(&old).parse().unwrap(), url(&new).parse().unwrap()],
            ..crate::config::S3Defaults::default()
        },
        ..config()
    });
    // a website of somebody else, as ours would be
    let theirs = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>";
    old.edit(|object| object["spec"]["bucket"]["publicRead"] = json!(true));
    old.put_config(
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
    );
    new.put_config("website", theirs);
    old.settle_with(&context).await;
    assert_eq!(old.condition("Ready").1, "Serving");
    let store = old.resource().unwrap().status.unwrap().store.unwrap();
    assert_eq!(store.endpoint, Some(url(&old)));

    // it cannot be reached for a while: the new one waits
    old.store.lock().unwrap().fault = Some(("website", 403, "AccessDenied"));
    let (to, site) = (url(&new), format!("{}/site", url(&new)));
    old.edit(|object| {
        object["spec"]["bucket"]["endpoint"] = json!(to);
        object["spec"]["publicUrl"] = json!(site);
    });
    old.settle_with(&context).await;
    let (_, reason, message) = old.condition("RoutingRuleApplied");
    assert_eq!(reason, "AccessDenied");
    assert!(message.contains(&url_of(&store)) && message.contains("deletionPolicy"), "{message}");
    assert_eq!(new.store.lock().unwrap().calls, Vec::new());

    old.store.lock().unwrap().fault = None;
    old.settle_with(&context).await;
    assert_eq!(old.condition("Ready").1, "Serving");
    assert_eq!((old.config("website"), old.config("policy")), (None, None));
    assert!(old.config("publicAccessBlock").unwrap().contains("<BlockPublicPolicy>true"));
    assert!(new.config("website").unwrap().contains("resize.example.com"));
    assert_eq!(new.config("publicAccessBlock"), None, "there was none");

    old.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    old.settle_with(&context).await;
    assert!(old.resource().is_none());
    assert!(new.config("website").unwrap().contains("index.html"), "what was there before stays");
    assert!(!new.config("website").unwrap().contains("resize.example.com"));
}

fn url_of(store: &resize_api::status::Store) -> String {
    store.endpoint.clone().unwrap()
}

#[tokio::test]
async fn rules_do_not_follow_the_operators_own_store_by_themselves() {
    let fake = Fake::new(config(), |_| ()).await;
    let url = fake.resource().unwrap().spec.bucket.endpoint.unwrap();
    let by_default = |url: String| Config {
        s3: crate::config::S3Defaults { endpoint: Some(url), force_path_style: true, ..crate::config::S3Defaults::default() },
        ..config()
    };
    fake.edit(|object| object["spec"]["bucket"]["endpoint"] = json!(null));
    fake.settle_with(&fake.context_with(by_default(url.clone()))).await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    fake.store.lock().unwrap().calls.clear();
    let moved = fake.context_with(by_default(elsewhere(&url)));
    fake.settle_with(&moved).await;
    let (_, reason, message) = fake.condition("Accepted");
    assert_eq!(reason, "StoreChanged");
    assert!(message.contains(&url) && message.contains("set bucket.endpoint"), "{message}");
    assert_eq!(fake.store.lock().unwrap().calls, Vec::new(), "neither store is touched");
    // deleted, it goes where it was written
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    fake.settle_with(&moved).await;
    assert_eq!((fake.resource(), fake.config("website")), (None, None));
}

/// Pods that never serve would keep S3 from being asked at all.
#[tokio::test]
async fn whom_s3_refuses_does_not_keep_a_bucket_by_pods_that_never_serve() {
    let fake = Fake::new(config(), |_| ()).await;
    fake.cluster.lock().unwrap().deployment = Some(json!({}));
    fake.store.lock().unwrap().fault = Some(("", 403, "AccessDenied"));
    let mut younger = fake.resource().unwrap();
    (younger.metadata.namespace, younger.metadata.uid) = (Some("other".into()), Some("younger".into()));
    younger.metadata.creation_timestamp = Some(crate::testing::fixtures::time("2027-01-01T00:00:00Z"));
    fake.context.claims.put(&fake.resource().unwrap());
    fake.context.claims.put(&younger);
    assert!(fake.context.claims.is_taken(&younger));
    fake.settle().await;
    assert!(!fake.context.claims.is_taken(&younger));
    assert_eq!(fake.condition("Accepted").1, "BucketClaimed");
}

#[tokio::test]
async fn nobody_is_accepted_before_the_endpoints_of_all_namespaces_are_known() {
    let mut fake = Fake::new(config(), |_| ()).await;
    let (other, mut heard) = reflector::store();
    let scope = |endpoints| Scope { endpoints, children: Children::none() };
    let scopes = [(Some("demo".to_owned()), scope(reflector::store().0)), (Some("other".to_owned()), scope(other))];
    Arc::get_mut(&mut fake.context).unwrap().scopes = Scopes(scopes.into());
    assert!(tokio::time::timeout(Duration::from_millis(50), fake.reconcile()).await.is_err());
    assert_eq!(fake.resource().unwrap().status, None);
    heard.apply_watcher_event(&watcher::Event::Init);
    heard.apply_watcher_event(&watcher::Event::InitDone);
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
}

/// It won the bucket once, by rules that are gone or before the other one was known.
#[tokio::test]
async fn who_loses_a_bucket_and_has_no_rules_in_it_keeps_no_pods_either() {
    let mut fake = Fake::new(config(), |_| ()).await;
    let children = Children::with([serde_json::from_value(json!({
        "metadata": {
            "name": "photos-resizer", "namespace": "demo", "uid": "pods",
            "ownerReferences": [{ "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "name": "photos", "uid": "c0ffee", "controller": true }],
        },
    })).unwrap()]);
    let scope = Scope { endpoints: reflector::store().0, children };
    Arc::get_mut(&mut fake.context).unwrap().scopes = Scopes([(None, scope)].into());
    let mut other = fake.resource().unwrap();
    (other.metadata.namespace, other.metadata.uid) = (Some("other".into()), Some("older".into()));
    other.metadata.creation_timestamp = Some(crate::testing::fixtures::time("2025-01-01T00:00:00Z"));
    let hosts = &fake.context.claims.hosts;
    hosts.take(&fake.resource().unwrap()).unwrap();
    fake.context.claims.put(&other);
    assert!(hosts.take(&other).is_err(), "its Ingress may still be there");
    let _ = fake.reconcile().await;
    let _ = fake.reconcile().await;
    assert_eq!(fake.condition("Accepted").1, "BucketClaimed");
    assert_eq!(hosts.take(&other), Ok(()));
    let path = "/apis/apps/v1/namespaces/demo/deployments/photos-resizer".to_owned();
    assert!(fake.cluster.lock().unwrap().calls.contains(&(Method::DELETE, path)));
}

/// It was wrong once; by now somebody else writes the rules, and has not yet.
#[tokio::test]
async fn a_wrong_answer_that_nobody_looks_at_any_more_is_no_reason_to_hurry() {
    let fake = Fake::new(config(), |_| ()).await;
    fake.store.lock().unwrap().site = Site::Wrong(404, "", None);
    fake.settle().await;
    assert_eq!(fake.reconcile().await.unwrap(), Action::requeue(Duration::from_secs(2)), "it may be right in a moment");
    fake.edit(|object| object["spec"]["routing"] = json!({ "management": "Observe" }));
    fake.store.lock().unwrap().configs.clear();
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "WaitingForExternalWriter");
    assert_eq!(fake.reconcile().await.unwrap(), Action::requeue(Duration::from_mins(10)));
}

#[tokio::test]
async fn where_rules_of_ours_are_left_to_others_is_still_recorded() {
    let fake = Fake::new(config(), |_| ()).await;
    let store = || fake.resource().unwrap().status.unwrap().store;
    fake.put_config("website", "<WebsiteConfiguration><IndexDocument><Suffix>a.html</Suffix></IndexDocument></WebsiteConfiguration>");
    fake.settle().await;
    assert!(store().is_some());
    // one of them is no longer wanted, and nobody has taken it out
    fake.edit(|object| {
        object["spec"]["routing"] = json!({ "management": "Observe" });
        object["spec"]["allowedResolutions"] = json!(["300x300"]);
    });
    fake.settle().await;
    assert!(store().is_some());
    fake.put_config("website", "<WebsiteConfiguration><IndexDocument><Suffix>a.html</Suffix></IndexDocument></WebsiteConfiguration>");
    fake.settle().await;
    assert_eq!(store(), None, "nothing of ours is there any more");
}
