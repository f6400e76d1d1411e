//! Endpoints as people write them → what is printed, word for word.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::{Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use serde_json::Value;

use super::*;
use crate::{
    config::AmbientCredentials,
    testing::{
        fixtures::config,
        store::{self, Store},
    },
};

const RECORDED: &str = include_str!("endpoints.yaml");

fn rendered(text: &str, config: &Config) -> Vec<Rendered> {
    let folder = std::env::temp_dir().join(format!("resize-operator-render-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::write(&folder, text).unwrap();
    let found = read::endpoints(std::slice::from_ref(&folder), "default").unwrap();
    std::fs::remove_file(folder).unwrap();
    let each = |found: read::Found| match &found.resource {
        Ok(resource) => render(resource, config).unwrap().0,
        Err(problems) => Rendered::refused(&found.namespace, &found.name, Verdict::no(Reason::InvalidSpec, problems.join("; "))),
    };
    found.into_iter().map(each).collect()
}

#[test]
fn recorded_endpoints_come_to_these_objects_and_rules() {
    let all = rendered(RECORDED, &config());
    insta::assert_snapshot!("text", present::text(&all));
    let yaml = present::yaml(&all).unwrap();
    // what the other objects are is recorded where they are built
    insta::assert_snapshot!("yaml", yaml.split("---\n").take(2).collect::<Vec<_>>().join("---\n"));
    let json: Value = serde_json::from_str(&json(&all).unwrap()).unwrap();
    assert_eq!(json[0]["routingRules"][0]["condition"]["keyPrefixEquals"], "300x300/");
    assert_eq!((json[0]["accepted"]["status"].as_bool(), json[3]["accepted"]["status"].as_bool()), (Some(true), Some(false)));
    // the stream is what kubectl reads
    let kinds: Vec<_> = documents(&yaml).iter().map(|document| document["kind"].clone()).collect();
    assert_eq!(kinds.len(), all.iter().map(|rendered| rendered.objects.len()).sum::<usize>());
    assert!(kinds.iter().all(Value::is_string), "{kinds:?}");
}

#[test]
fn the_settings_decide_who_may_and_a_refused_endpoint_comes_to_nothing() {
    let mut strict = config();
    strict.claims.ambient_credentials = AmbientCredentials::Listed;
    let text = "apiVersion: resize-operator.dev/v1alpha1\nkind: ResizeEndpoint\nmetadata: { name: photos }\nspec:\n  bucket: { name: photos, \
                region: eu-central-1 }\n  publicUrl: http://photos.example.com\n";
    let refused = &rendered(text, &strict)[0];
    assert_eq!((refused.accepted.status, refused.accepted.reason.as_str(), refused.objects.len()), (false, "BucketNotAllowed", 0));
    assert!(rendered(text, &config())[0].accepted.status);
}

/// Every document is an object that was rendered, or nothing.
fn documents(yaml: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(yaml).map(|document| serde::Deserialize::deserialize(document).unwrap());
    documents.filter(|document: &Value| !document.is_null()).collect()
}

#[test]
fn text_of_others_stays_in_its_line() {
    let attack = "a\r---\rapiVersion: rbac.authorization.k8s.io/v1\rkind: ClusterRoleBinding\n---\nkind: Secret\u{85}---\u{2028}\u{1b}[2J";
    let mut object = serde_json::to_value(crate::testing::fixtures::resource()).unwrap();
    object["spec"][attack] = Value::from(7);
    let mut all = rendered(&serde_yaml_ng::to_string(&object).unwrap(), &config());
    assert!(all[0].accepted.message.contains(attack), "it is told");
    let lines = vec![format!(" index document {attack}"), format!("-404 {attack}* -> 301 /*")];
    all[0].website = Some(rendered::Difference { changes: true, lines, problem: None });
    all[0].notes.push(attack.to_owned());
    assert_eq!(documents(&present::yaml(&all).unwrap()), Vec::<Value>::new());
    let text = present::text(&all);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(!text.replace('\n', "").contains(char::is_control), "{text:?}");
}

#[test]
fn an_owner_is_told_where_it_is_known() {
    let mut object = serde_json::to_value(crate::testing::fixtures::resource()).unwrap();
    let owners = |object: &Value| {
        let all = rendered(&object.to_string(), &config());
        all[0].objects.iter().map(|object| object["metadata"]["ownerReferences"][0]["uid"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(owners(&object), ["c0ffee"; 4]);
    object["metadata"].as_object_mut().unwrap().remove("uid");
    assert_eq!(owners(&object), [const { Value::Null }; 4]);
}

const SITE: &str = r#"<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IndexDocument><Suffix>home.html</Suffix></IndexDocument>
<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule>
<RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>archive.example.com</HostName><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule>
</RoutingRules></WebsiteConfiguration>"#;

/// What is rendered of an endpoint, `changed`, whose bucket has this configuration, or of an S3 that fails; and how often S3 was called.
async fn looked(
    website: Option<&str>,
    fault: Option<(&'static str, u16, &'static str)>,
    changed: impl FnOnce(&mut ResizeEndpoint, &mut Config),
) -> (Rendered, Outcome, usize) {
    let store: Arc<Mutex<Store>> = Arc::default();
    if let Some(website) = website {
        store.lock().unwrap().configs.insert("website".to_owned(), website.as_bytes().to_vec());
    }
    store.lock().unwrap().fault = fault;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(store::answer).with_state(store.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (mut resource, mut config) = (crate::testing::fixtures::resource(), config());
    config.s3.allowed_endpoints = vec![url.parse().unwrap()];
    resource.spec.bucket.endpoint = Some(url);
    resource.spec.bucket.force_path_style = Some(true);
    // rendered by their Secret
    resource.spec.bucket.credentials_secret_ref = Some(resize_api::endpoint::SecretRef { name: "s3".into() });
    changed(&mut resource, &mut config);
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "tests"));
    let s3 = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .build();
    let s3 = Shared::new(s3, Calls(Metrics::default()), Fence::closed(), Outbound::new(true));
    let (mut rendered, endpoint) = render(&resource, &config).unwrap();
    let outcome = match endpoint {
        Some(endpoint) => website::look(&resource, &endpoint, &config, &s3, &mut rendered).await,
        None => Outcome::Wrong,
    };
    let calls = store.lock().unwrap().calls.clone();
    assert!(calls.iter().all(|(method, ..)| *method == http::Method::GET), "{calls:?}");
    (rendered, outcome, calls.len())
}

/// Lines, whether the operator would write, and the problem.
fn told(rendered: &Rendered) -> (Vec<&str>, bool, &str) {
    let website = rendered.website.as_ref().unwrap();
    (website.lines.iter().map(String::as_str).collect(), website.changes, website.problem.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn a_live_website_is_compared_and_foreign_rules_stay() {
    let (fresh, outcome, _) = looked(None, None, |_, _| ()).await;
    assert_eq!((outcome, told(&fresh).1, told(&fresh).0[0]), (Outcome::Well, true, "+index document index.html"));
    let (there, outcome, _) = looked(Some(SITE), None, |_, _| ()).await;
    assert_eq!((outcome, told(&there).1), (Outcome::Well, true));
    assert_eq!(
        told(&there).0,
        [
            " index document home.html",
            " any docs/* -> 301 /documents/*",
            "+404 300x300/* -> 307 http://resize.example.com/default/resize?key=300x300/*",
            "+404 1200x800/* -> 307 http://resize.example.com/default/resize?key=1200x800/*",
            " 404 * -> 302 //archive.example.com/*",
        ],
        "ours go before a broader rule"
    );
    let all = "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>elsewhere.example.com</HostName></RedirectAllRequestsTo></WebsiteConfiguration>";
    let (refused, outcome, _) = looked(Some(all), None, |_, _| ()).await;
    assert!(outcome == Outcome::Wrong && told(&refused).2.starts_with("RedirectsAllRequests: "), "{refused:?}");
    let (denied, outcome, _) = looked(None, Some(("website", 403, "AccessDenied")), |_, _| ()).await;
    assert!(outcome == Outcome::Unseen && told(&denied).2.starts_with("AccessDenied: s3:GetBucketWebsite"), "{denied:?}");
}

#[tokio::test]
async fn the_callers_credentials_go_to_no_store_that_the_file_alone_names() {
    let (rendered, outcome, calls) = looked(Some(SITE), None, |_, config| config.s3.allowed_endpoints.clear()).await;
    assert!(rendered.accepted.status && !rendered.objects.is_empty(), "it is refused nothing else: {rendered:?}");
    assert_eq!((outcome, calls), (Outcome::Unseen, 0), "{rendered:?}");
    assert!(told(&rendered).2.contains("is not asked") && told(&rendered).2.contains("--s3-allowed-endpoints"), "{rendered:?}");
    let (own, outcome, calls) = looked(Some(SITE), None, |resource, config| {
        config.s3.allowed_endpoints.clear();
        config.s3.endpoint.clone_from(&resource.spec.bucket.endpoint);
    })
    .await;
    assert_eq!((outcome, calls), (Outcome::Well, 1), "the settings' own: {own:?}");
}

/// A status that records the rule of `OURS`, in the store of the spec or elsewhere.
fn recorded(resource: &mut ResizeEndpoint, elsewhere: bool) {
    let status = resource.status.get_or_insert_default();
    status.routing_rules = serde_json::from_value(serde_json::json!([{
        "condition": { "keyPrefixEquals": "old/", "httpErrorCodeReturnedEquals": "404" },
        "redirect": { "protocol": "http", "hostName": "resize.example.com", "replaceKeyPrefixWith": "default/resize?key=old/", "httpRedirectCode": "307" },
    }]))
    .unwrap();
    let endpoint = resource.spec.bucket.endpoint.clone().filter(|_| !elsewhere).or(Some("http://old.example.com".to_owned()));
    status.store = Some(resize_api::status::Store { endpoint, region: "us-east-1".into(), ..resize_api::status::Store::default() });
}

const OURS: &str = r#"<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IndexDocument><Suffix>index.html</Suffix></IndexDocument>
<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>
<Redirect><Protocol>http</Protocol><HostName>resize.example.com</HostName><ReplaceKeyPrefixWith>default/resize?key=old/</ReplaceKeyPrefixWith><HttpRedirectCode>307</HttpRedirectCode></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>"#;

#[tokio::test]
async fn it_tells_what_the_operator_would_do_and_no_more() {
    let direct = |resource: &mut ResizeEndpoint| resource.spec.delivery.mode = resize_api::delivery::DeliveryMode::Direct;
    let (suspended, outcome, calls) = looked(Some(SITE), None, |resource, _| resource.spec.suspend = true).await;
    assert!(suspended.website.is_none() && (outcome, calls) == (Outcome::Well, 0), "{suspended:?}");

    let (observed, outcome, _) =
        looked(Some(SITE), None, |resource, _| resource.spec.routing.management = RoutingManagement::Observe).await;
    let (lines, changes, problem) = told(&observed);
    assert_eq!((outcome, changes, lines.iter().filter(|line| line.starts_with('+')).count()), (Outcome::Well, false, 2), "{observed:?}");
    assert!(problem.starts_with("WaitingForExternalWriter: others have to write"), "{problem}");

    let (fresh, _, calls) = looked(Some(SITE), None, |resource, _| direct(resource)).await;
    assert!(fresh.website.is_none() && calls == 0, "{fresh:?}");
    let (left, outcome, _) = looked(Some(OURS), None, |resource, _| {
        direct(resource);
        recorded(resource, false);
    })
    .await;
    let gone = "-404 old/* -> 307 http://resize.example.com/default/resize?key=old/*";
    assert_eq!((outcome, told(&left)), (Outcome::Well, (vec![" index document index.html", gone], true, "")));
    let (kept, _, calls) = looked(Some(OURS), None, |resource, _| {
        direct(resource);
        recorded(resource, false);
        resource.spec.deletion_policy = resize_api::endpoint::DeletionPolicy::Retain;
    })
    .await;
    assert!(kept.website.is_none() && calls == 0, "they are left there: {kept:?}");

    let (ours, _, _) = looked(Some(OURS), None, |resource, _| recorded(resource, false)).await;
    assert!(told(&ours).0.contains(&gone), "what is recorded is the operator's: {ours:?}");
    let (moved, _, _) = looked(Some(OURS), None, |resource, _| recorded(resource, true)).await;
    assert!(!told(&moved).0.contains(&gone), "it is recorded of another bucket: {moved:?}");
    assert!(moved.notes.iter().any(|note| note.contains("in http://old.example.com is taken out of it first")), "{moved:?}");
    let (stuck, ..) = looked(None, None, |resource, config| {
        recorded(resource, true);
        config.s3.endpoint = resource.spec.bucket.endpoint.take();
    })
    .await;
    assert_eq!((stuck.accepted.status, stuck.accepted.reason.as_str(), stuck.objects.len()), (false, "StoreChanged", 0));
}

#[tokio::test]
async fn the_rules_are_those_that_a_full_bucket_has_room_for() {
    let rule = |n| {
        format!(
            "<RoutingRule><Condition><KeyPrefixEquals>p{n}/</KeyPrefixEquals></Condition><Redirect><HostName>a.example.com</HostName></Redirect></RoutingRule>"
        )
    };
    let rules: String = (0..49).map(rule).collect();
    let full = format!(
        "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules>{rules}</RoutingRules></WebsiteConfiguration>"
    );
    let (rendered, outcome, _) = looked(Some(&full), None, |_, _| ()).await;
    let prefixes: Vec<_> = rendered.routing_rules.iter().map(|rule| rule.condition.key_prefix_equals.as_str()).collect();
    assert_eq!((outcome, prefixes), (Outcome::Well, vec![""]), "one for all");
}
