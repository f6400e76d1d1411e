//! What is said to Kubernetes: a valid endpoint → its objects as they should be → what its pods do.
//!
//! `reconcile` above calls it; `desired` builds, `drift` compares, `apply` writes, `observe` and `originals` look at the `pods`,
//! `derivatives`, `follow`, `sweeps` and `purge` at what keeps derivatives true. Below are `watch`, `endpoint` and `report`.

pub mod address;
pub mod apply;
pub mod apply_error;
pub mod cluster;
pub mod derivatives;
pub mod desired;
pub mod drift;
pub mod follow;
pub mod observe;
pub mod originals;
pub mod pods;
pub mod purge;
pub mod rollouts;
mod stamp;
pub mod sweeps;

use k8s_openapi::{
    api::{apps::v1::Deployment, networking::v1::Ingress},
    jiff::Timestamp,
};
use resize_api::condition::Reason;

use self::{
    address::Address,
    apply::Applied,
    apply_error::ApplyError,
    cluster::Cluster,
    desired::{DerivativeObjects, Objects},
    observe::Observed,
    pods::Listed,
};
use crate::{
    endpoint::Endpoint,
    http_route::HTTPRoute,
    kubernetes::explain,
    names::{resizer_name, selector},
    report::Verdict,
    watch::children::Children,
};

/// The pods of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Pods {
    /// Condition WorkloadAvailable.
    pub verdict: Verdict,
    /// Whether all run the current spec, and at least one serves.
    pub rolled_out: bool,
    /// Whether they are of an earlier operator, and wait for their turn to be replaced.
    pub wait: bool,
    /// Whether their address outside is still to come.
    pub awaits_address: bool,
    /// How many there are.
    pub replicas: i32,
    /// How to find them.
    pub selector: String,
    /// They themselves, if they were looked at.
    pub listed: Option<Listed>,
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
    cluster: Cluster<'_>,
    endpoint: &Endpoint,
    credentials: Option<String>,
    is_settled: bool,
    now: Timestamp,
) -> Result<Pods, Stopped> {
    let children = cluster.children;
    // as long as the Secret cannot be read, pods go on with what they have
    let credentials = match credentials {
        None if endpoint.bucket.secret.is_some() || endpoint.bucket.ca_bundle.is_some() => live_credentials(children, endpoint).await,
        known => known,
    };
    let objects = Objects::new(endpoint, credentials.as_deref());
    let Applied { deployment, waits, notes } = match apply::apply(cluster, endpoint, &objects).await {
        Ok(applied) => applied,
        Err(error) => {
            let before = children.get::<Deployment>(&endpoint.namespace, &resizer_name(&endpoint.name)).await;
            return Err(stopped(&error, before.as_deref()));
        }
    };
    let observed = observe::observe(cluster.client, endpoint, &deployment, is_settled).await;
    let Observed { mut verdict, rolled_out, listed } = observed.unwrap_or_else(|error| {
        let verdict = Verdict::unknown(Reason::KubernetesError, explain(&error));
        Observed { verdict, rolled_out: false, listed: None }
    });
    let name = resizer_name(&endpoint.name);
    let mut address = Address::Given;
    if objects.ingress.is_some() {
        address = address.and(address::of_ingress(children.get::<Ingress>(&endpoint.namespace, &name).await.as_deref(), now));
    }
    if objects.route.is_some() {
        address = address.and(address::of_route(children.get::<HTTPRoute>(&endpoint.namespace, &name).await.as_deref(), now));
    }
    if let (Address::Missing(what), Reason::PodsAvailable) = (&address, verdict.reason) {
        verdict = Verdict { reason: Reason::NoAddress, message: format!("{}; {what}", verdict.message), ..verdict };
    }
    if let (true, Reason::PodsAvailable) = (waits, verdict.reason) {
        verdict.reason = Reason::WaitingForRollouts;
    }
    for note in notes {
        verdict.message = format!("{}; {note}", verdict.message);
    }
    let replicas = deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
    Ok(Pods {
        verdict,
        rolled_out: rolled_out && !waits,
        wait: waits,
        awaits_address: address == Address::Expected,
        replicas,
        selector: selector(&endpoint.name),
        listed,
    })
}

/// Removes the objects of `endpoint`, to which no rule leads.
pub async fn prune(cluster: Cluster<'_>, endpoint: &Endpoint) -> Result<(), Verdict> {
    apply::prune(cluster, endpoint, &DerivativeObjects::default()).await.map_err(|error| not_kept(&error))
}

/// How `error` is reported of what keeps derivatives true.
fn not_kept(error: &ApplyError) -> Verdict {
    match stopped(error, None) {
        Stopped::Refused(verdict) | Stopped::Failed(verdict) => verdict,
    }
}

/// How `error` is reported, and what pods of the Deployment as it was `before` still do.
fn stopped(error: &ApplyError, before: Option<&Deployment>) -> Stopped {
    let message = if let ApplyError::Kubernetes(error) = error { explain(error) } else { error.to_string() };
    let still = before.and_then(|deployment| deployment.status.as_ref()?.available_replicas).filter(|available| *available > 0);
    let message = still.map_or(message.clone(), |available| format!("{message}; {available} pods of an earlier spec go on serving"));
    match error.reason() {
        reason @ (Reason::KubernetesError | Reason::Forbidden) => Stopped::Failed(Verdict::no(reason, message)),
        reason => Stopped::Refused(Verdict::no(reason, message)),
    }
}

/// The fingerprint of the credentials that the pods have.
async fn live_credentials(children: &Children, endpoint: &Endpoint) -> Option<String> {
    let live = children.get::<Deployment>(&endpoint.namespace, &resizer_name(&endpoint.name)).await?;
    let annotations = live.spec.as_ref()?.template.metadata.as_ref()?.annotations.as_ref()?;
    annotations.get(desired::CREDENTIALS_ANNOTATION).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(code: u16, message: &str) -> ApplyError {
        let status = json!({ "status": "Failure", "message": message, "reason": "", "code": code });
        ApplyError::Kubernetes(kube::Error::Api(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn what_the_api_refuses_is_the_specs_or_somebodys_rule_and_both_are_told_in_its_words() {
        for (code, message, reason) in [
            (422, "Deployment.apps \"photos-resizer\" is invalid: tolerations[0].operator: Invalid value", Reason::InvalidSpec),
            (400, "quantities must match the regular expression", Reason::InvalidSpec),
            (
                500,
                "failed to create typed patch object (demo/photos-resizer): .env: duplicate entries for key [name=\"A\"]",
                Reason::InvalidSpec,
            ),
            (403, "services is forbidden: exceeded quota: compute", Reason::Forbidden),
            (400, "admission webhook \"validate.kyverno.svc-fail\" denied the request: no", Reason::Forbidden),
            (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", Reason::Forbidden),
            (500, "etcd is gone", Reason::KubernetesError),
        ] {
            let (Stopped::Failed(verdict) | Stopped::Refused(verdict)) = stopped(&refused(code, message), None);
            assert_eq!((verdict.reason, verdict.message.as_str()), (reason, message));
        }
        let before = serde_json::from_value(json!({ "status": { "availableReplicas": 2 } })).unwrap();
        let Stopped::Refused(verdict) = stopped(&refused(422, "is invalid"), Some(&before)) else { panic!("not the spec's") };
        assert_eq!(verdict.message, "is invalid; 2 pods of an earlier spec go on serving");
    }
}
