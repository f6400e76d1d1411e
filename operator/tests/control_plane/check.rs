//! `resize-operator check` on a real API server: what is missing, who leads, what may be done, and what endpoints say.

use std::{path::Path, process::Command, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{Patch, PatchParams},
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
    assert!(of(&found, "leader")[2].contains("no operator has led here"), "{found:?}");

    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let operator = Operator::start(&plane, "operator", &kubeconfig, &[]);
    operator.wait_until(200, "leading").await;
    plane.apply(&[endpoint(&store, "photos")]).await;
    wait_until_all_are(&plane, 1, "Serving").await;
    let as_operator = ["--service-account", "system/resize-operator"];
    let (status, found) = check(&plane.kubeconfig, &as_operator);
    assert_eq!(status, 0, "{found:?}");
    assert!(found.iter().all(|finding| finding[1] == "ok"), "{found:?}");
    assert_eq!(of(&found, "leader in namespace system")[2], "operator leads");
    assert!(of(&found, "permissions")[2].starts_with("system:serviceaccount:system:resize-operator may do all"), "{found:?}");
    assert!(of(&found, "endpoint default/photos")[2].starts_with("Serving: "), "{found:?}");
    let (_, found) = check(&plane.kubeconfig, &[]);
    assert!(of(&found, "permissions")[2].starts_with("the user of this kubeconfig may do all"), "its pod is nowhere: {found:?}");
    let containers = json!([{ "name": "operator", "image": "localhost/resize-operator:dev" }]);
    plane
        .apply(&[json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "operator", "namespace": "system" },
            "spec": { "serviceAccountName": "resize-operator", "containers": containers },
        })])
        .await;
    let (_, found) = check(&plane.kubeconfig, &[]);
    let account = "system:serviceaccount:system:resize-operator may do all";
    assert!(of(&found, "permissions")[2].starts_with(account), "the pod that leads says whose they are: {found:?}");

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
