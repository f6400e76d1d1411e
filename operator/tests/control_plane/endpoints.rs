//! ResizeEndpoints for tests, what a cluster would do for them, and accounts of operators.

use std::path::PathBuf;

use futures::TryStreamExt;
use k8s_openapi::api::{apps::v1::Deployment, networking::v1::Ingress};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{control_plane::ControlPlane, process::eventually, store::Store};

/// An endpoint `name` in the namespace `default`, whose bucket has the same name.
pub fn endpoint(store: &Store, name: &str) -> Value {
    json!({
        "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "bucket": { "name": name, "endpoint": store.url, "forcePathStyle": true },
            "publicUrl": format!("{}/site/{name}", store.url),
            "allowedResolutions": ["300x300", "640x0"],
            "ingress": { "host": format!("{name}.example.com") },
        },
    })
}

/// Applies an endpoint for each name.
pub async fn apply(plane: &ControlPlane, store: &Store, names: &[String]) {
    for name in names {
        plane.apply(&[endpoint(store, name)]).await;
    }
}

/// Makes operators look at endpoints again.
pub async fn touch(plane: &ControlPlane, names: &[String]) {
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(plane.client.clone(), "default");
    let patch = json!({ "metadata": { "annotations": { "example.com/touched": format!("{:?}", std::time::Instant::now()) } } });
    for name in names {
        endpoints.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
}

/// Whether condition Ready of all `count` endpoints has this reason.
pub async fn all_are(plane: &ControlPlane, count: usize, reason: &str) -> bool {
    let endpoints: Api<ResizeEndpoint> = Api::all(plane.client.clone());
    let listed = endpoints.list(&ListParams::default()).await.unwrap().items;
    let ready = |endpoint: &&ResizeEndpoint| {
        let mut conditions = endpoint.status.iter().flat_map(|status| &status.conditions);
        conditions.any(|condition| condition.type_ == "Ready" && condition.reason == reason)
    };
    listed.iter().filter(ready).count() == count
}

/// Waits until they have.
pub async fn wait_until_all_are(plane: &ControlPlane, count: usize, reason: &str) {
    eventually(&format!("{count} endpoints are {reason}"), async || all_are(plane, count, reason).await).await;
}

/// Does what controllers and nodes would do: every Deployment has its pods at once, every Ingress its address, unless its class is `none`.
pub fn run_deployments(client: Client) {
    give_addresses(client.clone());
    tokio::spawn(async move {
        let deployments: Api<Deployment> = Api::all(client.clone());
        let events = watcher(deployments, watcher::Config::default()).default_backoff().applied_objects();
        let marked = events.try_for_each_concurrent(4, async |deployment: Deployment| {
            let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
            if observed == deployment.metadata.generation {
                return Ok(());
            }
            let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let status = json!({ "status": {
                "observedGeneration": deployment.metadata.generation, "replicas": replicas,
                "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            } });
            let api: Api<Deployment> = Api::namespaced(client.clone(), &deployment.namespace().unwrap_or_default());
            // it may be gone, and the control plane too
            let _ = api.patch_status(&deployment.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
            Ok(())
        });
        let _ = marked.await;
    });
}

fn give_addresses(client: Client) {
    tokio::spawn(async move {
        let events = watcher(Api::<Ingress>::all(client.clone()), watcher::Config::default()).default_backoff().applied_objects();
        let given = events.try_for_each_concurrent(4, async |ingress: Ingress| {
            let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
            let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
            if class == Some("none") || balancer.is_some_and(|balancer| balancer.ingress.is_some()) {
                return Ok(());
            }
            let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "198.18.0.1" }] } } });
            let api: Api<Ingress> = Api::namespaced(client.clone(), &ingress.namespace().unwrap_or_default());
            let _ = api.patch_status(&ingress.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
            Ok(())
        });
        let _ = given.await;
    });
}

/// Accounts with the rights of the chart's, and their kubeconfigs.
pub async fn accounts<const N: usize>(plane: &ControlPlane, names: [&str; N]) -> [PathBuf; N] {
    let mut kubeconfigs = names.map(PathBuf::from);
    for (name, kubeconfig) in names.iter().zip(&mut kubeconfigs) {
        let subjects = json!([{ "kind": "ServiceAccount", "name": name, "namespace": "system" }]);
        let role = |kind: &str, name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
        plane
            .apply(&[
                json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "system" } }),
                json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": name },
                    "roleRef": role("ClusterRole", "resize-operator:system:resize-operator"), "subjects": subjects,
                }),
                json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                    "metadata": { "name": name, "namespace": "system" },
                    "roleRef": role("Role", "resize-operator-lease"), "subjects": subjects,
                }),
            ])
            .await;
        *kubeconfig = plane.kubeconfig_of(name).await;
    }
    kubeconfigs
}
