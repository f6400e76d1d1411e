//! `resize-operator render`: what it prints is what the operator makes, and it never writes.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments, wait_until_all_are},
    process::{Operator, program},
    store::Store,
};

/// Exit status and output for `objects` on standard input, with the settings of the tests' operator for this store.
fn render(store: &Store, objects: &[Value], arguments: &[&str]) -> (i32, String) {
    let mut process = Command::new(program())
        .args(["render", "-f", "-", "--resizer-image", "localhost/resizer:dev"])
        .args(["--claims-ambient-credentials", "Anyone", "--s3-allowed-endpoints", &store.url])
        .args(arguments)
        .envs([("AWS_ACCESS_KEY_ID", "reader"), ("AWS_SECRET_ACCESS_KEY", "key"), ("KUBECONFIG", "/nonexistent")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let documents: Vec<_> = objects.iter().map(ToString::to_string).collect();
    process.stdin.take().unwrap().write_all(documents.join("\n---\n").as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Whether `live` holds all that is `rendered`; the API server fills in more.
fn holds(live: &Value, rendered: &Value) -> bool {
    match (live, rendered) {
        (Value::Object(live), Value::Object(rendered)) => {
            rendered.iter().all(|(name, value)| live.get(name).is_some_and(|live| holds(live, value)))
        }
        (Value::Array(live), Value::Array(rendered)) => {
            live.len() == rendered.len() && live.iter().zip(rendered).all(|(live, rendered)| holds(live, rendered))
        }
        (live, rendered) => live == rendered,
    }
}

/// What the operator made under this name, by resource, in its order.
fn made(plane: &ControlPlane, name: &str) -> Vec<String> {
    let calls = plane.calls();
    let of = |call: &&Value| call["verb"] == "patch" && call["objectRef"]["name"] == name && call["responseStatus"]["code"] == 201;
    calls.iter().filter(of).map(|call| call["objectRef"]["resource"].as_str().unwrap().to_owned()).collect()
}

/// Nothing of `rendered` differs from what is in the cluster.
fn diff(plane: &ControlPlane, rendered: &str) {
    let mut diff = plane.kubectl(&["diff", "-f", "-"]);
    let mut process = diff.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(rendered.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rendered_is_what_the_operator_makes() {
    let Some(plane) = ControlPlane::start().await else { return };
    let store = Store::start().await;
    let written = [endpoint(&store, "photos"), endpoint(&store, "pictures")];
    let (status, text) = render(&store, &written, &["-o", "json", "--live"]);
    assert_eq!(status, 0, "{text}");
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["website"]["changes"], &all[0]["website"]["lines"][0]), (&json!(true), &json!("+index document index.html")));
    assert!(store.calls().iter().any(|call| call.key_id == "reader") && store.writes().is_empty(), "it only reads");

    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
    operator.wait_until(200, "leading").await;
    plane.apply(&written).await;
    wait_until_all_are(&plane, 2, "Serving").await;
    // as the page of the operator has it, for an endpoint that exists
    diff(&plane, &render(&store, &written, &[]).1);
    for rendered in &all {
        let objects = rendered["objects"].as_array().unwrap();
        assert!(objects.len() >= 4, "{objects:?}");
        let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap().to_lowercase()).collect();
        let made = made(&plane, objects[0]["metadata"]["name"].as_str().unwrap());
        let position = |kind: &String| made.iter().position(|made| made.starts_with(kind.trim_end_matches('y'))).unwrap();
        assert!(kinds.iter().map(position).is_sorted(), "{kinds:?} {made:?}");
        for object in objects {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap();
            let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
            let api: Api<DynamicObject> = Api::namespaced_with(plane.client.clone(), text("/metadata/namespace"), &resource);
            let live = serde_json::to_value(api.get(text("/metadata/name")).await.unwrap()).unwrap();
            assert!(holds(&live, object), "rendered:\n{object:#}\nlive:\n{live:#}");
        }
    }

    // an endpoint as the API gives it, with its status: nothing is left to do
    let live = Api::<ResizeEndpoint>::namespaced(plane.client.clone(), "default").get("photos").await.unwrap();
    let live = serde_json::to_value(live).unwrap();
    assert_eq!(all[0]["routingRules"], live["status"]["routingRules"]);
    diff(&plane, &render(&store, std::slice::from_ref(&live), &[]).1);
    let (status, text) = render(&store, &[live], &["-o", "text", "--live"]);
    assert!(status == 0 && text.contains("the website configuration of bucket photos stays as it is:"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_has_a_status_of_its_own() {
    let store = Store::start().await;
    let mut misspelt = endpoint(&store, "photos");
    misspelt["spec"]["allowedResolution"] = json!(["1x1"]);
    let (status, text) = render(&store, &[misspelt, endpoint(&store, "pictures")], &["-o", "text"]);
    assert_eq!(status, 1);
    assert!(text.contains("default/photos: Accepted=False InvalidSpec: spec.allowedResolution: no field of this name"), "{text}");
    assert!(
        text.contains("default/pictures: Accepted=True") && text.contains("  Deployment pictures-resizer"),
        "the others are rendered: {text}"
    );
    let other = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s3" } });
    assert_eq!(render(&store, &[other], &[]).0, 2, "there is nothing to render");
}
