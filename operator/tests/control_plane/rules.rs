//! What a real API server refuses, and what it says then.

use serde_json::{Value, json};

use crate::control_plane::ControlPlane;

#[path = "../../../crds/tests/refusals.rs"]
mod refusals;

use refusals::{refusals, refused_changes, refused_names, rules};

fn endpoint(name: &str, patch: Value) -> Value {
    let mut endpoint = json!({
        "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "bucket": { "name": "photos" },
            "publicUrl": "http://photos.s3-website.eu-central-1.amazonaws.com",
            "allowedResolutions": ["300x300"],
        },
    });
    json_patch::merge(&mut endpoint["spec"], &patch);
    endpoint
}

#[tokio::test]
async fn every_rule_refuses_what_is_wrong_and_says_what_would_be_right() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    // beside the rules, what the schema itself refuses
    let schema = [
        (json!({ "allowedResolutions": ["1x1", "1x1"] }), "duplicate entries"),
        (json!({ "routing": { "management": "Own" } }), "Unsupported value"),
        (json!({ "workload": { "replicas": -1 } }), "greater than or equal to 0"),
        (json!({ "workload": { "autoscaling": {} } }), "maxReplicas: Required value"),
        (json!({ "gateway": { "hostname": "resize.example.com", "parentRefs": [] } }), "should have at least 1 items"),
        (json!({ "workload": { "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] } }), "duplicate entries"),
        (json!({ "workload": { "serviceAccountName": "My_Account" } }), "should match"),
        (json!({ "ingress": { "host": "resize.example.com", "className": "a/b" } }), "should match"),
        (json!({ "bucket": { "credentialsSecretRef": { "name": "s3 keys" } } }), "should match"),
    ];
    let mut said = Vec::new();
    let mut refused = async |object: Value, says: &str| {
        let error = plane.try_apply(&object).await.map(drop).expect_err(&object.to_string()).to_string();
        assert!(error.contains(says), "{object}: {error}");
        said.push(error);
    };
    for (patch, says) in refusals().into_iter().chain(schema) {
        refused(endpoint("photos", patch), says).await;
    }
    for (name, patch, says) in refused_names() {
        refused(endpoint(&name, patch), says).await;
    }
    plane.apply(&[endpoint("photos", json!({}))]).await;
    for (patch, says) in refused_changes() {
        refused(endpoint("photos", patch), says).await;
    }

    let chart = plane.chart(&[]);
    let definition = chart.iter().find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
    let rules = rules(definition);
    for (field, message) in &rules {
        assert!(said.iter().any(|error| error.contains(message)), "nothing was refused by {field} \"{message}\"");
    }
    eprintln!("{} rules, {} refusals", rules.len(), said.len());
}
