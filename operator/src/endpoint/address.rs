//! A bucket as written, and the operator's defaults → how to reach it. `bucket`, `workload` and `tenancy` above take it. Pure.

use resize_api::{ResizeEndpoint, ca_bundle::CaBundle, status::Store};

use super::invalid::{InvalidField, invalid};
use crate::{
    config::S3Defaults,
    store_id::{ANY_REGION, StoreId},
};

/// A bucket and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAddress {
    /// Name.
    pub name: String,
    /// Region.
    pub region: String,
    /// Base URL of the store, without slash at the end; AWS if none.
    pub endpoint: Option<String>,
    /// Whether the bucket goes into the path.
    pub force_path_style: bool,
    /// Account that must own the bucket.
    pub expected_owner: Option<String>,
    /// Secret with the credentials; ambient ones if none.
    pub secret: Option<String>,
    /// Authorities by which the store is trusted beside the public ones.
    pub ca_bundle: Option<CaBundle>,
}

impl BucketAddress {
    /// The bucket of `resource`, with the operator's `defaults` for what it leaves open.
    pub fn new(resource: &ResizeEndpoint, defaults: &S3Defaults) -> Result<Self, InvalidField> {
        let bucket = &resource.spec.bucket;
        let endpoint = bucket.endpoint.as_ref().or(defaults.endpoint.as_ref()).map(|url| url.trim_end_matches('/').to_owned());
        let region = bucket.region.clone().or_else(|| defaults.region.clone()).or_else(|| endpoint.as_ref().map(|_| ANY_REGION.to_owned()));
        Ok(Self {
            name: bucket.name.clone(),
            region: region.ok_or_else(|| {
                invalid("bucket.region", "not set, and the operator has no default region; set it to the bucket's region")
            })?,
            endpoint,
            force_path_style: bucket.force_path_style.unwrap_or(defaults.force_path_style),
            expected_owner: bucket.expected_owner.clone(),
            secret: bucket.credentials_secret_ref.as_ref().map(|secret| secret.name.clone()),
            ca_bundle: bucket.ca_bundle.clone(),
        })
    }

    /// The store of the bucket.
    pub fn store(&self) -> StoreId {
        StoreId::new(self.endpoint.as_deref(), &self.region)
    }

    /// The same for a status.
    pub fn record(&self) -> Store {
        Store {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            force_path_style: self.force_path_style,
            expected_owner: self.expected_owner.clone(),
            credentials_secret: self.secret.clone(),
            ca_bundle: self.ca_bundle.clone(),
        }
    }

    /// The bucket of `resource` in the store that its status names. Credentials and authorities that the spec has for the same store by now are taken;
    /// where there was a Secret, the operator's own identity never is.
    pub fn recorded(resource: &ResizeEndpoint, store: &Store) -> Self {
        let spec = &resource.spec.bucket;
        let is_same = spec.endpoint.as_deref().is_none_or(|url| StoreId::new(Some(url), &store.region) == StoreId::from(store));
        let newer = spec.credentials_secret_ref.as_ref().filter(|_| is_same).map(|secret| secret.name.clone());
        let newer_bundle = spec.ca_bundle.clone().filter(|_| is_same);
        Self {
            name: spec.name.clone(),
            region: store.region.clone(),
            endpoint: store.endpoint.clone(),
            force_path_style: store.force_path_style,
            expected_owner: store.expected_owner.clone(),
            secret: store.credentials_secret.as_ref().map(|recorded| newer.unwrap_or_else(|| recorded.clone())),
            ca_bundle: newer_bundle.or_else(|| store.ca_bundle.clone()),
        }
    }

    /// Port of the store.
    pub fn port(&self) -> u16 {
        self.endpoint.as_deref().map_or(443, port_of)
    }
}

/// The port that an http or https URL leads to.
pub fn port_of(url: &str) -> u16 {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(if scheme == "http" { 80 } else { 443 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::resource;

    #[test]
    fn a_recorded_store_takes_newer_keys_and_never_the_operators_identity_in_place_of_keys() {
        let secret = |now: Option<&str>, endpoint: Option<&str>, recorded: Option<&str>| {
            let mut resource = resource();
            resource.spec.bucket.endpoint = endpoint.map(Into::into);
            resource.spec.bucket.credentials_secret_ref = now.map(|name| resize_api::endpoint::SecretRef { name: name.into() });
            let (endpoint, credentials_secret) = (Some("http://minio.example.com".into()), recorded.map(Into::into));
            BucketAddress::recorded(&resource, &Store { endpoint, credentials_secret, ..Store::default() }).secret
        };
        let (here, there) = (Some("http://MinIO.example.com:80"), Some("http://other.example.com"));
        assert_eq!(secret(Some("new"), here, Some("old")).as_deref(), Some("new"));
        assert_eq!(secret(Some("new"), there, Some("old")).as_deref(), Some("old"));
        assert_eq!(secret(None, None, Some("old")).as_deref(), Some("old"));
        assert_eq!(secret(None, here, Some("old")).as_deref(), Some("old"));
        assert_eq!(secret(Some("new"), here, None), None);
    }

    #[test]
    fn the_port_of_the_store_is_known() {
        let port = |endpoint: Option<&str>| {
            let mut resource = resource();
            resource.spec.bucket.endpoint = endpoint.map(Into::into);
            BucketAddress::new(&resource, &S3Defaults::default()).unwrap().port()
        };
        assert_eq!(port(None), 443);
        assert_eq!(port(Some("http://minio.example.com/")), 80);
        assert_eq!(port(Some("https://minio.example.com:9000")), 9000);
        assert_eq!(port(Some("http://[fd00::1]:7480")), 7480);
    }
}
