//! Deletion of an endpoint whose derivatives are to go with it → the Job that deletes them, and how far it is.
//!
//! `reconcile` above asks for it once the rules are out of the bucket. First goes all that could make further derivatives.

use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Pod, Secret},
    },
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PropagationPolicy},
};
use resize_api::{ResizeEndpoint, condition::Reason};

use super::{apply, cluster::Cluster, desired, not_kept, sweeps};
use crate::{
    endpoint::{Endpoint, derivatives::Derivatives},
    kubernetes::explain,
    names::{OPERATOR, OWNER, purge_name},
    report::Verdict,
};

/// How long pods that are being deleted are waited for: on a node that is gone they stay.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// All are deleted; a line tells how many.
    Done(String),
    /// It is on its way.
    Runs(Verdict),
    /// It does not come to its end by itself.
    Stuck(Verdict),
}

fn runs(message: impl Into<String>) -> Purge {
    Purge::Runs(Verdict::no(Reason::Purging, message))
}

fn stuck(message: impl Into<String>) -> Purge {
    Purge::Stuck(Verdict::no(Reason::PurgeFailed, message))
}

/// Takes the next step.
pub async fn purge(cluster: Cluster<'_>, endpoint: &Endpoint, derivatives: &Derivatives, deleted: Timestamp, now: Timestamp) -> Purge {
    let kept = desired::DerivativeObjects::while_purged(endpoint, derivatives);
    if let Err(error) = apply::prune(cluster, endpoint, &kept).await {
        return Purge::Stuck(Verdict { reason: Reason::PurgeFailed, ..not_kept(&error) });
    }
    match step(cluster.client, endpoint, derivatives, now.duration_since(deleted) > PATIENCE).await {
        Ok(purge) => purge,
        Err(error) => stuck(format!("cannot delete the derivatives: {}", explain(&error))),
    }
}

async fn step(client: &Client, endpoint: &Endpoint, derivatives: &Derivatives, is_patient: bool) -> Result<Purge, kube::Error> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), &endpoint.namespace);
    let name = purge_name(&endpoint.name);
    if let Some(job) = jobs.get_opt(&name).await? {
        if job.annotations().get(OWNER) != Some(&endpoint.owner.uid) {
            return Ok(stuck(format!("Job {name} exists and is not this endpoint's: delete it")));
        }
        return judge(client, endpoint, &job).await;
    }
    if !is_held(client, endpoint).await? {
        // what was heard of it is late: its Job was removed a moment ago
        return Ok(Purge::Done("all".to_owned()));
    }
    if !is_patient && others_run(client, endpoint).await? {
        return Ok(runs("its derivatives are deleted as soon as no pod makes further ones"));
    }
    if let Some(secret) = derivatives.secret.as_deref() {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &endpoint.namespace);
        if secrets.get_opt(secret).await?.is_none() {
            return Ok(stuck(format!("Secret {secret} with the credentials that delete derivatives is gone: make it again")));
        }
    }
    jobs.patch(&name, &PatchParams::apply(OPERATOR).force(), &Patch::Apply(desired::purge(endpoint, derivatives))).await?;
    Ok(runs(format!("Job {name} deletes its derivatives")))
}

/// Whether the endpoint is still there and has a finalizer.
async fn is_held(client: &Client, endpoint: &Endpoint) -> Result<bool, kube::Error> {
    let endpoints: Api<ResizeEndpoint> = Api::namespaced(client.clone(), &endpoint.namespace);
    let found = endpoints.get_metadata_opt(&endpoint.name).await?;
    Ok(found.is_some_and(|found| found.metadata.uid.as_ref() == Some(&endpoint.owner.uid) && !found.finalizers().is_empty()))
}

/// Whether pods run, or are about to end, that could make a derivative or delete one at the same time.
async fn others_run(client: &Client, endpoint: &Endpoint) -> Result<bool, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &endpoint.namespace);
    let of_it =
        format!("app.kubernetes.io/managed-by={OPERATOR},app.kubernetes.io/instance={},app.kubernetes.io/component!=purge", endpoint.name);
    let has_ended = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    Ok(!pods.list(&ListParams::default().labels(&of_it).limit(100)).await?.items.iter().all(has_ended))
}

async fn judge(client: &Client, endpoint: &Endpoint, job: &Job) -> Result<Purge, kube::Error> {
    let name = job.name_any();
    let Some(ended) = sweeps::ended(job) else {
        let is_ready = job.status.as_ref().and_then(|status| status.ready).unwrap_or(0) > 0;
        // a pod that cannot start is not waited for as long as one that works
        let waits = || Purge::Stuck(Verdict::no(Reason::Purging, format!("Job {name} deletes its derivatives; its pod is not ready")));
        return Ok(if is_ready { runs(format!("Job {name} deletes its derivatives")) } else { waits() });
    };
    let said = sweeps::report(client, endpoint, &ended).await?.report;
    if ended.is_success() {
        return Ok(Purge::Done(format!("{} derivatives were deleted in {} s", said.deleted, said.seconds)));
    }
    Ok(stuck(format!("Job {name} failed: {}; its log says more, and once it is deleted it is tried again", said.message)))
}

/// Removes the Job, which nobody else would for an hour.
pub async fn forget(client: &Client, namespace: &str, name: &str) -> Result<(), kube::Error> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let with_pods = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    match jobs.delete(&purge_name(name), &with_pods).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}
