//! What the chart's policy has the API server refuse of those who may write ResizeEndpoints, and nothing else.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{control_plane::ControlPlane, endpoints::endpoint, process::eventually, store::Store};

#[tokio::test]
async fn no_secret_image_or_host_but_those_that_are_allowed() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&["admissionPolicy.enabled=true", "admissionPolicy.hosts.default[0]=*.example.com"]).await;
    let store = Store::start().await;
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    let trial = PatchParams { dry_run: true, ..PatchParams::apply("tests").force() };
    let refusal = async |change: Value| {
        let mut object = endpoint(&store, "photos");
        json_patch::merge(&mut object["spec"], &change);
        endpoints.patch("photos", &trial, &Patch::Apply(object)).await.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let image = json!({ "workload": { "image": "a" } });
    eventually("the policy is enforced", async || refusal(image.clone()).await.contains("workload.image: want none")).await;

    let announced = |names: &str| json!({ "external-dns.alpha.kubernetes.io/hostname": names });
    let variable = json!({ "name": "A", "valueFrom": { "secretKeyRef": { "name": "a", "key": "a" } } });
    for (change, says) in [
        (json!({ "bucket": { "caBundle": { "secret": "of-somebody-else", "key": "password" } } }), "bucket.caBundle.secret: want"),
        (json!({ "workload": { "env": [variable] } }), "workload.env: want values"),
        (json!({ "ingress": { "host": "bank.example.org" } }), "may not use bank.example.org"),
        (json!({ "ingress": { "annotations": announced("bank.example.org") } }), "may not use photos.example.com, bank.example.org"),
        (json!({ "workload": { "serviceAnnotations": announced("a.example.com, bank.example.org") } }), "a.example.com, bank.example.org"),
        (
            json!({ "ingress": null, "workload": { "podAnnotations": { "external-dns.alpha.kubernetes.io/internal-hostname": "b.org" } } }),
            "may not use b.org",
        ),
    ] {
        let refused = refusal(change.clone()).await;
        assert!(refused.contains(says), "{change}: {refused}");
    }
    for allowed in [
        json!({ "bucket": { "caBundle": { "configMap": "authorities" } } }),
        json!({ "ingress": null }),
        json!({ "workload": { "serviceAnnotations": announced("a.example.com,b.example.com"), "podAnnotations": { "a": "b" } } }),
    ] {
        assert_eq!(refusal(allowed.clone()).await, "", "{allowed}");
    }
}
