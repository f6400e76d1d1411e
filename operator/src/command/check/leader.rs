//! The operator's Lease → who leads, and whether it still does. It touches the network.

use std::time::Duration;

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use super::finding::Finding;
use crate::kubernetes::explain;

const SUBJECT: &str = "leader";
/// How long a Lease that looks old is watched for a renewal: clocks may differ, and a holder renews it every 5 seconds.
const PATIENCE: Duration = Duration::from_secs(7);
const LOOK: &str = "look at the pods of the operator (`kubectl get pods -A -l app.kubernetes.io/name=resize-operator`) and at their log";

/// Who leads.
#[derive(Debug, Default)]
pub struct Leader {
    /// Namespace of the operator.
    pub namespace: Option<String>,
    /// Name of the user that it is for Kubernetes, if it runs as a pod.
    pub account: Option<String>,
}

/// Looks for Leases of this name in the operator's `namespace`, or in all; in that of the kubeconfig where all may not be listed.
pub async fn look(client: &Client, namespace: Option<&str>, name: &str) -> (Vec<Finding>, Option<Leader>) {
    let leases = match find(client, namespace, name).await {
        Ok(leases) => leases,
        Err(error) => {
            let message = format!("Lease {name} cannot be looked for: {}; --operator-namespace says where it is", explain(&error));
            return (vec![Finding::unknown(SUBJECT, message)], None);
        }
    };
    if leases.is_empty() {
        let message = format!("there is no Lease {name}: no operator has led here");
        return (vec![Finding::wrong(SUBJECT, message, format!("install the chart, or {LOOK}"))], None);
    }
    let (mut found, mut leader) = (Vec::new(), None);
    for lease in leases {
        let namespace = lease.namespace().unwrap_or_default();
        found.push(judge(client, &lease).await);
        if leader.is_none() {
            leader = Some(Leader { account: account(client, &lease).await, namespace: Some(namespace) });
        }
    }
    (found, leader)
}

async fn find(client: &Client, namespace: Option<&str>, name: &str) -> Result<Vec<Lease>, kube::Error> {
    let named = |namespace: &str| Api::<Lease>::namespaced(client.clone(), namespace);
    if let Some(namespace) = namespace {
        return Ok(named(namespace).get_opt(name).await?.into_iter().collect());
    }
    match Api::<Lease>::all(client.clone()).list(&ListParams::default().fields(&format!("metadata.name={name}"))).await {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Ok(named(client.default_namespace()).get_opt(name).await?.into_iter().collect())
        }
        listed => listed.map(|leases| leases.items),
    }
}

async fn judge(client: &Client, lease: &Lease) -> Finding {
    let (namespace, name) = (lease.namespace().unwrap_or_default(), lease.name_any());
    let subject = format!("{SUBJECT} in namespace {namespace}");
    let Some(holder) = holder(lease) else {
        return Finding::wrong(subject, format!("Lease {name} was given back, and nobody has it"), LOOK);
    };
    let age = age(lease, Timestamp::now());
    if age.is_some_and(|age| age <= duration(lease)) {
        return Finding::ok(subject, format!("{holder} leads"));
    }
    tokio::time::sleep(PATIENCE).await;
    let later = Api::<Lease>::namespaced(client.clone(), &namespace).get_opt(&name).await;
    match later {
        Ok(Some(later)) if later.resource_version() != lease.resource_version() => Finding::ok(subject, format!("{holder} leads")),
        Err(error) => Finding::unknown(subject, format!("Lease {name} cannot be read: {}", explain(&error))),
        Ok(_) => {
            let since = age.map_or_else(String::new, |age| format!(" since {} s", age.as_secs()));
            Finding::wrong(subject, format!("{holder} has not renewed Lease {name}{since}"), LOOK)
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    // the pod's name, and what tells one of its processes from the next
    Some(holder.rsplit_once('_').map_or(holder, |(pod, _)| pod))
}

/// How long ago it was renewed, by the clock of this machine.
fn age(lease: &Lease, now: Timestamp) -> Option<Duration> {
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?.0;
    Some(Duration::try_from(now.duration_since(renewed)).unwrap_or_default())
}

fn duration(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

/// The user that the pod which holds the Lease is.
async fn account(client: &Client, lease: &Lease) -> Option<String> {
    let namespace = lease.namespace()?;
    let pod = Api::<Pod>::namespaced(client.clone(), &namespace).get_opt(holder(lease)?).await.ok()??;
    Some(format!("system:serviceaccount:{namespace}:{}", pod.spec?.service_account_name?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lease_is_as_old_as_its_last_renewal() {
        let lease: Lease = serde_json::from_value(json!({ "metadata": { "name": "l" }, "spec": {
            "holderIdentity": "operator-7d_9f_00c0ffee", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.000000Z" } }))
        .unwrap();
        let at = |text: &str| age(&lease, text.parse().unwrap());
        assert_eq!((holder(&lease), duration(&lease)), (Some("operator-7d_9f"), Duration::from_secs(15)));
        assert_eq!(at("2026-01-02T03:04:25Z"), Some(Duration::from_secs(20)));
        assert_eq!(at("2026-01-02T03:04:00Z"), Some(Duration::ZERO), "the clock of the holder is ahead");
        assert_eq!((holder(&Lease::default()), age(&Lease::default(), Timestamp::UNIX_EPOCH)), (None, None));
    }
}
