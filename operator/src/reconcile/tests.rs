//! Reconciles against an API server that fails in ways a real one does not on demand.

use std::sync::Mutex;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::{Credentials, Region};
use axum::{Router, extract::State};
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::jiff::Timestamp;
use kube::{Client, client::Body};
use resize_api::routing::RoutingRule;
use serde_json::{Value, json};

use super::*;
use crate::testing::{
    fake,
    fixtures::{config, resource},
};

/// A call to the API server: method, path, body.
type Call = (Method, String, Value);

/// An API server that answers as `answer` says, or accepts what it gets, and the calls it got.
fn api_server(answer: fn(&Method, &str) -> Option<(StatusCode, Value)>) -> (Client, Arc<Mutex<Vec<Call>>>) {
    let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
    let log = calls.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let log = log.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
            let path = parts.uri.path().to_owned();
            let (status, json) = answer(&parts.method, &path).unwrap_or_else(|| accept(&parts.method, &path, &body));
            log.lock().unwrap().push((parts.method, path, body));
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(status).body(Body::from(serde_json::to_vec(&json).unwrap())).unwrap(),
            )
        }
    });
    (Client::new(service, "demo"), calls)
}

fn accept(method: &Method, path: &str, body: &Value) -> (StatusCode, Value) {
    if *method == Method::GET && path.ends_with("/pods") {
        return (StatusCode::OK, json!({ "metadata": {}, "items": [] }));
    }
    if *method == Method::GET {
        return refuse(StatusCode::NOT_FOUND, "NotFound");
    }
    if path.contains("/resizeendpoints/") {
        return (StatusCode::OK, serde_json::to_value(kept()).unwrap());
    }
    let mut object = body.clone();
    if path.contains("/deployments/") {
        object["metadata"]["generation"] = json!(1);
        object["status"] = json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
    }
    (StatusCode::OK, object)
}

fn refuse(status: StatusCode, reason: &str) -> (StatusCode, Value) {
    (
        status,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": status.as_u16() }),
    )
}

/// A store without website configurations, and the writes it got.
async fn s3() -> (String, Arc<Mutex<u32>>) {
    let writes: Arc<Mutex<u32>> = Arc::default();
    let answer = async |State(writes): State<Arc<Mutex<u32>>>, method: Method| {
        if method == Method::GET {
            return (StatusCode::NOT_FOUND, "<Error><Code>NoSuchWebsiteConfiguration</Code></Error>");
        }
        *writes.lock().unwrap() += 1;
        (StatusCode::OK, "")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(writes.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, writes)
}

fn context(client: Client) -> Arc<Context> {
    context_with(client, "http://minio.example.com")
}

/// One whose owner lets the operator's identity go to `store`.
fn context_with(client: Client, store: &str) -> Arc<Context> {
    let mut config = config();
    config.s3.allowed_endpoints.push(store.parse().unwrap());
    let credentials = Credentials::new("id", "key", None, None, "tests");
    let s3 = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials))
        .build();
    fake::context_of(client, config, s3, || Timestamp::UNIX_EPOCH)
}

/// The endpoint of the fixtures, with the finalizer.
fn kept() -> ResizeEndpoint {
    let mut resource = resource();
    resource.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    resource.metadata.resource_version = Some("7".to_owned());
    resource
}

/// What was written to the status last.
fn written(calls: &Mutex<Vec<Call>>) -> Value {
    let calls = calls.lock().unwrap();
    calls.iter().rev().find(|(_, path, _)| path.ends_with("/status")).map(|(.., body)| body["status"].clone()).unwrap_or_default()
}

fn condition(status: &Value, name: &str) -> (String, String) {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == name).unwrap_or_default();
    (found["status"].as_str().unwrap_or_default().to_owned(), found["reason"].as_str().unwrap_or_default().to_owned())
}

fn is(status: &str, reason: Reason) -> (String, String) {
    (status.to_owned(), reason.to_string())
}

#[tokio::test]
async fn an_invalid_spec_gets_a_status_and_nothing_else() {
    let (client, calls) = api_server(|_, _| None);
    let mut resource = kept();
    resource.spec.bucket.region = None;
    reconcile(Arc::new(resource), context(client)).await.unwrap();
    let status = written(&calls);
    assert_eq!(condition(&status, "Accepted"), is("False", Reason::InvalidSpec));
    assert_eq!(condition(&status, "WorkloadAvailable"), is("Unknown", Reason::NotAttempted));
    assert_eq!(condition(&status, "Ready"), is("False", Reason::InvalidSpec));
    assert!(calls.lock().unwrap().iter().all(|(_, path, _)| path.contains("/resizeendpoints/") || path.contains("/events")));
}

