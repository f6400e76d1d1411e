//! The authorities that an endpoint names → certificates that its store is trusted by, beside the public ones.

use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use reqwest::Certificate;
use resize_api::{ca_bundle::CaBundle, condition::Reason};

use crate::{bucket::error::S3Error, fingerprint::fingerprint, kubernetes::explain};

/// Certificates that can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Trust(Vec<u8>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// What `bundle` of `namespace` holds.
    pub async fn read(client: &Client, namespace: &str, bundle: &CaBundle) -> Result<Self, S3Error> {
        let CaBundle { config_map, secret, key } = bundle;
        let (what, found) = match (config_map, secret) {
            (Some(name), _) => {
                let found = Api::<ConfigMap>::namespaced(client.clone(), namespace).get(name).await;
                let value = |map: ConfigMap| map.data.and_then(|mut data| data.remove(key)).map(String::into_bytes);
                (format!("ConfigMap {name}"), found.map(value))
            }
            (None, name) => {
                let name = name.as_deref().unwrap_or_default();
                let found = Api::<Secret>::namespaced(client.clone(), namespace).get(name).await;
                (format!("Secret {name}"), found.map(|secret| secret.data.and_then(|mut data| data.remove(key)).map(|bytes| bytes.0)))
            }
        };
        let refused = |reason, problem| S3Error { reason, message: format!("{what}, named in bucket.caBundle, {problem}") };
        match found {
            Ok(Some(pem)) => Self::of(pem).map_err(|problem| refused(Reason::SecretInvalid, format!("{key}: {problem}"))),
            Ok(None) => Err(refused(Reason::SecretInvalid, format!("has no {key}: add it"))),
            Err(error) => {
                // a failed call says nothing about the object
                let is_its_own = matches!(&error, kube::Error::Api(status) if matches!(status.code, 403 | 404));
                let reason = if is_its_own { Reason::SecretInvalid } else { Reason::KubernetesError };
                Err(refused(reason, format!("cannot be read: {}", explain(&error))))
            }
        }
    }

    /// The certificates in `pem`. What builds connections panics at one that it cannot read, so all are tried here.
    pub fn of(pem: Vec<u8>) -> Result<Self, &'static str> {
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| "want certificates as PEM")?;
        if certificates.is_empty() {
            return Err("want certificates as PEM; it holds none");
        }
        let tried = reqwest::Client::builder().tls_certs_only(certificates).build();
        tried.map(|_| Self(pem)).map_err(|_| "holds a certificate that cannot be read")
    }

    /// The same as PEM.
    pub fn pem(&self) -> &[u8] {
        &self.0
    }

    /// The same for a client of any URL.
    pub fn certificates(&self) -> Vec<Certificate> {
        Certificate::from_pem_bundle(&self.0).unwrap_or_default()
    }

    /// Changes with the certificates.
    pub fn fingerprint(&self) -> String {
        fingerprint(&[&self.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_is_trusted() {
        let bad_content = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for pem in ["", "nonsense", bad_content, key, "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n"] {
            assert!(Trust::of(pem.into()).is_err(), "{pem}");
        }
    }
}
