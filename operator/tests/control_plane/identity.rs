//! Where the operator's own identity comes from: a web identity token (IRSA), an agent on the node (Pod Identity), its environment;
//! and that it is renewed before it expires.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments, touch, wait_until_all_are},
    identity_source::{pod_identity, web_identity},
    process::{Operator, patiently},
    store::Store,
};

/// Serves one endpoint with this identity, and waits until the store has seen two keys of it.
async fn serves_and_renews(plane: &ControlPlane, name: &str, identity: &[(&str, String)], prefix: &str) {
    let identity: Vec<_> = identity.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let store = Store::start().await;
    let operator = Operator::start_as(plane, name, &plane.kubeconfig, &[], &identity);
    plane.apply(&[endpoint(&store, name)]).await;
    patiently(Duration::from_mins(2), &format!("{name}: the identity is renewed"), async || {
        touch(plane, &[name.to_owned()]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let keys: BTreeSet<_> = store.calls().into_iter().map(|call| call.key_id).collect();
        assert!(keys.iter().all(|key| key.starts_with(prefix)), "{keys:?}; the log is\n{}", operator.log());
        keys.len() >= 2
    })
    .await;
    wait_until_all_are(plane, 1, "Serving").await;
    assert!(store.website(name).is_some());
}

#[tokio::test]
async fn a_web_identity_token_is_exchanged_and_the_credentials_renewed() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let identity = web_identity(&plane.folder.join("token")).await;
    serves_and_renews(&plane, "irsa", &identity, "STS").await;
}

#[tokio::test]
async fn the_agent_of_pod_identity_is_asked_and_the_credentials_renewed() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let identity = pod_identity(&plane.folder.join("token")).await;
    serves_and_renews(&plane, "agent", &identity, "AGENT").await;
}
