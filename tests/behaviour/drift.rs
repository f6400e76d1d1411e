//! What others change comes back, and nothing is written where nothing changed.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, networking::v1::Ingress};
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

        let other = json!({ "spec": { "selector": { "app.kubernetes.io/name": "other" } } });
        services.patch(&name, &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
        lab.eventually("the selector comes back", async || {
            services.get(&name).await.unwrap().spec.unwrap().selector.unwrap()["app.kubernetes.io/name"] == "resizer"
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
