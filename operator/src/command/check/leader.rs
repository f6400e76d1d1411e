//! The operator's pods → which Lease is its own, who leads, and whether it still does. It touches the network.
//!
//! Anybody may make a Lease of any name in a namespace of his own, so that no Lease says where the operator is.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use super::finding::Finding;
use crate::{
    config::Scope,
    kubernetes::explain,
    lead::lease::{duration, holder, pod_of},
    names::OPERATOR,
};

const SUBJECT: &str = "leader";
/// How long a Lease that looks old is watched for a renewal: clocks may differ, and a holder renews it every 5 seconds.
const PATIENCE: Duration = Duration::from_secs(7);
const LOOK: &str = "look at the pods of the operator (`kubectl get pods -A -l app.kubernetes.io/name=resize-operator`) and at their log";

/// An operator, as its pods tell.
#[derive(Debug)]
pub struct Installed {
    /// Its namespace.
    pub namespace: String,
    /// Name of the user that it is for Kubernetes, if it runs as a pod.
    pub account: Option<String>,
    /// What it keeps, and its Lease.
    pub scope: Scope,
}

/// Looks for the operator in `namespace`, or everywhere; in the namespace of the kubeconfig where pods may not be listed everywhere. Of
/// several it is the one whose Lease `scope` names.
pub async fn look(client: &Client, namespace: Option<&str>, scope: &Scope) -> (Finding, Option<Installed>) {
    let pods = match pods(client, namespace).await {
        Ok(pods) => pods,
        // where it is was told
        Err(_) if namespace.is_some() => Vec::new(),
        Err(error) => {
            let message = format!("the operator's pods cannot be looked for: {}; --operator-namespace says where it is", explain(&error));
            return (Finding::unknown(SUBJECT, message), None);
        }
    };
    let mut operators = operators(pods, scope.lease_name.as_deref());
    if operators.len() > 1 {
        let named: Vec<_> = operators.keys().map(|(namespace, lease)| format!("{namespace} (Lease {lease})")).collect();
        let message = format!("which is meant? --operator-namespace or --lease-name says it; there are pods in {}", named.join(", "));
        return (Finding::unknown(SUBJECT, message), None);
    }
    let Some((namespace, pods)) = operators.pop_first().map(|((namespace, _), pods)| (namespace, pods)).or_else(|| {
        // one that runs elsewhere has no pods
        namespace.map(|namespace| (namespace.to_owned(), Vec::new()))
    }) else {
        let advice = format!("install the chart, or say by --operator-namespace where the operator is, or {LOOK}");
        return (Finding::wrong(SUBJECT, "no pod of an operator is here", advice), None);
    };
    let name = pods.first().map_or_else(|| scope.lease_name().to_owned(), |pod| scope_of(pod).lease_name().to_owned());
    let (finding, leader) = lead(client, &namespace, &name).await;
    let pod = pods.iter().find(|pod| leader.as_deref() == pod.metadata.name.as_deref()).or(pods.first());
    let scope = pod.map_or_else(|| scope.clone(), scope_of);
    let account = pod.and_then(|pod| pod.spec.as_ref()?.service_account_name.as_ref());
    let account = account.map(|account| format!("system:serviceaccount:{namespace}:{account}"));
    (finding, Some(Installed { namespace, account, scope }))
}

async fn pods(client: &Client, namespace: Option<&str>) -> Result<Vec<Pod>, kube::Error> {
    let with = ListParams::default().labels(&format!("app.kubernetes.io/name={OPERATOR}"));
    let within = |namespace: &str| Api::<Pod>::namespaced(client.clone(), namespace);
    let listed = match namespace {
        Some(namespace) => within(namespace).list(&with).await,
        None => match Api::<Pod>::all(client.clone()).list(&with).await {
            Err(kube::Error::Api(status)) if status.code == 403 => within(client.default_namespace()).list(&with).await,
            listed => listed,
        },
    };
    listed.map(|pods| pods.items)
}

/// The pods of each operator whose Lease may have this name, the newest first, by namespace and Lease. Pods of the chart's tests belong to
/// none.
fn operators(pods: Vec<Pod>, lease: Option<&str>) -> BTreeMap<(String, String), Vec<Pod>> {
    let mut all = BTreeMap::<_, Vec<Pod>>::new();
    for pod in pods.into_iter().filter(|pod| pod.owner_references().iter().any(|owner| owner.kind == "ReplicaSet")) {
        let (namespace, its_lease) = (pod.namespace().unwrap_or_default(), scope_of(&pod).lease_name().to_owned());
        if lease.is_none_or(|lease| lease == its_lease) {
            all.entry((namespace, its_lease)).or_default().push(pod);
        }
    }
    for pods in all.values_mut() {
        pods.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp().map(|time| time.0)));
    }
    all
}

