//! A HorizontalPodAutoscaler says how many pods there are.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::json;

use crate::lab::{self, Lab, picture};

#[tokio::test(flavor = "multi_thread")]
async fn load_brings_pods_and_the_operator_leaves_their_number_alone() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(400, 300)).await;
        let autoscaling = json!({ "minReplicas": 1, "maxReplicas": 2, "targetCPUUtilizationPercentage": 20 });
        lab.serve(json!({ "allowedResolutions": [], "workload": { "autoscaling": autoscaling } })).await;
        let deployments: Api<Deployment> = Api::namespaced(lab.kube.clone(), &lab.name);
        let name = format!("{}-resizer", lab.name);
        let replicas = async || deployments.get(&name).await.unwrap().spec.unwrap().replicas;
        lab.eventually("it has begun with the least", async || replicas().await == Some(1)).await;

        let meanwhile = async {
            lab.eventually("load brings the second pod", async || replicas().await == Some(2) && lab.pods().await.len() == 2).await;
            // a change of the spec, and with it the Deployment applied again
            lab.apply(json!({
                "allowedResolutions": [],
                "workload": { "autoscaling": autoscaling, "podAnnotations": { "example.com/changed": "yes" } },
            }))
            .await;
            lab.eventually("the change is there", async || {
                let template = deployments.get(&name).await.unwrap().spec.unwrap().template;
                template.metadata.unwrap_or_default().annotations.unwrap_or_default().contains_key("example.com/changed")
            })
            .await;
            assert_eq!(replicas().await, Some(2), "it is not set back");
        };
        lab.under_load("a.jpg", meanwhile).await;
        lab.eventually("without load the second pod goes", async || replicas().await == Some(1)).await;
        lab.wait_for(&lab.name, "Ready", "True").await;
    })
    .await;
}
