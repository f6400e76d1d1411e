//! A namespace, a bucket with a website, and a visitor: each test gets its own, which is removed after it.
//!
//! Here are the namespace and its endpoints; the bucket and HTTP are in `site`, another release of the operator in `release`, a store
//! that can be ended in `forwarder`.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use aws_sdk_s3::Client as S3;
use futures::FutureExt;
use k8s_openapi::{
    api::core::v1::{Event, Namespace, Pod, Secret},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

mod forwarder;
pub mod identity;
pub mod network;
pub mod prometheus;
mod release;
mod site;

pub use self::{
    forwarder::{Forwarder, HOST},
    release::Release,
    site::{Answer, GATEWAY_TLS_PORT, INGRESS_PORT, picture, size},
};

#[path = "../support/port.rs"]
mod port;
#[path = "../support/s3.rs"]
#[allow(dead_code, reason = "shared with tests without a cluster")]
pub mod s3;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// One test's part of the cluster and of the S3.
pub struct Lab {
    pub kube: Client,
    pub s3: S3,
    http: reqwest::Client,
    /// Name of the namespace, of the bucket, and of the endpoint unless a test names another.
    pub name: String,
}

/// Runs `body` in a fresh [`Lab`] and cleans up, also when it panics. Without a cluster it
/// says so and does nothing, or fails if `RESIZE_CLUSTER=required`.
pub async fn run(body: impl AsyncFnOnce(&Lab)) {
    let Some(lab) = Lab::new().await else { return };
    let result = AssertUnwindSafe(body(&lab)).catch_unwind().await;
    if result.is_err() {
        lab.tell().await;
    }
    let clean = AssertUnwindSafe(lab.clean_up()).catch_unwind().await;
    if let Err(panic) = result.and(clean) {
        resume_unwind(panic);
    }
}

/// Where clusters are built and run; see the Makefile.
fn cache() -> PathBuf {
    let cache = std::env::var_os("CACHE").map(PathBuf::from);
    cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/resize-operator"))
}

/// Whether it is a failure that no cluster runs.
fn required() -> bool {
    std::env::var("RESIZE_CLUSTER").is_ok_and(|value| value == "required")
}

/// The program that is Helm when its first argument says so; built with the cluster.
pub fn helm() -> Option<PathBuf> {
    let built = std::fs::read_dir(cache()).into_iter().flatten().flatten().map(|entry| entry.path());
    let helm = built.map(|folder| folder.join("kube")).find(|program| program.is_file());
    if helm.is_none() {
        assert!(!required(), "no helm in {}", cache().display());
        eprintln!("skipped: no Helm was built here; `make up` builds it");
    }
    helm
}

/// What kubectl says to these arguments, or complains of.
pub fn kubectl(arguments: &[&str]) -> Result<String, String> {
    let program = helm().ok_or("no kubectl was built here")?;
    let output = std::process::Command::new(program)
        .arg("kubectl")
        .args(arguments)
        .env("KUBECONFIG", kubeconfig())
        .output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn kubeconfig() -> PathBuf {
    cache().join("state/cluster/pki/admin.kubeconfig")
}

/// A client of the cluster's administrator, or of the user for whom that one speaks.
async fn connect(user: Option<&str>) -> Result<Client, Box<dyn std::error::Error>> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig())?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info.impersonate = user.map(ToOwned::to_owned);
    let client = Client::try_from(config)?;
    client.apiserver_version().await?;
    Ok(client)
}

impl Lab {
    async fn new() -> Option<Self> {
        let kube = match connect(None).await {
            Ok(kube) => kube,
            Err(error) => {
                assert!(!required(), "no cluster: {error}");
                eprintln!("skipped: no cluster runs here ({error}); `make up` starts one");
                return None;
            }
        };
        let lab = Self { kube, s3: s3::client(), http: site::client(None), name: format!("t{:08x}", rand::random::<u32>()) };
        lab.set_up().await;
        Some(lab)
    }

