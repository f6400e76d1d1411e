//! `resize-operator check` on a real API server: what is missing, who leads, what may be done, and what endpoints say.

use std::{path::Path, process::Command, time::Duration};

use k8s_openapi::{api::core::v1::Pod, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments, wait_until_all_are},
    process::{Operator, program},
    store::Store,
};

/// The exit status of a check, and what it found: subject, state, message and advice.
fn check(kubeconfig: &Path, arguments: &[&str]) -> (i32, Vec<[String; 4]>) {
    let ran = Command::new(program()).args(["check", "-o", "json"]).args(arguments).env("KUBECONFIG", kubeconfig).output().unwrap();
    let found: Vec<Value> = serde_json::from_slice(&ran.stdout).unwrap_or_default();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let each = |finding: &Value| ["subject", "state", "message", "advice"].map(|field| text(finding, field));
    (ran.status.code().unwrap(), found.iter().map(each).collect())
}

/// What was found of a subject that begins like this.
fn of<'a>(found: &'a [[String; 4]], subject: &str) -> &'a [String; 4] {
    found.iter().find(|finding| finding[0].starts_with(subject)).unwrap_or_else(|| panic!("nothing of {subject}: {found:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_tells_what_is_missing_and_what_to_do() {
    let Some(plane) = ControlPlane::start().await else { return };
    let (status, found) = check(&plane.kubeconfig, &[]);
    assert_eq!(status, 1);
    assert!(of(&found, "definition")[2].ends_with("is not installed"), "{found:?}");
    assert_eq!(of(&found, "leader")[2], "no pod of an operator is here", "{found:?}");

    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let operator = Operator::start(&plane, "operator", &kubeconfig, &[]);
    operator.wait_until(200, "leading").await;
    plane.apply(&[endpoint(&store, "photos")]).await;
    wait_until_all_are(&plane, 1, "Serving").await;
    let as_operator = ["--service-account", "system/resize-operator", "--operator-namespace", "system"];
    let (status, found) = check(&plane.kubeconfig, &as_operator);
    assert_eq!(status, 0, "{found:?}");
    assert!(found.iter().all(|finding| finding[1] == "ok"), "{found:?}");
    assert_eq!(of(&found, "leader in namespace system")[2], "operator leads");
    assert!(of(&found, "permissions")[2].starts_with("system:serviceaccount:system:resize-operator may do all"), "{found:?}");
    assert!(of(&found, "endpoint default/photos")[2].starts_with("Serving: "), "{found:?}");
    let (_, found) = check(&plane.kubeconfig, &as_operator[2..]);
    assert!(of(&found, "permissions")[2].starts_with("the user of this kubeconfig may do all"), "its pod is nowhere: {found:?}");
    plane.apply(&[pod("system", "operator", &[])]).await;
    let account = "system:serviceaccount:system:resize-operator may do all";
    let (status, found) = check(&plane.kubeconfig, &[]);
    assert!(status == 0 && of(&found, "permissions")[2].starts_with(account), "the pod that leads says whose they are: {found:?}");
    assert_eq!(of(&found, "leader in namespace system")[2], "operator leads");
    believe_no_lease_of_a_tenant(&plane).await;

    // the operator's own account reads no definition: that is no fault, and no word that all is well
    let (status, found) = check(&kubeconfig, &[]);
    assert_eq!((status, of(&found, "definition")[1].as_str()), (2, "unknown"), "{found:?}");
    assert_eq!((of(&found, "leader")[1].as_str(), of(&found, "permissions")[1].as_str()), ("ok", "ok"), "{found:?}");

    break_one_thing_of_each(&plane, &store).await;
    drop(operator);
    // killed, so that nobody gave the Lease back: it runs out
    tokio::time::sleep(Duration::from_secs(16)).await;
    let (status, found) = check(&plane.kubeconfig, &as_operator);
    assert_eq!(status, 1);
    assert!(of(&found, "definition")[2].contains("is of an earlier version: it has no spec.suspend"), "{found:?}");
    assert!(of(&found, "definition")[3].contains("crds/resizeendpoints.yaml"), "{found:?}");
    let permissions = of(&found, "permissions");
    assert!(permissions[2].ends_with("may not delete services") && permissions[3].contains("helm upgrade"), "{found:?}");
    let leader = of(&found, "leader in namespace system");
    assert!(leader[2].starts_with("operator has not renewed Lease resize-operator since ") && leader[3].contains("pods"), "{found:?}");
    let refused = of(&found, "endpoint default/refused");
    assert!(refused[2].starts_with("RoutingRuleApplied=False AccessDenied: s3:GetBucketWebsite on bucket refused: 403"), "{found:?}");
    assert!(refused[3].starts_with("allow the call"), "{found:?}");
    assert!(of(&found, "endpoint default/photos")[1] == "ok", "the others stay well: {found:?}");

    let nowhere = plane.folder.join("nowhere.kubeconfig");
    let mut elsewhere: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(&plane.kubeconfig).unwrap()).unwrap();
    elsewhere["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    std::fs::write(&nowhere, elsewhere.to_string()).unwrap();
    let (status, found) = check(&nowhere, &[]);
    assert_eq!((status, of(&found, "cluster")[1].as_str()), (2, "unknown"), "{found:?}");
}

/// A pod of the operator, as its Deployment makes it.
fn pod(namespace: &str, name: &str, environment: &[(&str, &str)]) -> Value {
    let environment: Vec<_> = environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let owner = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "c0ffee", "controller": true });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "app.kubernetes.io/name": "resize-operator" }, "ownerReferences": [owner] },
        "spec": {
            "serviceAccountName": "resize-operator",
            "containers": [{ "name": "operator", "image": "localhost/resize-operator:dev", "env": environment }],
        },
    })
}

