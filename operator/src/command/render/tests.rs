//! Endpoints as people write them → what is printed, word for word.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::{Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use serde_json::Value;

use super::{website::Difference, *};
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
        Ok(resource) => render(resource, config).0,
        Err(problems) => refused(&found, problems),
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
    // the stream is what kubectl reads: every document is an object or nothing
    let documents = serde_yaml_ng::Deserializer::from_str(&yaml).map(|document| serde::Deserialize::deserialize(document).unwrap());
    let kinds: Vec<_> = documents.filter(|document: &Value| !document.is_null()).map(|document| document["kind"].clone()).collect();
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

const SITE: &str = r#"<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IndexDocument><Suffix>home.html</Suffix></IndexDocument>
<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule>
<RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>archive.example.com</HostName><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule>
</RoutingRules></WebsiteConfiguration>"#;

/// What is said of a bucket with this configuration, or of an S3 that fails.
async fn looked(website: Option<&str>, fault: Option<(&'static str, u16, &'static str)>) -> (Difference, Outcome, usize) {
    let store: Arc<Mutex<Store>> = Arc::default();
    if let Some(website) = website {
        store.lock().unwrap().configs.insert("website".to_owned(), website.as_bytes().to_vec());
    }
    store.lock().unwrap().fault = fault;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(store::answer).with_state(store.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut resource = crate::testing::fixtures::resource();
    resource.spec.bucket.endpoint = Some(url);
    resource.spec.bucket.force_path_style = Some(true);
    let endpoint = Endpoint::new(&resource, &config()).unwrap();
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "tests"));
    let s3 = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .build();
    let s3 = Shared::new(s3, Calls(Metrics::default()), Fence::closed(), Outbound::new(true));
    let (difference, outcome) = website::look(&endpoint, &Record::default(), &s3).await;
    let writes = store.lock().unwrap().calls.iter().filter(|(method, ..)| *method != http::Method::GET).count();
    (difference, outcome, writes)
}

#[tokio::test]
async fn a_live_website_is_compared_and_foreign_rules_stay() {
    let (fresh, outcome, writes) = looked(None, None).await;
    assert_eq!((outcome, writes, fresh.changes), (Outcome::Well, 0, true));
    assert_eq!(fresh.lines[0], "+index document index.html");
    let (there, outcome, writes) = looked(Some(SITE), None).await;
    assert_eq!((outcome, writes, there.changes), (Outcome::Well, 0, true));
    assert_eq!(
        there.lines,
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
    let (refused, outcome, _) = looked(Some(all), None).await;
    assert!(outcome == Outcome::Wrong && refused.problem.as_ref().unwrap().starts_with("RedirectsAllRequests: "), "{refused:?}");
    let (denied, outcome, _) = looked(None, Some(("website", 403, "AccessDenied"))).await;
    assert!(outcome == Outcome::Unseen && denied.problem.as_ref().unwrap().starts_with("AccessDenied: s3:GetBucketWebsite"), "{denied:?}");
}