#[tokio::test]
async fn a_status_is_written_also_when_the_workload_cannot_be() {
    let (client, calls) = api_server(|method, path| {
        (*method == Method::PATCH && path.contains("/deployments/")).then(|| refuse(StatusCode::FORBIDDEN, "Forbidden"))
    });
    let context = context(client);
    let action = reconcile(Arc::new(kept()), context.clone()).await.unwrap();
    assert_eq!(condition(&written(&calls), "WorkloadAvailable"), is("False", Reason::Forbidden));
    assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    assert_eq!(reconcile(Arc::new(kept()), context).await.unwrap(), Action::requeue(Duration::from_secs(2)), "no backoff");
}

#[tokio::test]
async fn the_rules_are_recorded_before_they_are_written() {
    let (url, writes) = s3().await;
    let (client, calls) = api_server(|_, _| None);
    let mut resource = kept();
    resource.spec.bucket.endpoint = Some(url.clone());
    reconcile(Arc::new(resource), context_with(client, &url)).await.unwrap();
    assert_eq!(*writes.lock().unwrap(), 1);
    let calls = calls.lock().unwrap();
    let (.., first) = calls.iter().find(|(_, path, body)| path.ends_with("/status") && body["status"]["routingRules"].is_array()).unwrap();
    let recorded: Vec<RoutingRule> = serde_json::from_value(first["status"]["routingRules"].clone()).unwrap();
    assert_eq!(recorded.len(), 2);
    assert_eq!(first["status"]["websiteCreated"], true);
    assert_eq!(first["metadata"]["resourceVersion"], "7");
}

#[tokio::test]
async fn a_rollout_lists_its_pods_once() {
    let (client, calls) = api_server(|_, _| None);
    reconcile(Arc::new(kept()), context(client)).await.unwrap();
    assert_eq!(condition(&written(&calls), "OriginalsReadable"), is("Unknown", Reason::PodsUnreachable), "they are asked");
    assert_eq!(calls.lock().unwrap().iter().filter(|(_, path, _)| path.ends_with("/pods")).count(), 1);
}

#[tokio::test]
async fn a_cache_that_is_behind_never_leads_to_a_write_into_the_bucket() {
    let (url, writes) = s3().await;
    let (client, _) = api_server(|_, path| path.ends_with("/status").then(|| refuse(StatusCode::CONFLICT, "Conflict")));
    let mut resource = kept();
    resource.spec.bucket.endpoint = Some(url.clone());
    assert!(reconcile(Arc::new(resource), context_with(client, &url)).await.is_err());
    assert_eq!(*writes.lock().unwrap(), 0);
}

#[tokio::test]
async fn deletion_without_recorded_rules_asks_no_bucket() {
    let (url, writes) = s3().await;
    let (client, calls) = api_server(|_, _| None);
    let mut resource = kept();
    resource.spec.bucket.endpoint = Some(url.clone());
    resource.metadata.deletion_timestamp = Some(crate::testing::fixtures::time("2026-01-02T03:04:05Z"));
    reconcile(Arc::new(resource), context_with(client, &url)).await.unwrap();
    assert_eq!(*writes.lock().unwrap(), 0);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].2[1]["op"], "remove");
}

#[tokio::test]
async fn a_deletion_that_somebody_else_ended_first_is_no_failure() {
    for status in [StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY] {
        let (client, _) = match status {
            StatusCode::NOT_FOUND => api_server(|method, _| (*method == Method::PATCH).then(|| refuse(StatusCode::NOT_FOUND, "NotFound"))),
            _ => api_server(|method, _| (*method == Method::PATCH).then(|| refuse(StatusCode::UNPROCESSABLE_ENTITY, "Invalid"))),
        };
        let mut resource = kept();
        resource.metadata.deletion_timestamp = Some(crate::testing::fixtures::time("2026-01-02T03:04:05Z"));
        assert!(reconcile(Arc::new(resource), context(client)).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn who_waits_comes_by_itself_where_its_call_was_lost_and_has_its_slot() {
    let fake = fake::Fake::new(config(), |_| ()).await;
    let object = fake.resource().unwrap();
    let (namespace, store) = (object.namespace().unwrap(), StoreId::new(object.spec.bucket.endpoint.as_deref(), ANY_REGION));
    let slots = &fake.context.slots;
    let other = ObjectRef::new("other").within(&namespace);
    let take_all = || std::iter::from_fn(|| slots.get(&other, &namespace, &store)).collect::<Vec<_>>();
    let held = take_all();
    assert_eq!(fake.reconcile().await.unwrap(), Action::requeue(UNCALLED));
    // nobody hears the call
    drop(held);
    while fake.context.waiting.enter(&ObjectRef::from_obj(&object)).is_none() {
        tokio::task::yield_now().await;
    }
    let _held = take_all();
    assert!(object.finalizers().is_empty());
    assert_ne!(fake.reconcile().await.unwrap(), Action::requeue(UNCALLED));
    assert!(!fake.resource().unwrap().finalizers().is_empty(), "it was looked at");
}
