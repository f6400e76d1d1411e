//! The pod that follows events: what it is given by Secrets, and whether it is there.

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Secret},
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, Client};

use super::desired::CREDENTIALS_ANNOTATION;
use crate::{
    endpoint::{Endpoint, derivatives::Derivatives},
    fingerprint::fingerprint,
    names::follow_name,
    watch::children::Children,
};

/// How long the pod may be away before it is told: longer than a new one takes.
const AWAY: SignedDuration = SignedDuration::from_mins(2);

/// A fingerprint of what the pod reads from Secrets when it starts: it is replaced when that changes. `known` is that of the bucket's.
/// What cannot be read is as it was.
pub async fn credentials(
    client: &Client,
    children: &Children,
    endpoint: &Endpoint,
    derivatives: &Derivatives,
    known: Option<&str>,
) -> Option<String> {
    let webhook = derivatives.events.as_ref()?.webhook.as_ref();
    let (own, is_known) = (derivatives.secret.as_deref(), derivatives.secret == endpoint.bucket.secret);
    // it is told the authorities too
    let needs_known = own.is_some() && is_known || endpoint.bucket.ca_bundle.is_some();
    let names = own.filter(|_| !is_known).into_iter().chain(webhook.map(|webhook| webhook.token_secret_ref.name.as_str()));
    let mut parts = vec![known.filter(|_| is_known || needs_known).unwrap_or_default().as_bytes().to_vec()];
    let mut is_read = !needs_known || known.is_some();
    for name in names {
        match Api::<Secret>::namespaced(client.clone(), &endpoint.namespace).get(name).await {
            Ok(secret) => parts.extend(secret.data.into_iter().flatten().flat_map(|(key, value)| [key.into_bytes(), value.0])),
            Err(_) => is_read = false,
        }
    }
    if is_read {
        return Some(fingerprint(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    }
    let live = children.get::<Deployment>(&endpoint.namespace, &follow_name(&endpoint.name)).await?;
    live.spec.as_ref()?.template.metadata.as_ref()?.annotations.as_ref()?.get(CREDENTIALS_ANNOTATION).cloned()
}

/// Since when nothing follows events, if that is longer than a new pod takes.
pub fn away(follow: &Deployment, now: Timestamp) -> Option<String> {
    let mut conditions = follow.status.as_ref()?.conditions.iter().flatten();
    let missing = conditions.find(|condition| condition.type_ == "Available" && condition.status != "True")?;
    let since = missing.last_transition_time.as_ref()?.0;
    let message = missing.message.as_deref().unwrap_or_default();
    let name = follow.metadata.name.as_deref().unwrap_or_default();
    (now.duration_since(since) > AWAY).then(|| format!("Deployment {name} has had no pod that is ready since {since}: {message}"))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use crate::testing::{fake::Fake, fixtures::config};

    const FOLLOW: &str = "/apis/apps/v1/namespaces/demo/deployments/photos-follow";
    const SECRET: &str = "/api/v1/namespaces/demo/secrets/";

    fn secret(fake: &Fake, name: &str, value: &str) {
        let secret = json!({ "metadata": { "name": name }, "data": { "token": value } });
        fake.cluster.lock().unwrap().objects.insert(format!("{SECRET}{name}"), secret);
    }

    /// The annotation of the pods.
    fn stamp(fake: &Fake) -> Option<String> {
        let objects = &fake.cluster.lock().unwrap().objects;
        objects[FOLLOW]["spec"]["template"]["metadata"]["annotations"]["resize-operator.dev/credentials"].as_str().map(Into::into)
    }

    #[tokio::test]
    async fn the_pod_is_replaced_when_its_secrets_change() {
        let fake = Fake::new(config(), |resource| {
            let derivatives = json!({
                "credentialsSecretRef": { "name": "s3-delete" }, "events": { "webhook": { "tokenSecretRef": { "name": "hook" } } },
            });
            resource.spec.derivatives = Some(serde_json::from_value(derivatives).unwrap());
        })
        .await;
        secret(&fake, "s3-delete", "YQ==");
        secret(&fake, "hook", "YQ==");
        fake.settle().await;

        let first = stamp(&fake).unwrap();
        for name in ["s3-delete", "hook"] {
            let before = stamp(&fake);
            secret(&fake, name, "Yg==");
            fake.settle().await;
            assert_ne!(stamp(&fake), before, "{name}");
        }
        secret(&fake, "s3-delete", "YQ==");
        secret(&fake, "hook", "YQ==");
        fake.settle().await;
        assert_eq!(stamp(&fake), Some(first));
        fake.cluster.lock().unwrap().fault = Some(("/secrets/hook", StatusCode::NOT_FOUND));
        fake.settle().await;
        assert_eq!(fake.condition("Ready").1, "Serving", "the pods that serve have nothing to do with it");
    }
}
