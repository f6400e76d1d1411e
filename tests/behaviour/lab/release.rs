//! A release of the operator beside the demo's, in the namespace of a lab, where only it keeps endpoints.
//!
//! The demo's operator keeps those of all namespaces; an admission policy forbids it to write here.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    process::Command,
};

use futures::FutureExt;
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{Lab, connect, helm, kubeconfig};

/// Name of every such release.
const NAME: &str = "second";
/// Namespace of the demo's release, which has its chart's name.
const DEMO: &str = "resize-system";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/resize-operator");

/// A release in the namespace of its lab.
pub struct Release<'a> {
    lab: &'a Lab,
    /// Values for the images that the demo runs.
    images: Vec<String>,
}

impl<'a> Release<'a> {
    /// Runs `body` where a release may be installed, and removes what is left of it, also when `body` panics.
    pub async fn beside(lab: &'a Lab, body: impl AsyncFnOnce(&Release)) {
        let release = Self { lab, images: images(lab).await };
        release.keep_the_demo_away().await;
        let result = AssertUnwindSafe(body(&release)).catch_unwind().await;
        if result.is_err() {
            release.tell().await;
        }
        let clean = AssertUnwindSafe(release.clean_up()).catch_unwind().await;
        if let Err(panic) = result.and(clean) {
            resume_unwind(panic);
        }
    }

    /// Installs it, or gives an installed one these values beside the usual ones. It keeps only the endpoints of the lab's namespace.
    pub async fn install(&self, values: &[&str]) {
        let values = [&["--set", "crds.install=false"], values].concat();
        self.helm("upgrade", &[&["--install", "--wait", "--timeout=90s"][..], &values].concat()).await.unwrap();
    }

    /// `helm test`, or what it says.
    pub async fn test(&self) -> Result<String, String> {
        run(&["test", NAME, "--namespace", &self.lab.name, "--timeout=90s"]).await
    }

    /// Whether it could be installed in this way, or what Helm says.
    pub async fn would_install(&self, options: &[&str]) -> Result<String, String> {
        self.helm("install", &[&["--dry-run=server"], options].concat()).await
    }

    /// Removes it, and waits until its operator has ended.
    pub async fn uninstall(&self) {
        run(&["uninstall", NAME, "--namespace", &self.lab.name, "--ignore-not-found"]).await.unwrap();
        self.lab.eventually("the operator has ended", async || self.operators().await.is_empty()).await;
    }

    async fn operators(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.lab.kube.clone(), &self.lab.name);
        pods.list(&ListParams::default().labels("app.kubernetes.io/name=resize-operator")).await.unwrap().items
    }

    async fn helm(&self, command: &str, options: &[&str]) -> Result<String, String> {
        let namespace = &self.lab.name;
        let watched = format!("watchNamespaces={{{namespace}}}");
        let mut all = vec![command, NAME, CHART, "--namespace", namespace, "--set", &watched, "--set", "replicas=1"];
        all.extend(self.images.iter().flat_map(|value| ["--set-string", value]));
        all.extend(options);
        run(&all).await
    }

    async fn keep_the_demo_away(&self) {
        let name = &self.lab.name;
        let demo = format!("system:serviceaccount:{DEMO}:resize-operator");
        let policy: ValidatingAdmissionPolicy = serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
                    "resourceRules": [{
                        "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["CREATE", "UPDATE", "DELETE"],
                    }],
                },
                "validations": [{ "expression": format!("request.userInfo.username != '{demo}'"), "message": "of another release" }],
            },
        }))
        .unwrap();
        let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
            "metadata": { "name": name }, "spec": { "policyName": name, "validationActions": ["Deny"] },
        }))
        .unwrap();
        Api::all(self.lab.kube.clone()).create(&PostParams::default(), &policy).await.unwrap();
        Api::all(self.lab.kube.clone()).create(&PostParams::default(), &binding).await.unwrap();
        let services: Api<Service> = Api::namespaced(connect(Some(&demo)).await.unwrap(), name);
        let service = serde_json::from_value(json!({ "metadata": { "name": "a" }, "spec": { "ports": [{ "port": 1 }] } })).unwrap();
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        self.lab
            .eventually("the demo's operator may not write here", async || {
                services.create(&trial, &service).await.is_err_and(|error| error.to_string().contains("of another release"))
            })
            .await;
    }

    /// What the operator said last.
    async fn tell(&self) {
        let pods: Api<Pod> = Api::namespaced(self.lab.kube.clone(), &self.lab.name);
        for pod in self.operators().await {
            let last = LogParams { tail_lines: Some(30), ..LogParams::default() };
            eprintln!("{}", pods.logs(&pod.name_any(), &last).await.unwrap_or_else(|error| error.to_string()));
        }
    }

    async fn clean_up(&self) {
        for endpoint in self.lab.endpoints().list(&ListParams::default()).await.into_iter().flatten() {
            // there may be no operator any more
            let free = json!({ "metadata": { "finalizers": null } });
            let endpoints = self.lab.endpoints();
            let _ = endpoints.delete(&endpoint.name_any(), &DeleteParams::default()).await;
            let _ = endpoints.patch(&endpoint.name_any(), &PatchParams::default(), &Patch::Merge(free)).await;
        }
        self.uninstall().await;
        let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
            (Api::all(self.lab.kube.clone()), Api::all(self.lab.kube.clone()));
        let _ = bindings.delete(&self.lab.name, &DeleteParams::default()).await;
        let _ = policies.delete(&self.lab.name, &DeleteParams::default()).await;
    }
}

/// Values of the chart for the images of the demo's release.
async fn images(lab: &Lab) -> Vec<String> {
    let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), DEMO);
    let pod = deployments.get("resize-operator").await.unwrap().spec.unwrap().template.spec.unwrap();
    let container = &pod.containers[0];
    let resizer = container.env.iter().flatten().find(|variable| variable.name == "RESIZER_IMAGE").unwrap();
    let images = [("", container.image.as_deref()), ("resizer.", resizer.value.as_deref())];
    let values = images.into_iter().flat_map(|(of, image)| {
        let (repository, tag) = image.unwrap().rsplit_once(':').unwrap();
        [format!("{of}image.repository={repository}"), format!("{of}image.tag={tag}")]
    });
    values.collect()
}

/// Runs Helm: what it prints, or what it says of a failure.
async fn run(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(helm().unwrap());
    command.arg("helm").args(arguments).env("KUBECONFIG", kubeconfig());
    // not on this thread, on which the test's servers run
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}
