//! After an upgrade of the operator a few endpoints at a time replace their pods.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, wait_until_all_are},
    process::{Operator, eventually},
    store::Store,
};

struct Cluster {
    plane: ControlPlane,
    deployments: Api<Deployment>,
}

impl Cluster {
    async fn all(&self) -> Vec<Deployment> {
        self.deployments.list(&ListParams::default()).await.unwrap().items
    }

    /// Those with what the upgrade brings.
    async fn renewed(&self) -> BTreeSet<String> {
        let is_renewed = |deployment: &&Deployment| {
            let pod = deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            pod.containers[0].image_pull_policy.as_deref() == Some("Always")
        };
        self.all().await.iter().filter(is_renewed).map(ResourceExt::name_any).collect()
    }

    /// Those whose pods nobody has replaced yet.
    async fn rolling(&self) -> BTreeSet<String> {
        let is_rolling = |deployment: &&Deployment| {
            deployment.status.as_ref().and_then(|status| status.observed_generation) != deployment.metadata.generation
        };
        self.all().await.iter().filter(is_rolling).map(ResourceExt::name_any).collect()
    }

    async fn say(&self, name: &str, mut status: Value) {
        status["observedGeneration"] = json!(self.deployments.get(name).await.unwrap().metadata.generation);
        let status = json!({ "status": status });
        self.deployments.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    async fn finish(&self, name: &str) {
        self.say(name, json!({ "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2 })).await;
    }

    /// The endpoints that say that they wait.
    async fn waiting(&self) -> usize {
        let endpoints: Api<ResizeEndpoint> = Api::namespaced(self.plane.client.clone(), "default");
        let waits = |endpoint: &&ResizeEndpoint| {
            let mut conditions = endpoint.status.iter().flat_map(|status| &status.conditions);
            conditions.any(|condition| condition.type_ == "WorkloadAvailable" && condition.reason == "WaitingForRollouts")
        };
        endpoints.list(&ListParams::default()).await.unwrap().items.iter().filter(waits).count()
    }
}

#[tokio::test]
async fn an_upgrade_replaces_the_pods_of_a_few_endpoints_at_a_time() {
    let Some(plane) = ControlPlane::start().await else { return };
    let store = Store::start().await;
    plane.install(&[]).await;
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let cluster = Cluster { deployments: Api::namespaced(plane.client.clone(), "default"), plane };
    let object = |name: &str| {
        let mut object = endpoint(&store, name);
        object["spec"].as_object_mut().unwrap().remove("ingress");
        object
    };
    // two for one namespace
    let old = Operator::start(&cluster.plane, "old", &kubeconfig, &["--rollout-max-concurrent", "4"]);
    let names = ["cats", "dogs", "birds", "fish", "mice", "bees"];
    for name in names {
        cluster.plane.apply(&[object(name)]).await;
    }
    eventually("new endpoints wait for nobody", async || cluster.rolling().await.len() == 6).await;
    for name in names {
        cluster.finish(&format!("{name}-resizer")).await;
    }
    wait_until_all_are(&cluster.plane, 6, "Serving").await;
    drop(old);

    let arguments = ["--rollout-max-concurrent", "4", "--resizer-image-pull-policy", "Always"];
    let _new = Operator::start(&cluster.plane, "new", &kubeconfig, &arguments);
    eventually("four say that they wait", async || cluster.waiting().await == 4).await;
    let first = cluster.renewed().await;
    assert_eq!((first.len(), &cluster.rolling().await), (2, &first));

    // who edits the spec does not wait
    let waiting: Vec<_> = names.iter().filter(|name| !first.contains(&format!("{name}-resizer"))).collect();
    let edited = waiting[0];
    let mut edit = object(edited);
    edit["spec"]["workload"] = json!({ "podLabels": { "a": "b" } });
    cluster.plane.apply(&[edit]).await;
    eventually("the edit is rolled out", async || cluster.renewed().await.len() == 3).await;
    assert!(cluster.renewed().await.contains(&format!("{edited}-resizer")));

    // what the user rolls out takes no place, so none is free when it ends
    cluster.finish(&format!("{edited}-resizer")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.renewed().await.len(), 3);

    // a rollout that never ends is over when Kubernetes says so
    let mut first = first.into_iter();
    let overdue = json!({
        "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
        "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }],
    });
    cluster.say(&first.next().unwrap(), overdue).await;
    eventually("the next one begins", async || cluster.renewed().await.len() == 4).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.renewed().await.len(), 4);

    for so_far in 4..=6 {
        eventually(&format!("{so_far} are renewed"), async || cluster.renewed().await.len() == so_far).await;
        let rolling = cluster.rolling().await;
        assert!(rolling.len() <= 2, "{rolling:?}");
        cluster.finish(rolling.first().unwrap()).await;
    }
    for name in cluster.rolling().await {
        cluster.finish(&name).await;
    }
    eventually("nobody waits", async || cluster.waiting().await == 0).await;
}