/// What the environment of `pod` says.
fn scope_of(pod: &Pod) -> Scope {
    let environment = || pod.spec.iter().flat_map(|spec| &spec.containers).flat_map(|container| container.env.iter().flatten());
    // of two variables of one name the last one counts
    let value = |name: &str| environment().rfind(|variable| variable.name == name).and_then(|variable| variable.value.clone());
    let namespaces = value("WATCH_NAMESPACES").unwrap_or_default();
    let watch_namespaces = namespaces.split(',').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
    Scope { watch_namespaces, lease_name: value("LEASE_NAME") }
}

/// What is to be said of the Lease, and the pod that leads.
async fn lead(client: &Client, namespace: &str, name: &str) -> (Finding, Option<String>) {
    let subject = format!("{SUBJECT} in namespace {namespace}");
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    let lease = match leases.get_opt(name).await {
        Ok(Some(lease)) => lease,
        Ok(None) => {
            return (Finding::wrong(subject, format!("there is no Lease {name}: no operator has led here"), LOOK), None);
        }
        Err(error) => return (Finding::unknown(subject, format!("Lease {name} cannot be read: {}", explain(&error))), None),
    };
    let Some(leader) = holder(&lease).map(|holder| pod_of(holder).to_owned()) else {
        return (Finding::wrong(subject, format!("Lease {name} was given back, and nobody has it"), LOOK), None);
    };
    let age = age(&lease, Timestamp::now());
    if age.is_some_and(|age| age <= duration(&lease).unwrap_or_default()) {
        return (Finding::ok(subject, format!("{leader} leads")), Some(leader));
    }
    tokio::time::sleep(PATIENCE).await;
    let finding = match leases.get_opt(name).await {
        Ok(Some(later)) if later.resource_version() != lease.resource_version() => Finding::ok(subject, format!("{leader} leads")),
        Err(error) => Finding::unknown(subject, format!("Lease {name} cannot be read: {}", explain(&error))),
        Ok(_) => {
            let since = age.map_or_else(String::new, |age| format!(" since {} s", age.as_secs()));
            Finding::wrong(subject, format!("{leader} has not renewed Lease {name}{since}"), LOOK)
        }
    };
    (finding, Some(leader))
}

/// How long ago it was renewed, by the clock of this machine.
fn age(lease: &Lease, now: Timestamp) -> Option<Duration> {
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?.0;
    Some(Duration::try_from(now.duration_since(renewed)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_lease_is_as_old_as_its_last_renewal() {
        let lease: Lease = serde_json::from_value(json!({ "metadata": { "name": "l" }, "spec": {
            "holderIdentity": "a_1", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.000000Z" } }))
        .unwrap();
        let at = |text: &str| age(&lease, text.parse().unwrap());
        assert_eq!(at("2026-01-02T03:04:25Z"), Some(Duration::from_secs(20)));
        assert_eq!(at("2026-01-02T03:04:00Z"), Some(Duration::ZERO), "the clock of the holder is ahead");
        assert_eq!(age(&Lease::default(), Timestamp::UNIX_EPOCH), None);
    }

    fn pod(namespace: &str, name: &str, created: &str, owner: &str, env: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "namespace": namespace, "name": name, "creationTimestamp": created,
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "u" }] },
            "spec": { "containers": [{ "name": "operator", "env": env }] },
        }))
        .unwrap()
    }

    #[test]
    fn pods_tell_which_operators_there_are() {
        let of = |name: &str| json!([{ "name": "LEASE_NAME", "value": "first" }, { "name": "LEASE_NAME", "value": name }]);
        let pods = || {
            vec![
                pod("a", "old", "2026-01-02T03:04:05Z", "ReplicaSet", of("pics")),
                pod("a", "new", "2026-01-02T03:04:06Z", "ReplicaSet", of("pics")),
                pod("a", "test", "2026-01-02T03:04:07Z", "Job", of("pics")),
                pod("b", "other", "2026-01-02T03:04:05Z", "ReplicaSet", json!([])),
            ]
        };
        let told = |lease| {
            let all = operators(pods(), lease).into_iter();
            all.map(|((namespace, lease), pods)| (namespace, lease, pods.iter().map(Pod::name_any).collect::<Vec<_>>().join(" ")))
                .collect::<Vec<_>>()
        };
        let (pics, other) =
            (("a".to_owned(), "pics".to_owned(), "new old".to_owned()), ("b".to_owned(), OPERATOR.to_owned(), "other".to_owned()));
        assert_eq!(told(None), [pics.clone(), other]);
        assert_eq!(told(Some("pics")), [pics]);
        let watching = pod("a", "p", "2026-01-02T03:04:05Z", "ReplicaSet", json!([{ "name": "WATCH_NAMESPACES", "value": "demo,web" }]));
        assert_eq!(scope_of(&watching).namespaces(), [Some("demo"), Some("web")]);
        assert_eq!(Scope::default().namespaces(), [None]);
    }
}
