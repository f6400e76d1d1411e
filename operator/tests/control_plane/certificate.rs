//! A public URL, and a store, with a certificate of an authority that nobody knows: here the API server's own.

use std::fs;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments, touch},
    process::{Operator, eventually},
    store::{self, Store},
};

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_holds_ready_back() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    let kubeconfig: Value = serde_yaml_ng::from_str(&fs::read_to_string(&plane.kubeconfig).unwrap()).unwrap();
    let mut photos = endpoint(&store, "photos");
    photos["spec"]["publicUrl"] = kubeconfig["clusters"][0]["cluster"]["server"].clone();
    // the same site, by one that names its authority
    let mut trusting = endpoint(&store, "trusting");
    trusting["spec"]["publicUrl"] = photos["spec"]["publicUrl"].clone();
    trusting["spec"]["bucket"]["caBundle"] = json!({ "configMap": "authorities" });
    plane.apply(&[authorities(&fs::read_to_string(plane.folder.join("pki/ca.crt")).unwrap()), photos, trusting]).await;

    let _operator = Operator::start(&plane, "operator", &plane.kubeconfig, &[]);
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    let condition = async |name: &str, type_: &str| {
        let status = endpoints.get(name).await.unwrap().status.unwrap_or_default();
        let found = status.conditions.into_iter().find(|condition| condition.type_ == type_);
        found.map(|condition| json!([condition.status, condition.reason]))
    };
    // told when it stays so for a minute
    let told = async |name: &str, reason: &str| condition(name, "PublicUrlVerified").await == Some(json!(["False", reason]));
    eventually("the certificate is told", async || told("photos", "TlsError").await).await;
    assert_eq!(condition("photos", "Ready").await, Some(json!(["False", "TlsError"])));
    assert_eq!(condition("photos", "RoutingRuleApplied").await, Some(json!(["True", "RulesApplied"])));
    // the API server is no website, but it was asked
    eventually("its answer is told", async || told("trusting", "PublicAccessDenied").await).await;
}

fn authorities(text: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "authorities", "namespace": "default" }, "data": { "ca.crt": text } })
}

#[tokio::test]
async fn the_authority_that_an_endpoint_names_is_trusted_for_its_store_and_public_url() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let store = Store::start().await;
    let kubeconfig: Value = serde_yaml_ng::from_str(&fs::read_to_string(&plane.kubeconfig).unwrap()).unwrap();
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    store::allow(&server);
    let mut photos = endpoint(&store, "photos");
    photos["spec"]["bucket"]["endpoint"] = json!(server);
    plane.apply(&[photos.clone()]).await;

    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let operator = Operator::start(&plane, "operator", &kubeconfig, &[]);
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    let rules_of = async |name: &str| {
        let status = endpoints.get(name).await.unwrap().status.unwrap_or_default();
        let found = status.conditions.into_iter().find(|condition| condition.type_ == "RoutingRuleApplied");
        found.map(|condition| (condition.reason, condition.message)).unwrap_or_default()
    };
    let rules = async || rules_of("photos").await;
    eventually("the store is not trusted", async || rules().await.0 == "S3Unreachable").await;

    photos["spec"]["bucket"]["caBundle"] = json!({ "configMap": "authorities" });
    plane.apply(&[photos]).await;
    eventually("there are no authorities", async || rules().await.0 == "SecretInvalid").await;
    plane.apply(&[authorities("nonsense")]).await;
    eventually("they cannot be read", async || rules().await.1.contains("want certificates as PEM")).await;
    let authority = fs::read_to_string(plane.folder.join("pki/ca.crt")).unwrap();
    plane.apply(&[authorities(&authority)]).await;
    // the API server is no store, but it was asked
    let answers = ["AccessDenied", "InvalidCredentials", "S3Error"];
    eventually("the store answers", async || answers.contains(&rules().await.0.as_str())).await;
    // by those alone that name its authority
    let mut other = endpoint(&store, "other");
    other["spec"]["bucket"]["endpoint"] = json!(server);
    plane.apply(&[other]).await;
    eventually("another one does not trust the store", async || rules_of("other").await.0 == "S3Unreachable").await;

    let template = async || {
        let deployment = Api::<Deployment>::namespaced(plane.client.clone(), "default").get("photos-resizer").await.unwrap();
        serde_json::to_value(deployment).unwrap()["spec"]["template"].clone()
    };
    let stamp = async || template().await["metadata"]["annotations"]["resize-operator.dev/credentials"].as_str().map(ToOwned::to_owned);
    let before = stamp().await.unwrap();
    plane.apply(&[authorities(&authority.repeat(2))]).await;
    touch(&plane, &["photos".to_owned()]).await;
    eventually("other certificates make other pods", async || stamp().await.is_some_and(|stamp| stamp != before)).await;
    let template = template().await;
    assert_eq!(template["spec"]["volumes"][0]["configMap"]["name"], "authorities");
    assert_eq!(template["spec"]["containers"][0]["volumeMounts"][0]["mountPath"], "/etc/resizer/ca");

    // the variables of pods and of the chart's caBundle: by them all that the program connects to is trusted
    drop(operator);
    let folder = plane.folder.join("authorities");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("ca.crt"), &authority).unwrap();
    let trusting = [
        ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
        ("SSL_CERT_DIR", folder.to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", "trusting"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
    ];
    let _operator = Operator::start_as(&plane, "trusting", &kubeconfig, &[], &trusting);
    eventually("the store answers that one too", async || answers.contains(&rules_of("other").await.0.as_str())).await;
}
