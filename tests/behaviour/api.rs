//! What users of the API see of an endpoint beside its conditions.

use std::collections::BTreeSet;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::lab::{self, Lab};

#[tokio::test]
async fn an_endpoint_can_be_scaled() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let scale = json!({ "spec": { "replicas": 2 } });
        lab.endpoints().patch_scale(&lab.name, &PatchParams::default(), &Patch::Merge(scale)).await.unwrap();
        lab.eventually("two pods run", async || {
            lab.endpoints().get_scale(&lab.name).await.unwrap().status.is_some_and(|status| status.replicas == 2)
        })
        .await;
        assert_eq!(lab.pods().await.len(), 2);
        let scale = lab.endpoints().get_scale(&lab.name).await.unwrap();
        assert!(scale.status.unwrap().selector.unwrap().contains("resize-operator.dev/endpoint="));
    })
    .await;
}

#[tokio::test]
async fn every_write_has_the_operator_as_its_manager() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let endpoint = lab.endpoints().get(&lab.name).await.unwrap();
        let managers: BTreeSet<_> = endpoint.metadata.managed_fields.into_iter().flatten().filter_map(|entry| entry.manager).collect();
        assert_eq!(managers, ["resize-operator", "tests"].map(ToOwned::to_owned).into());
    })
    .await;
}
