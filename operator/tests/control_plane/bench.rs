//! A control plane with a running operator, and a store, for tests of one endpoint.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use resize_api::ResizeEndpoint;
use serde_json::Value;

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments},
    process::{Operator, eventually},
    store::Store,
};

/// A control plane with a running operator and a store.
pub struct Bench {
    pub plane: ControlPlane,
    pub store: Store,
    pub operator: Operator,
}

impl Bench {
    pub async fn start() -> Option<Self> {
        let plane = ControlPlane::start().await?;
        let store = Store::start().await;
        plane.install(&[]).await;
        run_deployments(plane.client.clone());
        let operator = Operator::start(&plane, "operator", &plane.kubeconfig_of("resize-operator").await, &[]);
        operator.wait_until(200, "leading").await;
        Some(Self { plane, store, operator })
    }

    /// Applies the endpoint `photos` with this workload.
    pub async fn apply(&self, workload: Value) {
        let mut object = endpoint(&self.store, "photos");
        object["spec"]["workload"] = workload;
        self.plane.apply(&[object]).await;
    }

    pub fn api<K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.plane.client.clone(), "default")
    }

    pub async fn deployment(&self) -> Option<Deployment> {
        self.api::<Deployment>().get_opt("photos-resizer").await.unwrap()
    }

    pub async fn replicas(&self) -> Option<i32> {
        self.deployment().await?.spec?.replicas
    }

    pub async fn has<K>(&self) -> bool
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        self.api::<K>().get_opt("photos-resizer").await.unwrap().is_some()
    }

    /// Waits until the status is of the current spec.
    pub async fn settled(&self) {
        eventually("the operator has seen the spec", async || {
            let endpoint = self.api::<ResizeEndpoint>().get("photos").await.unwrap();
            endpoint.status.and_then(|status| status.observed_generation) == endpoint.metadata.generation
        })
        .await;
    }
}
