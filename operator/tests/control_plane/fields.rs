//! Fields that production asks for, on a real API server: all of them arrive, come back after a change by others, and cost nothing at rest.

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::Service,
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Resource,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    endpoints::{endpoint, wait_until_all_are},
    process::eventually,
    workload::rests,
};

/// The object `photos-resizer` of this kind.
async fn live<K>(bench: &Bench) -> Value
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    serde_json::to_value(bench.api::<K>().get("photos-resizer").await.unwrap()).unwrap()
}

#[tokio::test]
async fn what_production_asks_for_arrives_comes_back_and_rests() {
    let Some(bench) = Bench::start().await else { return };
    let mut photos = endpoint(&bench.store, "photos");
    photos["spec"]["inheritedMetadata"] = json!({ "labels": { "team": "web" }, "annotations": { "example.com/owner": "web" } });
    photos["spec"]["workload"] = json!({
        "autoscaling": {
            "maxReplicas": 9, "targetMemoryUtilizationPercentage": 70,
            "behavior": {
                "scaleUp": { "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 30 }, { "type": "Percent", "value": 50, "periodSeconds": 30 }] },
                "scaleDown": { "stabilizationWindowSeconds": 60 },
            },
        },
        "networkPolicy": {}, "disruptionBudget": { "minAvailable": "50%" }, "progressDeadlineSeconds": 120,
        "serviceAnnotations": { "example.com/a": "b" }, "ipFamilyPolicy": "PreferDualStack",
        "dnsConfig": { "options": [{ "name": "ndots", "value": "1" }] },
        "imagePullPolicy": "Always", "imagePullSecrets": [{ "name": "registry" }],
    });
    bench.plane.apply(&[photos]).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;

    let all = [
        live::<Deployment>(&bench).await,
        live::<Service>(&bench).await,
        live::<HorizontalPodAutoscaler>(&bench).await,
        live::<PodDisruptionBudget>(&bench).await,
        live::<NetworkPolicy>(&bench).await,
        live::<Ingress>(&bench).await,
    ];
    for object in &all {
        assert_eq!(
            (&object["metadata"]["labels"]["team"], &object["metadata"]["annotations"]["example.com/owner"]),
            (&json!("web"), &json!("web"))
        );
    }
    let [deployment, service, autoscaler, budget, ..] = &all;
    let template = &deployment["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["team"], "web");
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], json!({ "resize-operator.dev/endpoint": "photos" }));
    assert_eq!(deployment["spec"]["progressDeadlineSeconds"], 120);
    assert_eq!(template["spec"]["dnsConfig"], json!({ "options": [{ "name": "ndots", "value": "1" }] }));
    assert_eq!(template["spec"]["imagePullSecrets"], json!([{ "name": "registry" }]));
    assert_eq!(template["spec"]["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(
        (&service["spec"]["ipFamilyPolicy"], &service["metadata"]["annotations"]["example.com/a"]),
        (&json!("PreferDualStack"), &json!("b"))
    );
    let metrics: Vec<_> = autoscaler["spec"]["metrics"].as_array().unwrap().iter().map(|metric| &metric["resource"]["name"]).collect();
    assert_eq!(metrics, ["memory", "cpu"]);
    assert_eq!(autoscaler["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"], 60);
    assert_eq!(budget["spec"]["minAvailable"], "50%");
    rests(&bench).await;

    // others change them
    let edit = json!({
        "metadata": { "labels": { "team": "theirs" } },
        "spec": { "progressDeadlineSeconds": 7, "template": { "spec": { "dnsConfig": { "options": [{ "name": "ndots", "value": "5" }] } } } },
    });
    bench.api::<Deployment>().patch("photos-resizer", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
    let other = json!({ "spec": { "minAvailable": 9 } });
    bench.api::<PodDisruptionBudget>().patch("photos-resizer", &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
    let other = json!({ "spec": { "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } } } });
    bench.api::<HorizontalPodAutoscaler>().patch("photos-resizer", &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
    eventually("all are as they were", async || {
        let deployment = live::<Deployment>(&bench).await;
        deployment["metadata"]["labels"]["team"] == "web"
            && deployment["spec"]["progressDeadlineSeconds"] == 120
            && deployment["spec"]["template"]["spec"]["dnsConfig"]["options"][0]["value"] == "1"
            && live::<PodDisruptionBudget>(&bench).await["spec"]["minAvailable"] == "50%"
            && live::<HorizontalPodAutoscaler>(&bench).await["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 60
    })
    .await;

    // what is no longer asked for goes
    bench.apply(json!({})).await;
    bench.settled().await;
    eventually("nothing of it is left", async || {
        let (deployment, service) = (live::<Deployment>(&bench).await, live::<Service>(&bench).await);
        deployment["metadata"]["labels"]["team"].is_null()
            && deployment["spec"]["template"]["metadata"]["labels"]["team"].is_null()
            && deployment["spec"]["template"]["spec"]["imagePullSecrets"].is_null()
            && deployment["spec"]["template"]["spec"]["dnsConfig"]["options"][0]["value"] == "2"
            && service["metadata"]["annotations"]["example.com/a"].is_null()
            && live::<PodDisruptionBudget>(&bench).await["spec"]["maxUnavailable"] == 1
    })
    .await;
}
