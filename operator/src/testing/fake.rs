//! For tests: a Kubernetes API in memory, which fails as the test says, and all that a reconcile works with.

use std::{
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::config::{Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::{api::batch::v1::Job, jiff::Timestamp};
use kube::{
    Client,
    client::Body,
    runtime::{events::Reporter, reflector::store::Writer, watcher},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    admin::metrics::Metrics,
    bucket::{Buckets, client::Shared, locks::Locks, trust::Authorities},
    config::Config,
    outbound::Outbound,
    public_url::Visitor,
    reconcile::{context::Context, memory::Memories, reconcile, slots::Slots},
    report::recorder::Recorder,
    tenancy::claims::Claims,
    testing::{
        fixtures,
        store::{self, Store},
    },
    watch::{Scopes, children::Children, waiting::Waiting},
    workload::{originals::PodClient, rollouts::Rollouts},
};

thread_local! {
    /// The time of a test, in seconds.
    pub static NOW: Cell<i64> = const { Cell::new(1_000_000) };
}

/// Where the object of the fixtures is.
const OBJECT: &str = "/apis/resize-operator.dev/v1alpha1/namespaces/demo/resizeendpoints/photos";

/// What somebody else does meanwhile.
type Happening = Box<dyn FnOnce() + Send>;

/// The Kubernetes API, by path.
#[derive(Default)]
pub struct Cluster {
    pub objects: BTreeMap<String, Value>,
    /// Method and path of every call.
    pub calls: Vec<(Method, String)>,
    /// Status of the Deployment, if it is not available.
    pub deployment: Option<Value>,
    pub pods: Vec<Value>,
    /// Reasons of the Events.
    pub events: Vec<String>,
    /// Calls to paths with this text get this answer.
    pub fault: Option<(&'static str, StatusCode)>,
    /// What happens when a status with this field is written, once.
    pub when: Option<(&'static str, Happening)>,
}

/// Both, and the context to reconcile with.
pub struct Fake {
    pub cluster: Arc<Mutex<Cluster>>,
    pub store: Arc<Mutex<Store>>,
    pub context: Arc<Context>,
    jobs: Mutex<Writer<Job>>,
}

impl Fake {
    /// The endpoint of the fixtures after `edit`, and a bucket without anything.
    pub async fn new(mut config: Config, edit: impl FnOnce(&mut ResizeEndpoint)) -> Self {
        let store: Arc<Mutex<Store>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(store::answer).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        config.s3.allowed_endpoints.push(url.parse().unwrap());
        let mut resource = fixtures::resource();
        resource.spec.bucket.endpoint = Some(url.clone());
        resource.spec.bucket.force_path_style = Some(true);
        resource.spec.public_url = format!("{url}/site");
        edit(&mut resource);
        let cluster: Arc<Mutex<Cluster>> = Arc::default();
        let mut object = serde_json::to_value(resource).unwrap();
        object["metadata"]["resourceVersion"] = json!("1");
        cluster.lock().unwrap().objects.insert(OBJECT.to_owned(), object);
        let (children, jobs) = Children::with_jobs();
        let context = context(client(cluster.clone()), config, Scopes::of(children));
        Self { cluster, store, context, jobs: Mutex::new(jobs) }
    }

    /// Makes a Job known, as a watch does.
    pub fn hear_of(&self, job: Value) {
        let job = serde_json::from_value(job).unwrap();
        self.jobs.lock().unwrap().apply_watcher_event(&watcher::Event::Apply(job));
    }

    /// What an operator with other settings reconciles with.
    pub fn context_with(&self, config: Config) -> Arc<Context> {
        context(client(self.cluster.clone()), config, Scopes::empty())
    }

    /// The endpoint as the API has it.
    pub fn resource(&self) -> Option<ResizeEndpoint> {
        let object = self.cluster.lock().unwrap().objects.get(OBJECT).cloned();
        object.map(|object| serde_json::from_value(object).unwrap())
    }

    /// Changes the object, as a user would, with a new generation.
    pub fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut cluster = self.cluster.lock().unwrap();
        let object = cluster.objects.get_mut(OBJECT).unwrap();
        edit(object);
        object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
        touch(object);
    }

    /// Reconciles the object once, as the API has it.
    pub async fn reconcile(&self) -> Result<kube::runtime::controller::Action, crate::reconcile::Error> {
        self.reconcile_with(&self.context).await
    }

    async fn reconcile_with(&self, context: &Arc<Context>) -> Result<kube::runtime::controller::Action, crate::reconcile::Error> {
        let resource = Arc::new(self.resource().expect("the object is gone"));
        context.claims.put(&resource);
        // as after the time between two looks
        let memory = context.memories.of(&resource);
        context.memories.keep(&resource, memory.without_finding());
        reconcile(resource, context.clone()).await
    }

    /// Reconciles until the status stays as it is.
    pub async fn settle(&self) {
        self.settle_with(&self.context).await;
    }

    /// The same by an operator with other settings.
    pub async fn settle_with(&self, context: &Arc<Context>) {
        for _ in 0..6 {
            let before = self.resource();
            let _ = self.reconcile_with(context).await;
            if self.resource().is_none() || self.resource() == before {
                return;
            }
        }
    }

    /// Status and reason of a condition.
    pub fn condition(&self, type_: &str) -> (String, String, String) {
        let status = self.resource().and_then(|resource| resource.status).unwrap_or_default();
        let found = status.conditions.into_iter().find(|condition| condition.type_ == type_).expect(type_);
        (found.status, found.reason, found.message)
    }

    /// A configuration of the bucket as text.
    pub fn config(&self, name: &str) -> Option<String> {
        self.store.lock().unwrap().configs.get(name).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    }

    /// Writes a configuration past the operator.
    pub fn put_config(&self, name: &str, text: &str) {
        self.store.lock().unwrap().configs.insert(name.to_owned(), text.as_bytes().to_vec());
    }
}

fn context(client: Client, config: Config, scopes: Scopes) -> Arc<Context> {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "tests"));
    let s3 = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        // as the operator's own configuration, without pauses: what is retried there is retried here
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(2)).build())
        .credentials_provider(credentials)
        .build();
    context_in(scopes, client, config, s3, || Timestamp::from_second(NOW.get()).unwrap())
}

