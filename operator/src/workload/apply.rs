//! Desired objects → the Kubernetes API → what it returned. The rest of what we made before is pruned.
//!
//! What is as it should be costs no call: objects are compared with what the watches know of them.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::Service,
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use resize_api::condition::Reason;
use serde_json::{Value, json};

use crate::{
    endpoint::Endpoint,
    fingerprint::fingerprint,
    names::{OPERATOR, resizer_name},
    watch::children::{Child, Children},
    workload::{
        desired::{Objects, gateway::HTTPRoute},
        drift::is_in_line,
    },
};

/// Annotation of what we made: changes with all that we want of it, also with what we want no more.
const APPLIED: &str = "resize-operator.dev/applied";
/// Field manager that keeps the number of pods as it is from when we leave it to the autoscaler until that changes it.
const HANDOVER: &str = "resize-operator-handover";
/// How long to wait for the list of a kind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an object is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The name is in use by somebody else.
    #[error("{kind} {name} exists and is not controlled by this ResizeEndpoint: delete it, or choose another name for the ResizeEndpoint")]
    NameTaken {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The cluster knows no HTTPRoute.
    #[error(
        "spec.gateway is set and the Gateway API is not installed, or the operator may not list HTTPRoutes (its log says so): install its \
         CustomResourceDefinitions, or use spec.ingress"
    )]
    GatewayApiMissing,
    /// Whether there is an object is not known.
    #[error("objects of kind {0} cannot be listed; the operator's log says why")]
    NotListed(String),
    /// The API failed.
    #[error("cannot apply the workload: {0}")]
    Kubernetes(#[from] kube::Error),
}

impl ApplyError {
    /// The reason to report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NameTaken { .. } => Reason::NameTaken,
            Self::GatewayApiMissing => Reason::GatewayApiMissing,
            Self::NotListed(_) => Reason::KubernetesError,
            Self::Kubernetes(error) => refusal(error),
        }
    }
}

/// Whether the API refuses what the spec says, or somebody's rule forbids it.
fn refusal(error: &kube::Error) -> Reason {
    let kube::Error::Api(status) = error else { return Reason::KubernetesError };
    let says = |text| status.message.contains(text);
    match status.code {
        // webhooks choose a code of their own
        _ if says("admission webhook") || says("ValidatingAdmissionPolicy") => Reason::Forbidden,
        403 => Reason::Forbidden,
        400 | 422 => Reason::InvalidSpec,
        // two of a name in a list
        _ if says("failed to create typed patch object") => Reason::InvalidSpec,
        _ => Reason::KubernetesError,
    }
}

/// Applies all `objects` of `endpoint`, removes what it no longer wants, and returns the Deployment as it is now.
pub async fn apply(client: &Client, children: &Children, endpoint: &Endpoint, objects: &Objects) -> Result<Deployment, ApplyError> {
    let workload = Workload { client, children, endpoint };
    workload.keep(&objects.service).await?;
    if objects.autoscaler.is_none() {
        // first, or both would set the number of pods
        workload.prune::<HorizontalPodAutoscaler>().await?;
    }
    workload.keep_or_prune::<NetworkPolicy>(objects.network_policy.as_ref()).await?;
    let deployment = workload.keep_deployment(&objects.deployment).await?;
    workload.keep_or_prune(objects.autoscaler.as_ref()).await?;
    workload.keep_or_prune::<PodDisruptionBudget>(objects.budget.as_ref()).await?;
    workload.keep_or_prune::<Ingress>(objects.ingress.as_ref()).await?;
    match (&objects.route, children.has_gateway_api(objects.route.is_some()).await) {
        (Some(_), false) => return Err(ApplyError::GatewayApiMissing),
        (None, false) => {}
        (route, true) => workload.keep_or_prune::<HTTPRoute>(route.as_ref()).await?,
    }
    Ok(deployment)
}

/// Removes all that belongs to `endpoint`.
pub async fn prune(client: &Client, children: &Children, endpoint: &Endpoint) -> Result<(), ApplyError> {
    let workload = Workload { client, children, endpoint };
    workload.prune::<Ingress>().await?;
    if children.has_gateway_api(false).await {
        workload.prune::<HTTPRoute>().await?;
    }
    workload.prune::<HorizontalPodAutoscaler>().await?;
    workload.prune::<PodDisruptionBudget>().await?;
    workload.prune::<Deployment>().await?;
    workload.prune::<Service>().await?;
    workload.prune::<NetworkPolicy>().await
}

/// What belongs to one endpoint.
struct Workload<'a> {
    client: &'a Client,
    children: &'a Children,
    endpoint: &'a Endpoint,
}

