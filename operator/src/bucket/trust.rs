//! The authorities that an endpoint names → clients that trust its store and its public URL by them, beside the public ones.

use std::{
    borrow::Borrow,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use reqwest::Certificate;
use resize_api::{ca_bundle::CaBundle, condition::Reason};

use crate::{
    bucket::{client::http_client, error::S3Error},
    fingerprint::fingerprint,
    kubernetes::explain,
    outbound::Outbound,
    public_url,
};

/// Most bytes of certificates: as many as all public authorities together have.
const MOST: usize = 256 << 10;

/// Certificates that can be read, and what connects by them. Those that are equal are one.
#[derive(Clone)]
pub struct Trust(Arc<Clients>);

struct Clients {
    pem: Vec<u8>,
    store: SharedHttpClient,
    visitor: reqwest::Client,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Borrow<[u8]> for Trust {
    fn borrow(&self) -> &[u8] {
        &self.0.pem
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.0.pem == other.0.pem
    }
}

impl Eq for Trust {}

/// As that of what is borrowed.
impl Hash for Trust {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.pem.as_slice().hash(state);
    }
}

impl Trust {
    /// What connects to the store.
    pub fn store(&self) -> SharedHttpClient {
        self.0.store.clone()
    }

    /// What asks the public URL.
    pub fn visitor(&self) -> &reqwest::Client {
        &self.0.visitor
    }

    /// Changes with the certificates.
    pub fn fingerprint(&self) -> String {
        fingerprint(&[&self.0.pem])
    }
}

/// All authorities that endpoints name. What is in use is read once.
#[derive(Debug)]
pub struct Authorities {
    outbound: Outbound,
    known: Mutex<HashSet<Trust>>,
}

impl Authorities {
    /// None yet; what trusts them goes where `outbound` lets it.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, known: Mutex::default() }
    }

    /// What `bundle` of `namespace` holds.
    pub async fn read(&self, client: &Client, namespace: &str, bundle: &CaBundle) -> Result<Trust, S3Error> {
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
            Ok(Some(pem)) => self.trust(pem).map_err(|problem| refused(Reason::SecretInvalid, format!("{key}: {problem}"))),
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
    fn trust(&self, pem: Vec<u8>) -> Result<Trust, &'static str> {
        if pem.len() > MOST {
            return Err("want at most 256 KiB of certificates: those of the authorities of this store alone");
        }
        if let Some(trust) = self.known().get(pem.as_slice()) {
            return Ok(trust.clone());
        }
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| "want certificates as PEM")?;
        if certificates.is_empty() {
            return Err("want certificates as PEM; it holds none");
        }
        let unreadable = |_| "holds a certificate that cannot be read";
        reqwest::Client::builder().tls_certs_only(certificates.clone()).build().map_err(unreadable)?;
        let visitor = public_url::client(self.outbound, certificates).map_err(unreadable)?;
        let store = http_client(Some(self.outbound), Some(&pem));
        let trust = Trust(Arc::new(Clients { pem, store, visitor }));
        let mut known = self.known();
        // nobody remembers those any more
        known.retain(|trust| Arc::strong_count(&trust.0) > 1);
        known.insert(trust.clone());
        Ok(trust)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<Trust>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::AUTHORITY;

    #[test]
    fn only_what_can_be_read_is_trusted() {
        let bad_content = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let authorities = Authorities::new(Outbound::new(false));
        for pem in ["", "nonsense", bad_content, key, "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n"] {
            assert!(authorities.trust(pem.into()).is_err(), "{pem}");
        }
        let many = AUTHORITY.repeat(1 + MOST / AUTHORITY.len());
        assert!(authorities.trust(many.into()).unwrap_err().contains("at most 256 KiB"));
    }

    #[test]
    fn equal_ones_are_read_once_and_kept_as_long_as_somebody_has_them() {
        let authorities = Authorities::new(Outbound::new(false));
        let trust = |times| authorities.trust(AUTHORITY.repeat(times).into()).unwrap();
        let [first, same, other] = [1, 1, 2].map(trust);
        assert!(Arc::ptr_eq(&first.0, &same.0));
        assert!(first != other && first.fingerprint() != other.fingerprint());
        drop(first);
        drop(other);
        assert!(Arc::ptr_eq(&same.0, &trust(1).0));
        trust(3);
        assert_eq!(authorities.known().len(), 2, "the one that nobody has is gone");
    }
}
