//! Desired objects → the Kubernetes API → what it returned. The rest of what we made before is pruned.

use std::fmt::Debug;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::Deployment, networking::v1::Ingress},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    desired::{OPERATOR, Objects, resizer_name},
    validate::Endpoint,
};

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
    /// The API failed.
    #[error("cannot apply the workload: {0}")]
    Kubernetes(#[from] kube::Error),
}

/// Applies all `objects` of `endpoint`, removes what it no longer wants, and returns the Deployment as it is now.
pub async fn apply(client: &Client, endpoint: &Endpoint, objects: &Objects) -> Result<Deployment, ApplyError> {
    apply_one(client, &endpoint.owner, &objects.service).await?;
    let deployment = apply_one(client, &endpoint.owner, &objects.deployment).await?;
    match &objects.ingress {
        Some(ingress) => drop(apply_one(client, &endpoint.owner, ingress).await?),
        None => prune::<Ingress>(client, endpoint).await?,
    }
    Ok(deployment)
}

trait Child: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned {}
impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned> Child for K {}

async fn apply_one<K: Child>(client: &Client, owner: &OwnerReference, desired: &K) -> Result<K, ApplyError> {
    let name = desired.name_any();
    let api: Api<K> = Api::namespaced(client.clone(), &desired.namespace().unwrap_or_default());
    let existing = api.get_metadata_opt(&name).await?;
    if existing.is_some_and(|existing| !is_controlled(&existing.metadata, owner)) {
        return Err(ApplyError::NameTaken { kind: K::kind(&()).into_owned(), name });
    }
    Ok(api.patch(&name, &PatchParams::apply(OPERATOR).force(), &Patch::Apply(desired)).await?)
}

async fn prune<K: Child>(client: &Client, endpoint: &Endpoint) -> Result<(), ApplyError> {
    let api: Api<K> = Api::namespaced(client.clone(), &endpoint.namespace);
    let name = resizer_name(&endpoint.name);
    let Some(existing) = api.get_metadata_opt(&name).await? else { return Ok(()) };
    if is_controlled(&existing.metadata, &endpoint.owner) && existing.metadata.deletion_timestamp.is_none() {
        let exactly = Preconditions { uid: existing.metadata.uid, resource_version: None };
        match api.delete(&name, &DeleteParams::default().preconditions(exactly)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other?),
        }
    }
    Ok(())
}

fn is_controlled(metadata: &ObjectMeta, owner: &OwnerReference) -> bool {
    metadata.owner_references.iter().flatten().any(|reference| reference.controller == Some(true) && reference.uid == owner.uid)
}