/// A Lease of the operator's name and its holder, in a namespace before the operator's; then a pod that looks like the operator's.
async fn believe_no_lease_of_a_tenant(plane: &ControlPlane) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "resize-operator", "namespace": "a-tenant" },
        "spec": { "holderIdentity": "mine_1\nok       everything: is well", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.000000Z" },
    });
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "resize-operator", "namespace": "a-tenant" } });
    let mut mine = pod("a-tenant", "mine", &[]);
    mine["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a-tenant" } });
    plane.apply(&[namespace, account, lease, mine]).await;
    let (status, found) = check(&plane.kubeconfig, &[]);
    assert!(status == 0 && found.iter().all(|finding| !finding.concat().contains("a-tenant")), "{found:?}");

    plane.apply(&[pod("a-tenant", "like-it", &[("WATCH_NAMESPACES", "a-tenant,default"), ("LEASE_NAME", "pics")])]).await;
    let (status, found) = check(&plane.kubeconfig, &[]);
    let leader = of(&found, "leader");
    assert_eq!((status, leader[1].as_str()), (2, "unknown"), "{found:?}");
    assert!(leader[2].contains("a-tenant (Lease pics), system (Lease resize-operator)"), "{found:?}");
    assert_eq!(check(&plane.kubeconfig, &["--operator-namespace", "system"]).0, 0);
    assert_eq!(check(&plane.kubeconfig, &["--lease-name", "resize-operator"]).0, 0);
    // the pod tells Lease, account and namespaces
    let (status, found) = check(&plane.kubeconfig, &["--operator-namespace", "a-tenant"]);
    assert_eq!((status, of(&found, "leader")[2].as_str()), (1, "there is no Lease pics: no operator has led here"), "{found:?}");
    let permissions = &of(&found, "permissions")[2];
    assert!(
        permissions.starts_with("system:serviceaccount:a-tenant:resize-operator may not ") && permissions.contains(" in a-tenant"),
        "{found:?}"
    );
    assert!(found.iter().any(|finding| finding[0] == "endpoints of namespace a-tenant"), "{found:?}");
    let pods: Api<Pod> = Api::namespaced(plane.client.clone(), "a-tenant");
    pods.delete("like-it", &DeleteParams::default().grace_period(0)).await.unwrap();
}

/// An endpoint that S3 refuses, a role without a verb, and a definition without a field.
async fn break_one_thing_of_each(plane: &ControlPlane, store: &Store) {
    store.refuse("refused");
    plane.apply(&[endpoint(store, "refused")]).await;
    wait_until_all_are(plane, 1, "AccessDenied").await;

    let mut role = plane.chart(&[]).into_iter().find(|object| object["kind"] == "ClusterRole").unwrap();
    let rules = role["rules"].as_array_mut().unwrap();
    let services = rules.iter_mut().find(|rule| rule["resources"] == json!(["services"])).unwrap();
    services["verbs"].as_array_mut().unwrap().retain(|verb| verb != "delete");
    plane.apply(&[role]).await;

    let definitions: Api<CustomResourceDefinition> = Api::all(plane.client.clone());
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/suspend";
    let without = serde_json::from_value(json!([{ "op": "remove", "path": path }])).unwrap();
    definitions.patch("resizeendpoints.resize-operator.dev", &PatchParams::default(), &Patch::Json::<()>(without)).await.unwrap();
}
