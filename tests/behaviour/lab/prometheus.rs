//! A Prometheus that scrapes the pods of a lab, and has the chart's alerts, which it takes for serious at once.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Lab, cache, port, required};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/resize-operator/files");

pub struct Prometheus {
    process: Child,
    discovery: JoinHandle<()>,
    folder: PathBuf,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.discovery.abort();
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Prometheus {
    /// Starts one, if there is a program; `make test` fetches it.
    pub async fn start(lab: &Lab) -> Option<Self> {
        let program = cache().join("tools/bin/prometheus");
        if !program.exists() {
            assert!(!required(), "no {}", program.display());
            eprintln!("skipped: no Prometheus in {}; `make test` fetches it", program.display());
            return None;
        }
        let folder = std::env::temp_dir().join(format!("prometheus-{}", lab.name));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("alerts.yaml"), impatient(&fs::read_to_string(Path::new(FILES).join("alerts.yaml")).unwrap())).unwrap();
        fs::write(folder.join("prometheus.yaml"), configuration().to_string()).unwrap();
        let pods: Api<Pod> = Api::namespaced(lab.kube.clone(), &lab.name);
        let port = port::reserve(Ipv4Addr::LOCALHOST);
        let process = Command::new(program)
            .current_dir(&folder)
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data", "--log.level=warn"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let discovery = tokio::spawn(discover(pods, folder.clone()));
        let prometheus = Self { process, discovery, folder, url: format!("http://127.0.0.1:{port}") };
        let ready = format!("{}/-/ready", prometheus.url);
        lab.eventually("Prometheus is ready", async || lab.answers(&ready).await && lab.get(&ready).await.status == 200).await;
        Some(prometheus)
    }

    /// What an expression is now, or what is wrong with it.
    pub async fn query(&self, lab: &Lab, expression: &str) -> Result<Vec<Value>, String> {
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", expression)]).unwrap();
        let answer: Value = serde_json::from_slice(&lab.get(url.as_str()).await.body).unwrap();
        answer["data"]["result"].as_array().cloned().ok_or_else(|| answer["error"].to_string())
    }

    /// Alerts that fire, those of one name if one is given, as their labels.
    pub async fn firing(&self, lab: &Lab, name: &str) -> Vec<Value> {
        let name = if name.is_empty() { String::new() } else { format!(",alertname=\"{name}\"") };
        let found = self.query(lab, &format!("ALERTS{{alertstate=\"firing\"{name}}}")).await.unwrap();
        found.into_iter().map(|mut alert| alert["metric"].take()).collect()
    }

    /// Waits until an alert of this name fires, and returns its labels.
    pub async fn fires(&self, lab: &Lab, name: &str) -> Value {
        lab.eventually(&format!("{name} fires"), async || !self.firing(lab, name).await.is_empty()).await;
        self.firing(lab, name).await.pop().unwrap_or_default()
    }

    /// Waits until nothing fires any more: for longer than a change takes to be scraped, and an alert is patient.
    pub async fn is_quiet(&self, lab: &Lab) {
        let mut since = Instant::now();
        lab.eventually("no alert fires", async || {
            if !self.firing(lab, "").await.is_empty() {
                since = Instant::now();
            }
            since.elapsed() > Duration::from_secs(6)
        })
        .await;
    }
}

/// The rules with minutes of patience and of memory turned into seconds.
fn impatient(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.split_once("for: ") {
        Some((before, after)) if before.trim().is_empty() && !after.is_empty() => format!("{before}for: 2s"),
        _ => ["[10m]", "[15m]", "[1h]"].iter().fold(line.to_owned(), |line, range| line.replace(range, "[20s]")),
    });
    lines.map(|line| line + "\n").collect()
}

/// What the chart's ServiceMonitor and PodMonitor ask for. Debian's Prometheus knows no Kubernetes: `discover` tells it the pods.
fn configuration() -> Value {
    let job = |name: &str, honours: bool| {
        json!({
            "job_name": name,
            "honor_labels": honours,
            "file_sd_configs": [{ "files": [format!("{name}.json")], "refresh_interval": "1s" }],
        })
    };
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [job("operator", true), job("resizers", false)],
    })
}

/// Writes the pods of both jobs down, again and again.
async fn discover(pods: Api<Pod>, folder: PathBuf) {
    const JOBS: [(&str, &str); 2] = [
        ("operator", "app.kubernetes.io/name=resize-operator"),
        ("resizers", "app.kubernetes.io/managed-by=resize-operator,app.kubernetes.io/component in (resizer,follow)"),
    ];
    loop {
        for (job, label) in JOBS {
            let Ok(found) = pods.list(&ListParams::default().labels(label)).await else { continue };
            let target = |pod: Pod| {
                let labels = json!({ "namespace": pod.metadata.namespace, "pod": pod.metadata.name });
                let address = pod.status?.pod_ip?;
                Some(json!({ "targets": [format!("{address}:9090")], "labels": labels }))
            };
            let targets: Vec<Value> = found.into_iter().filter_map(target).collect();
            let new = folder.join("targets.new");
            fs::write(&new, json!(targets).to_string()).unwrap();
            fs::rename(new, folder.join(format!("{job}.json"))).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