impl Workload<'_> {
    fn api<K: Child>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.endpoint.namespace)
    }

    fn name(&self) -> String {
        resizer_name(&self.endpoint.name)
    }

    async fn known<K: Child>(&self) -> Result<Option<std::sync::Arc<K>>, ApplyError> {
        let name = self.name();
        let found = self.children.get(&self.endpoint.namespace, &name);
        tokio::time::timeout(PATIENCE, found).await.map_err(|_| ApplyError::NotListed(K::kind(&()).into_owned()))
    }

    async fn keep_or_prune<K: Child>(&self, desired: Option<&K>) -> Result<(), ApplyError> {
        match desired {
            Some(desired) => self.keep(desired).await.map(drop),
            None => self.prune::<K>().await,
        }
    }

    async fn keep<K: Child>(&self, desired: &K) -> Result<K, ApplyError> {
        let desired = stamped(desired)?;
        match self.known::<K>().await? {
            Some(live) => {
                self.check_owner::<K>(live.meta())?;
                if live.meta().deletion_timestamp.is_none() && is_in_line(&desired, &json_of(&*live)?) {
                    return Ok(live.as_ref().clone());
                }
            }
            // one that is not ours has not our label, and is not known
            None => {
                if let Some(live) = self.api::<K>().get_metadata_opt(&self.name()).await? {
                    self.check_owner::<K>(&live.metadata)?;
                }
            }
        }
        Ok(self.api().patch(&self.name(), &PatchParams::apply(OPERATOR).force(), &Patch::Apply(desired)).await?)
    }

    /// The Deployment, whose number of pods is an autoscaler's if `desired` has none.
    async fn keep_deployment(&self, desired: &Deployment) -> Result<Deployment, ApplyError> {
        if desired.spec.as_ref().is_some_and(|spec| spec.replicas.is_some()) {
            return self.keep(desired).await;
        }
        let known = self.known::<Deployment>().await?;
        let stamp = |object: &Value| object["metadata"]["annotations"][APPLIED].clone();
        let is_handed_over = match &known {
            Some(live) => stamp(&stamped(desired)?) == stamp(&json_of(&**live)?),
            None => false,
        };
        if !is_handed_over {
            self.hand_over(desired).await?;
        }
        self.keep(desired).await
    }

    /// Leaves the number of pods as it is, but no longer ours: when we just stopped sending it, it would become 1.
    async fn hand_over(&self, desired: &Deployment) -> Result<(), ApplyError> {
        let fewest = self.endpoint.workload.fewest();
        let live = if let Some(live) = self.api::<Deployment>().get_opt(&self.name()).await? {
            live
        } else {
            let mut first = desired.clone();
            first.spec.get_or_insert_default().replicas = Some(fewest);
            self.keep(&first).await?
        };
        self.check_owner::<Deployment>(&live.metadata)?;
        if owns_replicas(&live.metadata) {
            // an autoscaler leaves a Deployment alone that has none
            let replicas = live.spec.and_then(|spec| spec.replicas).unwrap_or(0).max(fewest);
            let handover = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": self.name() }, "spec": { "replicas": replicas },
            });
            self.api::<Deployment>().patch(&self.name(), &PatchParams::apply(HANDOVER).force(), &Patch::Apply(handover)).await?;
        }
        Ok(())
    }

    async fn prune<K: Child>(&self) -> Result<(), ApplyError> {
        let Some(live) = self.known::<K>().await? else { return Ok(()) };
        if self.check_owner::<K>(live.meta()).is_ok() && live.meta().deletion_timestamp.is_none() {
            let exactly = Preconditions { uid: live.uid(), resource_version: None };
            match self.api::<K>().delete(&self.name(), &DeleteParams::default().preconditions(exactly)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    fn check_owner<K: Child>(&self, metadata: &ObjectMeta) -> Result<(), ApplyError> {
        let mut owners = metadata.owner_references.iter().flatten();
        if owners.any(|owner| owner.controller == Some(true) && owner.uid == self.endpoint.owner.uid) {
            return Ok(());
        }
        Err(ApplyError::NameTaken { kind: K::kind(&()).into_owned(), name: self.name() })
    }
}

fn json_of(object: &impl serde::Serialize) -> Result<Value, kube::Error> {
    serde_json::to_value(object).map_err(kube::Error::SerdeError)
}

/// `desired` with its fingerprint.
fn stamped<K: Child>(desired: &K) -> Result<Value, kube::Error> {
    let mut desired = desired.clone();
    let stamp = fingerprint(&[json_of(&desired)?.to_string().as_bytes()]);
    desired.annotations_mut().insert(APPLIED.to_owned(), stamp);
    json_of(&desired)
}

/// Whether the number of pods is what we sent.
fn owns_replicas(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        entry.manager.as_deref() == Some(OPERATOR)
            && entry.operation.as_deref() == Some("Apply")
            && fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
    })
}