    async fn set_up(&self) {
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": { "name": self.name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        }))
        .unwrap();
        Api::all(self.kube.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let secret: Secret = serde_json::from_value(s3::secret(&self.name)).unwrap();
        Api::namespaced(self.kube.clone(), &self.name).create(&PostParams::default(), &secret).await.unwrap();
        self.create_bucket().await;
    }

    /// A bucket that everybody may read; Ceph's website wants ListBucket too, to say 404 of a missing key.
    pub async fn create_bucket(&self) {
        self.s3.create_bucket().bucket(&self.name).send().await.unwrap();
        self.create_policy().await;
    }

    /// Lets everybody read the bucket.
    pub async fn create_policy(&self) {
        self.allow_everybody(&["s3:GetObject", "s3:ListBucket"]).await;
    }

    /// Replaces the bucket's policy.
    pub async fn allow_everybody(&self, actions: &[&str]) {
        let allow = |action: &str, resource: String| json!({ "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource });
        let of_bucket = format!("arn:aws:s3:::{}", self.name);
        let statement =
            |action: &&str| allow(action, if action.ends_with("Object") { format!("{of_bucket}/*") } else { of_bucket.clone() });
        let policy = json!({ "Version": "2012-10-17", "Statement": actions.iter().map(statement).collect::<Vec<_>>() });
        self.s3.put_bucket_policy().bucket(&self.name).policy(policy.to_string()).send().await.unwrap();
    }

    async fn clean_up(&self) {
        let endpoints = self.endpoints();
        for endpoint in endpoints.list(&ListParams::default()).await.unwrap() {
            self.delete(&endpoint.name_any()).await;
        }
        match Api::<Namespace>::all(self.kube.clone()).delete(&self.name, &DeleteParams::background()).await {
            // a test has deleted it
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            deleted => drop(deleted.unwrap()),
        }
        self.delete_bucket().await;
    }

    /// Removes the bucket with all that is in it; it may be gone already.
    pub async fn delete_bucket(&self) {
        while let Ok(page) = self.s3.list_objects_v2().bucket(&self.name).send().await {
            for object in page.contents() {
                self.s3.delete_object().bucket(&self.name).key(object.key().unwrap()).send().await.unwrap();
            }
            if page.contents().is_empty() {
                self.s3.delete_bucket().bucket(&self.name).send().await.unwrap();
                break;
            }
        }
    }

    /// What a person would look at after a failure.
    async fn tell(&self) {
        eprint!("{}", s3::fullness());
        for endpoint in self.endpoints().list(&ListParams::default()).await.into_iter().flatten() {
            eprintln!("{}: {:#?}", endpoint.name_any(), endpoint.status);
        }
        for event in Api::<Event>::namespaced(self.kube.clone(), &self.name).list(&ListParams::default()).await.into_iter().flatten() {
            eprintln!(
                "{} {}: {}",
                event.involved_object.name.unwrap_or_default(),
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default()
            );
        }
        let pods = kubectl(&["get", "pods", "-n", &self.name, "-o", "name"]).unwrap_or_default();
        for pod in pods.lines() {
            let logs = kubectl(&["logs", pod, "-n", &self.name, "--all-containers", "--tail=40"]);
            eprintln!("{pod}:\n{}", logs.unwrap_or_else(|error| error));
        }
    }

    pub fn endpoints(&self) -> Api<ResizeEndpoint> {
        Api::namespaced(self.kube.clone(), &self.name)
    }

    /// The endpoint of this lab's bucket, `patch` merged into its spec.
    pub fn spec(&self, patch: Value) -> Value {
        let mut spec = json!({
            "bucket": { "name": self.name, "endpoint": s3::URL, "forcePathStyle": true, "credentialsSecretRef": { "name": "s3" } },
            "publicUrl": self.site(),
            "allowedResolutions": ["300x300", "640x0"],
            "ingress": { "host": format!("{}.localhost", self.name), "className": "lab" },
            "routing": { "hostName": format!("{}.localhost:{}", self.name, site::INGRESS_PORT) },
            "workload": { "replicas": 1, "resources": { "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } } },
        });
        json_patch::merge(&mut spec, &patch);
        spec
    }

    /// What `kubectl apply` does.
    pub async fn try_apply(&self, name: &str, spec: Value) -> Result<ResizeEndpoint, kube::Error> {
        let object =
            json!({ "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "metadata": { "name": name }, "spec": spec });
        self.endpoints().patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(object)).await
    }

    /// Applies this lab's endpoint.
    pub async fn apply(&self, patch: Value) {
        self.try_apply(&self.name, self.spec(patch)).await.unwrap();
    }

    /// Applies this lab's endpoint and waits until it serves, and until the ingress controller, too, has heard of it.
    pub async fn serve(&self, patch: Value) {
        self.apply(patch).await;
        self.wait_for(&self.name, "Ready", "True").await;
        self.eventually("the ingress controller leads to the resizer", async || self.get(&self.resizer()).await.status == 400).await;
    }

    /// Deletes an endpoint and waits until it is gone.
    pub async fn delete(&self, name: &str) {
        self.endpoints().delete(name, &DeleteParams::default()).await.unwrap();
        self.eventually("the endpoint is gone", async || self.endpoints().get_opt(name).await.unwrap().is_none()).await;
    }

    /// Waits until a condition of the current spec has `status`, and returns it.
    pub async fn wait_for(&self, name: &str, condition: &str, status: &str) -> Condition {
        self.wait_until(name, condition, |found| found.status == status).await
    }

    /// Waits until a condition of the current spec has `reason`, and returns it.
    pub async fn wait_for_reason(&self, name: &str, condition: &str, reason: &str) -> Condition {
        self.wait_until(name, condition, |found| found.reason == reason).await
    }

    pub async fn wait_until(&self, name: &str, condition: &str, holds: impl Fn(&Condition) -> bool) -> Condition {
        let until = Instant::now() + PATIENCE;
        loop {
            let endpoint = self.endpoints().get(name).await.unwrap();
            let conditions = endpoint.status.map(|status| status.conditions).unwrap_or_default();
            let found = conditions.into_iter().find(|found| found.type_ == condition);
            match found {
                Some(found) if holds(&found) && found.observed_generation == endpoint.metadata.generation => return found,
                found => assert!(Instant::now() < until, "{name}: waited too long for {condition}; it is {found:?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until `holds`.
    pub async fn eventually(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < until, "waited too long: {what}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Makes the operator look at an endpoint again.
    pub async fn nudge(&self, name: &str) {
        let patch = json!({ "metadata": { "annotations": { "example.com/nudge": format!("{:x}", rand::random::<u64>()) } } });
        self.endpoints().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// The resizer's pods that run.
    pub async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.kube.clone(), &self.name);
        let pods = pods.list(&ListParams::default().labels("resize-operator.dev/endpoint")).await.unwrap();
        pods.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
    }

    /// Requests that the resizer's pods have answered so far.
    pub async fn requests(&self) -> u64 {
        let mut sum = 0;
        for pod in self.pods().await {
            let Some(address) = pod.status.and_then(|status| status.pod_ip) else { continue };
            let metrics = self.http.get(format!("http://{address}:9090/metrics")).send().await.unwrap().text().await.unwrap();
            let counts = metrics.lines().filter(|line| line.starts_with("resizer_requests_total"));
            sum += counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
        }
        sum
    }
}
