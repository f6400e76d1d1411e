//! What an endpoint names (a Secret, authorities) → the keys to its bucket and a fingerprint of them. Read once a reconcile.

use std::fmt;

use aws_sdk_s3::config::Credentials;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use resize_api::{ResizeEndpoint, ca_bundle::CaBundle, condition::Reason};

use super::trust::{Authorities, Trust};
use crate::{bucket::error::S3Error, endpoint::CREDENTIALS, fingerprint::fingerprint, kubernetes::explain};

/// How a bucket is entered: with the keys that are named, with the operator's own identity and the public authorities if none are, or
/// why not at all.
pub type Access = Result<Option<Keys>, S3Error>;

/// How a bucket is entered by `resource` with this `secret` and this `bundle` of its namespace.
pub async fn read(
    client: &Client,
    authorities: &Authorities,
    resource: &ResizeEndpoint,
    secret: Option<&str>,
    bundle: Option<&CaBundle>,
) -> Access {
    let namespace = resource.namespace().unwrap_or_default();
    let pair = match secret {
        Some(name) => Some(Pair::read(client, &namespace, name).await?),
        None => None,
    };
    let trust = match bundle {
        Some(bundle) => Some(authorities.read(client, &namespace, bundle).await?),
        None => None,
    };
    Ok((pair.is_some() || trust.is_some()).then_some(Keys { pair, trust }))
}

/// What a bucket is entered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Credentials; the operator's own identity if there are none.
    pair: Option<Pair>,
    /// Authorities by which the store is trusted beside the public ones.
    pub trust: Option<Trust>,
}

impl Keys {
    /// Changes with the keys. Pods are replaced when it does.
    pub fn fingerprint(&self) -> String {
        match (&self.pair, &self.trust) {
            (Some(pair), None) => pair.fingerprint(),
            (pair, trust) => {
                let parts = [pair.as_ref().map(Pair::fingerprint), trust.as_ref().map(Trust::fingerprint)].map(Option::unwrap_or_default);
                fingerprint(&[parts[0].as_bytes(), parts[1].as_bytes()])
            }
        }
    }

    /// The credentials.
    pub fn credentials(&self) -> Option<Credentials> {
        let Pair { id, secret, token } = self.pair.clone()?;
        Some(Credentials::new(id, secret, token, None, "Secret"))
    }
}

/// What a Secret with credentials holds.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    id: String,
    secret: String,
    token: Option<String>,
}

/// Says nothing of what they are.
impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair")
    }
}

impl Pair {
    /// The keys in the Secret `name` of `namespace`.
    async fn read(client: &Client, namespace: &str, name: &str) -> Result<Self, S3Error> {
        let failed = |reason, message| S3Error { reason, message };
        let secret = Api::<Secret>::namespaced(client.clone(), namespace).get(name).await.map_err(|error| {
            // a failed call says nothing about the Secret
            let is_its_own = matches!(&error, kube::Error::Api(status) if matches!(status.code, 403 | 404));
            let reason = if is_its_own { Reason::SecretInvalid } else { Reason::KubernetesError };
            failed(reason, format!("cannot read Secret {name}, named in bucket.credentialsSecretRef: {}", explain(&error)))
        })?;
        Self::of(name, &secret).map_err(|problem| failed(Reason::SecretInvalid, problem))
    }

    fn of(name: &str, secret: &Secret) -> Result<Self, String> {
        let value = |key: &str| {
            let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)).filter(|bytes| !bytes.0.is_empty()) else {
                return Ok(None);
            };
            let Ok(text) = std::str::from_utf8(&bytes.0) else { return Err(format!("{key} of Secret {name} is no text: write it anew")) };
            match blemish(text) {
                // the pods get the value unchanged, and S3 would refuse it
                Some(what) => {
                    Err(format!("{key} {what}: write the Secret {name} without it (kubectl create secret --from-literal, or printf %s)"))
                }
                None => Ok(Some(text.to_owned())),
            }
        };
        let required = |key: &str| value(key)?.ok_or_else(|| format!("Secret {name} has no {key}: add it"));
        let [id, key, token] = CREDENTIALS;
        Ok(Self { id: required(id)?, secret: required(key)?, token: value(token)? })
    }

    fn fingerprint(&self) -> String {
        fingerprint(&[self.id.as_bytes(), self.secret.as_bytes(), self.token.as_deref().unwrap_or_default().as_bytes()])
    }
}

/// What is wrong with a value that was not typed: no key of any store holds blanks or control characters.
fn blemish(text: &str) -> Option<&'static str> {
    if text.ends_with(['\n', '\r']) {
        Some("ends with a newline")
    } else if text.trim() != text {
        Some("has a blank at its start or end")
    } else if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
        Some("holds a blank or control character")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn secret(pairs: &[(&str, &str)]) -> Secret {
        let data = pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    #[test]
    fn the_fingerprint_changes_with_the_credentials_alone() {
        let of = |pairs: &[(&str, &str)]| Pair::of("s3", &secret(pairs)).unwrap().fingerprint();
        let before = of(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")]);
        let other = of(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "new")]);
        let same = of(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key"), ("note", "new")]);
        assert_ne!(before, other);
        assert_eq!(before, same);
    }

    /// The pods take the value as it is, so the operator may not trim what they cannot use.
    #[test]
    fn a_newline_or_blank_in_a_value_is_told_and_not_trimmed() {
        for (id, key, says) in [
            ("id", "key\n", "AWS_SECRET_ACCESS_KEY ends with a newline"),
            ("id\r\n", "key", "AWS_ACCESS_KEY_ID ends with a newline"),
            (" id", "key", "AWS_ACCESS_KEY_ID has a blank"),
            ("i d", "key", "holds a blank"),
            ("id", "", "has no AWS_SECRET_ACCESS_KEY"),
        ] {
            let refused = Pair::of("s3", &secret(&[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", key)])).unwrap_err();
            assert!(refused.contains(says), "{refused}");
            assert!(!refused.contains("key\n"), "{refused}");
        }
    }
}
