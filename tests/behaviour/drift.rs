//! What others change comes back, and nothing is written where nothing changed.

use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Service, networking::v1::Ingress};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::lab::{self, Lab};

#[tokio::test]
async fn children_that_were_changed_or_deleted_come_back() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let name = format!("{}-resizer", lab.name);
        let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), &lab.name);
        let services: Api<Service> = Api::namespaced(lab.kube.clone(), &lab.name);
        let ingresses: Api<Ingress> = Api::namespaced(lab.kube.clone(), &lab.name);

        let scaled = json!({ "spec": { "replicas": 3 } });
        deployments.patch(&name, &PatchParams::default(), &Patch::Merge(scaled)).await.unwrap();
        lab.eventually("replicas come back", async || deployments.get(&name).await.unwrap().spec.unwrap().replicas == Some(1)).await;

        let other = json!({ "spec": { "selector": { "resize-operator.dev/endpoint": "other" } } });
        services.patch(&name, &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
        lab.eventually("the selector comes back", async || {
            services.get(&name).await.unwrap().spec.unwrap().selector.unwrap()["resize-operator.dev/endpoint"] == lab.name
        })
        .await;

        ingresses.delete(&name, &DeleteParams::default()).await.unwrap();
        lab.eventually("the Ingress comes back", async || ingresses.get_opt(&name).await.unwrap().is_some()).await;
        deployments.delete(&name, &DeleteParams::default()).await.unwrap();
        lab.eventually("the Deployment comes back", async || {
            deployments.get_opt(&name).await.unwrap().is_some_and(|found| found.metadata.deletion_timestamp.is_none())
        })
        .await;
        lab.wait_for(&lab.name, "Ready", "True").await;
    })
    .await;
}

#[tokio::test]
async fn what_was_added_goes_and_nothing_is_written_afterwards() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let name = format!("{}-resizer", lab.name);
        let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), &lab.name);
        let services: Api<Service> = Api::namespaced(lab.kube.clone(), &lab.name);

        // what `kubectl set env` and `kubectl edit service` do
        let env = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "resizer", "env": [{ "name": "RESIZE_PATH", "value": "/x" }] }] } } } });
        deployments.patch(&name, &PatchParams::default(), &Patch::Strategic(env)).await.unwrap();
        let port = json!({ "spec": { "ports": [{ "name": "theirs", "port": 1234 }] } });
        services.patch(&name, &PatchParams::default(), &Patch::Strategic(port)).await.unwrap();
        lab.eventually("both are gone", async || {
            let pod = deployments.get(&name).await.unwrap().spec.unwrap().template.spec.unwrap();
            let ports = services.get(&name).await.unwrap().spec.unwrap().ports.unwrap();
            ports.len() == 1 && !pod.containers[0].env.iter().flatten().any(|variable| variable.name == "RESIZE_PATH")
        })
        .await;
        lab.eventually("the path is the right one", async || lab.get(&lab.resizer()).await.status == 400).await;

        lab.wait_for(&lab.name, "Ready", "True").await;
        let written = async || {
            let (deployment, service) = (deployments.get(&name).await.unwrap(), services.get(&name).await.unwrap());
            (deployment.metadata.generation, service.metadata.resource_version)
        };
        let before = written().await;
        for _ in 0..5 {
            lab.nudge(&lab.name).await;
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        assert_eq!(written().await, before);
    })
    .await;
}

#[tokio::test]
async fn an_autoscaler_of_somebody_else_is_left_and_told() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let name = format!("{}-resizer", lab.name);
        let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(lab.kube.clone(), &lab.name);
        let theirs = serde_json::from_value(json!({
            "metadata": { "name": "theirs" },
            "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name }, "minReplicas": 2, "maxReplicas": 3 },
        }));
        autoscalers.create(&kube::api::PostParams::default(), &theirs.unwrap()).await.unwrap();
        lab.eventually("it is told", async || {
            lab.nudge(&lab.name).await;
            let available = lab.wait_for(&lab.name, "WorkloadAvailable", "True").await;
            available.message.contains("HorizontalPodAutoscaler theirs sets the number of pods")
        })
        .await;
        let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), &lab.name);
        for _ in 0..5 {
            lab.nudge(&lab.name).await;
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            assert_eq!(deployments.get(&name).await.unwrap().spec.unwrap().replicas, Some(2));
        }
    })
    .await;
}

#[tokio::test]
async fn rules_that_were_removed_come_back() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let before = lab.website().await;
        lab.s3.delete_bucket_website().bucket(&lab.name).send().await.unwrap();
        lab.nudge(&lab.name).await;
        lab.eventually("the rules come back", async || lab.website().await == before).await;
    })
    .await;
}

#[tokio::test]
async fn ten_reconciles_write_nothing() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), &lab.name);
        let generation = async || deployments.get(&format!("{}-resizer", lab.name)).await.unwrap().metadata.generation;
        let status = async || lab.endpoints().get(&lab.name).await.unwrap().status;
        let (generation_before, status_before) = (generation().await, status().await);
        for _ in 0..10 {
            lab.nudge(&lab.name).await;
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        assert_eq!(generation().await, generation_before);
        assert_eq!(status().await, status_before);
    })
    .await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone() {
    lab::run(async |lab: &Lab| {
        let services: Api<Service> = Api::namespaced(lab.kube.clone(), &lab.name);
        let theirs: Service = serde_json::from_value(json!({
            "metadata": { "name": format!("{}-resizer", lab.name) }, "spec": { "ports": [{ "port": 1234 }] },
        }))
        .unwrap();
        services.create(&kube::api::PostParams::default(), &theirs).await.unwrap();
        lab.apply(json!({})).await;
        let refused = lab.wait_for(&lab.name, "Ready", "False").await;
        assert_eq!(refused.reason, "NameTaken");
        assert!(refused.message.contains(&format!("Service {}-resizer", lab.name)), "{refused:?}");
        let service = services.get(&format!("{}-resizer", lab.name)).await.unwrap();
        assert_eq!(service.spec.unwrap().ports.unwrap()[0].port, 1234);
    })
    .await;
}
