//! What is said to Kubernetes: a valid endpoint → its objects as they should be → what its pods do.

pub mod apply;
pub mod desired;
pub mod drift;
pub mod observe;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use resize_api::condition::Reason;

use self::{apply::ApplyError, desired::Objects};
use crate::{
    endpoint::Endpoint,
    kubernetes::explain,
    names::{resizer_name, selector_labels},
    report::Verdict,
    watch::children::Children,
};

/// The pods of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    /// Condition WorkloadAvailable.
    pub verdict: Verdict,
    /// Whether all run the current spec, and at least one serves.
    pub rolled_out: bool,
    /// How many there are.
    pub replicas: i32,
    /// How to find them.
    pub selector: String,
}

/// Why the objects are not as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The spec has to change: condition Accepted.
    Refused(Verdict),
    /// Condition WorkloadAvailable.
    Failed(Verdict),
}

/// Makes the objects of `endpoint` as they should be and looks at its pods, which use credentials with this fingerprint.
///
/// `is_settled`: nothing waits for old pods to go.
pub async fn bring_in_line(
    client: &Client,
    children: &Children,
    endpoint: &Endpoint,
    credentials: Option<String>,
    is_settled: bool,
) -> Result<Pods, Stopped> {
    // as long as the Secret cannot be read, pods go on with what they have
    let credentials = match credentials {
        None if endpoint.bucket.secret.is_some() => live_credentials(children, endpoint).await,
        known => known,
    };
    let objects = Objects::new(endpoint, credentials.as_deref());
    let deployment = apply::apply(client, children, endpoint, &objects).await.map_err(|error| stopped(&error))?;
    let observed = observe::workload(client, endpoint, &deployment, is_settled).await;
    let (verdict, rolled_out) = match observed {
        Ok(workload) => (workload.verdict, workload.rolled_out),
        Err(error) => (Verdict::unknown(Reason::KubernetesError, explain(&error)), false),
    };
    let replicas = deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
    let labels = selector_labels(&endpoint.name);
    let selector = labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
    Ok(Pods { verdict, rolled_out, replicas, selector })
}

/// Removes the objects of `endpoint`, which leads nobody to them.
pub async fn prune(client: &Client, children: &Children, endpoint: &Endpoint) -> Result<(), Verdict> {
    apply::prune(client, children, endpoint).await.map_err(|error| match stopped(&error) {
        Stopped::Refused(verdict) | Stopped::Failed(verdict) => verdict,
    })
}

fn stopped(error: &ApplyError) -> Stopped {
    let message = if let ApplyError::Kubernetes(error) = error { explain(error) } else { error.to_string() };
    match error.reason() {
        Reason::KubernetesError => Stopped::Failed(Verdict::no(Reason::KubernetesError, message)),
        reason => Stopped::Refused(Verdict::no(reason, message)),
    }
}

/// The fingerprint of the credentials that the pods have.
async fn live_credentials(children: &Children, endpoint: &Endpoint) -> Option<String> {
    let live = children.get::<Deployment>(&endpoint.namespace, &resizer_name(&endpoint.name)).await?;
    let annotations = live.spec.as_ref()?.template.metadata.as_ref()?.annotations.as_ref()?;
    annotations.get(desired::CREDENTIALS_ANNOTATION).cloned()
}
