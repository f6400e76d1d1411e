//! Visitors who come by a Gateway, with and without a certificate.

use std::{env, fs, process::Command};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::lab::{self, GATEWAY_TLS_PORT, INGRESS_PORT, Lab, picture, size};

/// What the route's Gateway says.
async fn accepted(lab: &Lab) -> Option<String> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"));
    let routes: Api<DynamicObject> = Api::namespaced_with(lab.kube.clone(), &lab.name, &kind);
    let route = routes.get(&format!("{}-resizer", lab.name)).await.ok()?;
    let conditions = route.data["status"]["parents"][0]["conditions"].as_array()?.clone();
    conditions.iter().find(|condition| condition["type"] == "Accepted")?["status"].as_str().map(ToOwned::to_owned)
}

async fn open(lab: &Lab, listener: Value) {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let gateways: Api<DynamicObject> = Api::namespaced_with(lab.kube.clone(), &lab.name, &kind);
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": { "name": "site" },
        "spec": { "gatewayClassName": "lab", "listeners": [listener] },
    });
    gateways.patch("site", &PatchParams::apply("tests"), &Patch::Apply(gateway)).await.unwrap();
}

/// Applies an endpoint without an Ingress and follows a visitor.
async fn visitors_come_by_it(lab: &Lab, origin: &str, routing: Value) {
    lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
    lab.apply(json!({
        "ingress": null,
        "gateway": { "parentRefs": [{ "name": "site" }], "hostname": format!("{}.localhost", lab.name) },
        "routing": routing,
    }))
    .await;
    lab.wait_for(&lab.name, "Ready", "True").await;
    lab.eventually("the Gateway has accepted the route", async || accepted(lab).await.as_deref() == Some("True")).await;
    let resizer = format!("{origin}/default/resize");
    lab.eventually("the Gateway leads to the resizer", async || lab.answers(&resizer).await && lab.get(&resizer).await.status == 400).await;

    let answers = lab.visit("300x300/a.jpg").await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [307, 307, 200], "{answers:?}");
    assert!(answers[1].url.starts_with(&resizer), "{answers:?}");
    assert_eq!(size(&answers[2].body), (300, 300));
    assert_eq!(lab.visit("300x300/a.jpg").await.len(), 1, "the second visit is the bucket's alone");
}

#[tokio::test]
async fn a_gateway_leads_visitors_to_the_resizer() {
    lab::run(async |lab: &Lab| {
        open(lab, json!({ "name": "http", "protocol": "HTTP", "port": INGRESS_PORT })).await;
        let host = format!("{}.localhost:{INGRESS_PORT}", lab.name);
        visitors_come_by_it(lab, &format!("http://{host}"), json!({ "hostName": host })).await;
        lab.delete(&lab.name).await;
        lab.eventually("the route is gone", async || accepted(lab).await.is_none()).await;
        assert_eq!(lab.website().await, None);
    })
    .await;
}

#[tokio::test]
async fn so_does_one_that_has_a_certificate() {
    lab::run(async |lab: &Lab| {
        let host = format!("{}.localhost", lab.name);
        let certificate = Certificate::of(&host);
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": "tls" }, "type": "kubernetes.io/tls",
            "stringData": { "tls.crt": certificate.certificate, "tls.key": certificate.key },
        }))
        .unwrap();
        Api::namespaced(lab.kube.clone(), &lab.name).create(&PostParams::default(), &secret).await.unwrap();
        let tls = json!({ "mode": "Terminate", "certificateRefs": [{ "name": "tls" }] });
        open(lab, json!({ "name": "https", "protocol": "HTTPS", "port": GATEWAY_TLS_PORT, "hostname": host, "tls": tls })).await;
        let host = format!("{host}:{GATEWAY_TLS_PORT}");
        let routing = json!({ "hostName": host, "protocol": "https" });
        visitors_come_by_it(&lab.trusting(certificate.authority.as_bytes()), &format!("https://{host}"), routing).await;
    })
    .await;
}

/// In PEM, with its authority's.
struct Certificate {
    certificate: String,
    key: String,
    authority: String,
}

impl Certificate {
    /// One of those that a cluster would make for a node of this name.
    fn of(host: &str) -> Self {
        let folder = env::temp_dir().join(format!("certificate-{host}"));
        let made =
            Command::new(lab::helm().unwrap()).arg("pki").arg(&folder).args([host, "127.0.0.1", "127.0.0.1", "https://127.0.0.1"]).status();
        assert!(made.unwrap().success());
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let made = Self { certificate: read("kubelet-server.crt"), key: read("kubelet-server.key"), authority: read("ca.crt") };
        fs::remove_dir_all(folder).unwrap();
        made
    }
}