/// What reconciles share in a test.
pub fn context_of(client: Client, config: Config, s3: SdkConfig, now: fn() -> Timestamp) -> Arc<Context> {
    context_in(Scopes::empty(), client, config, s3, now)
}

fn context_in(scopes: Scopes, client: Client, config: Config, s3: SdkConfig, now: fn() -> Timestamp) -> Arc<Context> {
    let outbound = Outbound::new(config.outbound.local_addresses);
    let visitor = Visitor::new(outbound, config.outbound.verify_public_url).unwrap();
    let buckets =
        Buckets { s3: Shared::open(s3, outbound), authorities: Authorities::new(outbound), locks: Locks::default(), visitor, now };
    Arc::new(Context {
        buckets,
        scopes,
        pods: PodClient::new(outbound).unwrap(),
        claims: Arc::new(Claims::new(config.s3.clone(), config.claims.clone())),
        memories: Memories::default(),
        waiting: Waiting::default(),
        slots: Slots::default(),
        rollouts: Rollouts::new(config.rollout_max_concurrent.into()),
        recorder: Recorder::new(&client, &Reporter { controller: "tests".into(), instance: None }),
        metrics: Metrics::default(),
        random: || 0.0,
        now,
        client,
        config,
    })
}

fn client(cluster: Arc<Mutex<Cluster>>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let cluster = cluster.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
            let (status, json) = cluster.lock().unwrap().answer(&parts.method, parts.uri.path(), body);
            Ok::<_, Infallible>(Response::builder().status(status).body(Body::from(serde_json::to_vec(&json).unwrap())).unwrap())
        }
    });
    Client::new(service, "demo")
}

fn touch(object: &mut Value) {
    let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap_or("0").parse().unwrap();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

pub fn refuse(status: StatusCode) -> (StatusCode, Value) {
    let reason = status.canonical_reason().unwrap_or_default().replace(' ', "");
    let code = status.as_u16();
    (status, json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code }))
}

/// The same as the error that a client makes of it.
pub fn refused(status: u16) -> kube::Error {
    let (_, body) = refuse(StatusCode::from_u16(status).unwrap());
    kube::Error::Api(Box::new(serde_json::from_value(body).unwrap()))
}

impl Cluster {
    fn answer(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.calls.push((method.clone(), path.to_owned()));
        if let Some((part, status)) = self.fault
            && path.contains(part)
        {
            return refuse(status);
        }
        if let Some((_, happens)) = self.when.take_if(|(field, _)| body["status"][*field].is_object()) {
            happens();
        }
        if path.contains("/events") {
            self.events.extend(body["reason"].as_str().map(ToOwned::to_owned));
            return (StatusCode::OK, body);
        }
        if path.ends_with("/pods") {
            return (StatusCode::OK, json!({ "metadata": {}, "items": self.pods }));
        }
        if *method == Method::GET {
            return self.objects.get(path).map_or_else(|| refuse(StatusCode::NOT_FOUND), |object| (StatusCode::OK, object.clone()));
        }
        if *method == Method::DELETE {
            return self.objects.remove(path).map_or_else(|| refuse(StatusCode::NOT_FOUND), |object| (StatusCode::OK, object));
        }
        let (at, status_alone) = path.strip_suffix("/status").map_or((path, false), |path| (path, true));
        if let Value::Array(steps) = &body {
            let Some(object) = self.objects.get_mut(at) else { return refuse(StatusCode::NOT_FOUND) };
            // the finalizer, in or out
            let added = steps.iter().any(|step| step["op"] == "add");
            let finalizers = if added { json!([crate::names::FINALIZER]) } else { Value::Null };
            object["metadata"]["finalizers"] = finalizers;
            touch(object);
            let object = object.clone();
            if !added && object["metadata"]["deletionTimestamp"].is_string() {
                self.objects.remove(at);
            }
            return (StatusCode::OK, object);
        }
        let object = self.objects.entry(at.to_owned()).or_insert_with(|| json!({ "metadata": { "uid": "made", "resourceVersion": "1" } }));
        let expected = &body["metadata"]["resourceVersion"];
        if expected.is_string() && *expected != object["metadata"]["resourceVersion"] {
            return refuse(StatusCode::CONFLICT);
        }
        let before = object.clone();
        if status_alone {
            json_patch::merge(&mut object["status"], &body["status"]);
        } else {
            json_patch::merge(object, &body);
        }
        if path.contains("/deployments/") && !status_alone {
            object["metadata"]["generation"] = json!(1);
            let available = json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
            object["status"] = self.deployment.clone().unwrap_or(available);
        }
        if *object != before {
            touch(object);
        }
        (StatusCode::OK, object.clone())
    }
}
