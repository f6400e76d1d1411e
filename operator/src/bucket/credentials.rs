//! The Secret with a bucket's credentials → a fingerprint of them, by which pods are replaced when they change.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{Api, Client};

use crate::{
    endpoint::{CREDENTIALS, Endpoint},
    fingerprint::fingerprint,
    names::resizer_name,
    watch::children::Children,
    workload::desired::CREDENTIALS_ANNOTATION,
};

/// The fingerprint of the credentials of `endpoint`, if it names a Secret.
///
/// As long as the Secret cannot be read, pods go on with what they have.
pub async fn fingerprint_for(client: &Client, children: &Children, endpoint: &Endpoint) -> Option<String> {
    let name = endpoint.bucket.secret.as_ref()?;
    if let Ok(secret) = Api::<Secret>::namespaced(client.clone(), &endpoint.namespace).get(name).await {
        return Some(fingerprint_of(&secret));
    }
    let live = children.get::<Deployment>(&endpoint.namespace, &resizer_name(&endpoint.name)).await?;
    let annotations = live.spec.as_ref()?.template.metadata.as_ref()?.annotations.as_ref()?;
    annotations.get(CREDENTIALS_ANNOTATION).cloned()
}

fn fingerprint_of(secret: &Secret) -> String {
    let value = |key: &&str| secret.data.as_ref().and_then(|data| data.get(*key)).map_or(&[][..], |bytes| &bytes.0);
    fingerprint(&CREDENTIALS.each_ref().map(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_with_the_credentials_alone() {
        let secret = |data: serde_json::Value| serde_json::from_value::<Secret>(json!({ "data": data })).unwrap();
        let before = fingerprint_of(&secret(json!({ "AWS_ACCESS_KEY_ID": "aWQ=", "AWS_SECRET_ACCESS_KEY": "a2V5" })));
        let other = fingerprint_of(&secret(json!({ "AWS_ACCESS_KEY_ID": "aWQ=", "AWS_SECRET_ACCESS_KEY": "bmV3" })));
        let same = fingerprint_of(&secret(json!({ "AWS_ACCESS_KEY_ID": "aWQ=", "AWS_SECRET_ACCESS_KEY": "a2V5", "note": "bmV3" })));
        assert_ne!(before, other);
        assert_eq!(before, same);
    }
}
