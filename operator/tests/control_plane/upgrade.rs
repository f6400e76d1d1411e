//! Objects and rules of an earlier release, under the present operator.

use std::fs;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, objects},
    endpoints::{run_deployments, wait_until_all_are},
    process::{Operator, eventually},
    store::Store,
};

/// The website configuration with the rule of the endpoint `photos`, as it was written.
const WEBSITE: &str = r#"<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IndexDocument><Suffix>index.html</Suffix></IndexDocument><RoutingRules><RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals><KeyPrefixEquals>300x300/</KeyPrefixEquals></Condition><Redirect><HostName>resize.example.com</HostName><HttpRedirectCode>307</HttpRedirectCode><Protocol>http</Protocol><ReplaceKeyPrefixWith>default/resize?key=300x300/</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>"#;

#[tokio::test]
async fn definition_and_objects_of_earlier_releases_go_on_working() {
    for release in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/upgrade")).unwrap() {
        let folder = release.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let Some(plane) = ControlPlane::start().await else { return };
        let store = Store::start().await;
        store.put("photos", WEBSITE);
        let read = |name: &str| objects(&fs::read_to_string(folder.join(name)).unwrap().replace("STORE", &store.url));
        plane.apply(&read("crd.yaml")).await;
        plane.wait_for_definition().await;
        let left = read("objects.yaml");
        leave(&plane, &left).await;

        plane.install(&[]).await;
        run_deployments(plane.client.clone());
        let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
        let endpoints: Vec<_> = left.iter().filter(|object| object["kind"] == "ResizeEndpoint").collect();
        wait_until_all_are(&plane, endpoints.len(), "Serving").await;
        for endpoint in endpoints {
            let name = endpoint["metadata"]["name"].as_str().unwrap();
            let now = Api::<ResizeEndpoint>::namespaced(plane.client.clone(), "default").get(name).await.unwrap();
            assert_eq!(now.metadata.generation, Some(1), "nobody had to write the spec of {name} again");
        }
        // what that release left says Serving already
        eventually("the Deployment is taken over", async || {
            let deployment = Api::<Deployment>::namespaced(plane.client.clone(), "default").get("photos-resizer").await.unwrap();
            let environment = deployment.spec.unwrap().template.spec.unwrap().containers.remove(0).env.unwrap();
            environment.iter().any(|variable| variable.name == "URL")
        })
        .await;
        assert!(store.writes().iter().all(|call| call.bucket != "photos"), "its rule was there already");
        drop(operator);
    }
}

/// Writes objects as that release's operator had left them: with their status, and children with their owner.
async fn leave(plane: &ControlPlane, objects: &[Value]) {
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    for object in objects {
        let mut object = object.clone();
        if object["kind"] == "ResizeEndpoint" {
            plane.apply(&[object.clone()]).await;
            if let Some(status) = object.get("status") {
                let name = object["metadata"]["name"].as_str().unwrap();
                endpoints.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await.unwrap();
            }
        } else {
            let name = object["metadata"]["labels"]["app.kubernetes.io/instance"].as_str().unwrap();
            let owner = endpoints.get(name).await.unwrap();
            object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "name": name,
                "uid": owner.uid().unwrap(), "controller": true, "blockOwnerDeletion": true,
            }]);
            let deployments: Api<Deployment> = Api::namespaced(plane.client.clone(), "default");
            let name = object["metadata"]["name"].as_str().unwrap();
            deployments.patch(name, &PatchParams::apply("resize-operator"), &Patch::Apply(&object)).await.unwrap();
        }
    }
}
