//! An etcd and an API server on loopback, for tests whose operator is a process of this machine.
//!
//! No controllers and no node: nothing runs pods, collects garbage or sets a status unless the test does.
//! Taken into a test by `#[path]`; see `operator/tests`.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{authentication::v1::TokenRequest, core::v1::ServiceAccount},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::{await_condition, conditions},
};
use serde_json::{Value, json};

use crate::port;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(2);
/// Logs every request once it is answered, with its user.
const AUDIT_POLICY: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived", "ResponseStarted"], "rules": [{ "level": "Metadata" }]
}"#;
/// Counts the control planes of this process.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// Starts both programs, and kills them when its standard input ends: the test's process has ended, in whatever way.
const KEEPER: &str = r#"
trap '' TERM INT HUP # whoever stops the test may stop its whole group
kube=$1 folder=$2 etcd=$3 peer=$4 port=$5
"$kube" etcd --name e --data-dir "$folder/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  --initial-cluster "e=http://127.0.0.1:$peer" > "$folder/etcd.log" 2>&1 &
etcd_process=$!
"$kube" kube-apiserver --v=1 --bind-address 127.0.0.1 --secure-port "$port" \
  --advertise-address 198.18.255.1 --endpoint-reconciler-type none \
  --tls-cert-file "$folder/pki/apiserver.crt" --tls-private-key-file "$folder/pki/apiserver.key" \
  --client-ca-file "$folder/pki/ca.crt" --authorization-mode RBAC --etcd-servers "http://127.0.0.1:$etcd" \
  --service-cluster-ip-range 198.19.0.0/16 --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file "$folder/pki/sa.pub" --service-account-signing-key-file "$folder/pki/sa.key" \
  --audit-policy-file "$folder/audit.json" --audit-log-path "$folder/audit.log" --audit-log-maxsize 10000 > "$folder/apiserver.log" 2>&1 &
apiserver_process=$!
read -r _
kill -KILL $apiserver_process $etcd_process
wait
rm -rf "$folder"
"#;

/// A control plane of one test. It ends with this value.
pub struct ControlPlane {
    /// The API, as its administrator.
    pub client: Client,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where its files are; others may be put there too.
    pub folder: PathBuf,
    program: PathBuf,
    keeper: Child,
}

impl ControlPlane {
    /// Starts one. Where its programs were not built this says so and gives nothing, or fails
    /// if `RESIZE_CLUSTER=required`.
    pub async fn start() -> Option<Self> {
        let kube = program()?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("resize-control-plane-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let ports = [(); 3].map(|()| port::reserve(Ipv4Addr::LOCALHOST).to_string());
        let pki = folder.join("pki");
        let made = Command::new(&kube)
            .args(["pki".as_ref(), pki.as_os_str()])
            .args(["node0", "127.0.0.1", "198.19.0.1", &format!("https://127.0.0.1:{}", ports[2])])
            .status()
            .unwrap();
        assert!(made.success(), "kube pki: {made}");
        fs::write(folder.join("audit.json"), AUDIT_POLICY).unwrap();
        let keeper = Command::new("sh")
            .args(["-c".as_ref(), KEEPER.as_ref(), "keeper".as_ref(), kube.as_os_str(), folder.as_os_str()])
            .args(&ports)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("keeper.log")).unwrap())
            .spawn()
            .unwrap();
        let kubeconfig = pki.join("admin.kubeconfig");
        let client = connect(&kubeconfig).await;
        let control_plane = Self { client, kubeconfig, folder, program: kube, keeper };
        control_plane.wait_until_ready().await;
        Some(control_plane)
    }

    async fn wait_until_ready(&self) {
        let until = Instant::now() + PATIENCE;
        let ready = || http::Request::get("/readyz").body(Vec::new()).unwrap();
        while self.client.request_text(ready()).await.is_err() {
            assert!(Instant::now() < until, "the API server does not start:\n{}", self.log("apiserver.log"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The objects of the operator's chart, rendered for the namespace `system` with `values` set.
    pub fn chart(&self, values: &[&str]) -> Vec<Value> {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/resize-operator");
        let mut helm = Command::new(&self.program);
        helm.args(["helm", "template", "resize-operator", chart, "--namespace", "system", "--skip-tests"]);
        for value in values {
            helm.args(["--set", value]);
        }
        let output = helm.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        objects(&String::from_utf8(output.stdout).unwrap())
    }

    /// kubectl, as the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new(&self.program);
        kubectl.arg("kubectl").args(arguments).env("KUBECONFIG", &self.kubeconfig);
        kubectl
    }

    /// Applies what the chart has but its workload: definition, roles, accounts.
    pub async fn install(&self, values: &[&str]) {
        self.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "system" } })]).await;
        let skipped = |object: &&Value| object["kind"] != "Deployment";
        self.apply(&self.chart(values).iter().filter(skipped).cloned().collect::<Vec<_>>()).await;
        self.wait_for_definition().await;
    }

    /// Waits until ResizeEndpoints are served.
    pub async fn wait_for_definition(&self) {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let established = await_condition(definitions, "resizeendpoints.resize-operator.dev", conditions::is_crd_established());
        tokio::time::timeout(PATIENCE, established).await.unwrap().unwrap();
    }

    /// What `kubectl apply` does.
    pub async fn apply(&self, objects: &[Value]) {
        for object in objects {
            self.try_apply(object).await.unwrap_or_else(|error| panic!("{error}: {object}"));
        }
    }

    /// The same for one object, which may be refused.
    pub async fn try_apply(&self, object: &Value) -> Result<DynamicObject, kube::Error> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        api.patch(text("/metadata/name"), &PatchParams::apply("tests").force(), &Patch::Apply(object)).await
    }

    /// A kubeconfig of the ServiceAccount `name` in the namespace `system`, by a token as a pod would have it.
    pub async fn kubeconfig_of(&self, name: &str) -> PathBuf {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "system");
        let request = TokenRequest::default();
        let token = accounts.create_token_request(name, &PostParams::default(), &request).await.unwrap().status.unwrap().token;
        let mut kubeconfig: Value = serde_yaml_ng::from_str(&fs::read_to_string(&self.kubeconfig).unwrap()).unwrap();
        kubeconfig["users"][0]["user"] = json!({ "token": token });
        kubeconfig["contexts"][0]["context"]["namespace"] = json!("system");
        let path = self.folder.join(format!("{name}.kubeconfig"));
        fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Every call that was answered so far: audit events, in their order.
    pub fn calls(&self) -> Vec<Value> {
        self.log("audit.log").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The objects of a YAML file.
pub fn objects(yaml: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(yaml).map(|document| serde::Deserialize::deserialize(document).unwrap());
    documents.filter(|object: &Value| !object.is_null()).collect()
}

/// The API as a kubeconfig leads to it.
pub async fn connect(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Client::try_from(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

/// The program that holds etcd and the API server; `tests/cluster/build` builds it.
fn program() -> Option<PathBuf> {
    let cache = std::env::var_os("CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/resize-operator"));
    let built = fs::read_dir(&cache).into_iter().flatten().flatten();
    let named = built.filter(|entry| entry.file_name().to_string_lossy().starts_with("cluster-")).map(|entry| entry.path().join("kube"));
    let program = named.into_iter().find(|program| program.is_file());
    if program.is_none() {
        let required = std::env::var("RESIZE_CLUSTER").is_ok_and(|value| value == "required");
        assert!(!required, "no control plane was built in {}", cache.display());
        eprintln!("skipped: no control plane was built here; tests/cluster/build builds it");
    }
    program
}
