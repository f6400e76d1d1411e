//! The policy by which the API server refuses what those who run the operator do not want in endpoints.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{objects, one, render};
use crate::lab::{self, Lab, Release};

#[test]
fn a_policy_is_made_on_request_for_the_namespaces_that_are_watched() {
    let Some(plain) = objects(&[]) else { return };
    assert!(!plain.iter().any(|object| object["kind"] == "ValidatingAdmissionPolicy"));
    let objects = render(&["admissionPolicy.enabled=true", "watchNamespaces={a,b}"]).unwrap().unwrap();
    let policy = one(&objects, "ValidatingAdmissionPolicy");
    let binding = one(&objects, "ValidatingAdmissionPolicyBinding");
    assert_eq!(policy["metadata"]["name"], "resize-operator.system.photos");
    assert_eq!(binding["spec"], json!({ "policyName": policy["metadata"]["name"], "validationActions": ["Deny"] }));
    let selector = json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"] });
    assert_eq!(policy["spec"]["matchConstraints"]["namespaceSelector"], json!({ "matchExpressions": [selector] }));
    // image, environment, authorities
    assert_eq!(policy["spec"]["validations"].as_array().unwrap().len(), 3);
    assert!(policy["spec"]["variables"].is_null());
}

#[test]
fn hosts_are_patterns_by_namespace() {
    let values = r#"{ "admissionPolicy": { "enabled": true, "hosts": { "team-a*": ["*.a.example.com", "a.example.com"], "b": [] } } }"#;
    let Some(objects) = objects(&[values]) else { return };
    let expression = one(&objects, "ValidatingAdmissionPolicy")["spec"]["validations"][3]["expression"].clone();
    assert_eq!(
        expression,
        "variables.hosts.all(host, request.namespace.matches('^b$') && (false) || request.namespace.matches('^team-a.*$') && \
         (host.matches('^.*[.]a[.]example[.]com$') || host.matches('^a[.]example[.]com$')))"
    );
}

/// What the API server says of an endpoint with this change of its spec.
async fn refusal(lab: &Lab, change: Value) -> Option<String> {
    let spec = json!({ "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "spec": lab.spec(change) });
    let trial = PatchParams { dry_run: true, ..PatchParams::apply("tests").force() };
    lab.endpoints().patch(&lab.name, &trial, &Patch::Apply(spec)).await.err().map(|error| error.to_string())
}

#[tokio::test]
async fn the_api_server_refuses_what_the_policy_forbids_and_lets_go_what_was_there_before() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            let forbidden = json!({ "workload": { "image": "localhost/none:1", "replicas": 0 } });
            release.install(&[]).await;
            lab.apply(forbidden.clone()).await;
            lab.wait_for(&lab.name, "WorkloadAvailable", "False").await;

            let hosts = r#"{ "admissionPolicy": { "enabled": true, "hosts": { "t*": ["*.a.example.com"] } } }"#;
            release.install(&["--set-json", hosts]).await;
            let with_host = |host: &str| json!({ "ingress": { "host": host } });
            lab.eventually("the policy is enforced", async || refusal(lab, with_host("b.example.com")).await.is_some()).await;
            assert_eq!(refusal(lab, with_host("b.a.example.com")).await, None);
            let variable = json!({ "name": "A", "valueFrom": { "secretKeyRef": { "name": "a", "key": "a" } } });
            let gateway = json!({ "parentRefs": [{ "name": "public" }], "hostname": "b.example.com" });
            for (change, message) in [
                (with_host("a.example.com"), "may not use a.example.com"),
                (json!({ "ingress": null, "gateway": gateway }), "may not use b.example.com"),
                (json!({ "ingress": null, "workload": { "image": "a" } }), "workload.image: want none"),
                (json!({ "ingress": null, "workload": { "env": [variable] } }), "workload.env: want values"),
            ] {
                let refused = refusal(lab, change).await.unwrap_or_default();
                assert!(refused.contains(message), "{message}: {refused}");
            }
            // the operator takes its finalizer off
            lab.endpoints().delete(&lab.name, &DeleteParams::default()).await.unwrap();
            lab.eventually("the endpoint is gone", async || lab.endpoints().get_opt(&lab.name).await.unwrap().is_none()).await;
        })
        .await;
    })
    .await;
}
