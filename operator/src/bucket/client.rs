//! A bucket over S3: reads are retried, writes are sent once. It touches the network.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::{Credentials, Region},
    error::{ProvideErrorMetadata, SdkError},
    types::{PublicAccessBlockConfiguration, WebsiteConfiguration},
};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

use crate::{
    bucket::{calls::Calls, error::S3Error, website::Website},
    endpoint::BucketAddress,
    fence::{Fence, WRITE},
    outbound::Outbound,
    store_id::ANY_REGION,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// What all calls share.
#[derive(Clone, Debug)]
pub struct Shared {
    config: SdkConfig,
    calls: Calls,
    fence: Fence,
    outbound: Outbound,
    http: SharedHttpClient,
}

impl Shared {
    /// Calls with the identity and settings of `config`, counted by `calls`; `fence` may forbid them, and `outbound` says where they lead.
    pub fn new(config: SdkConfig, calls: Calls, fence: Fence, outbound: Outbound) -> Self {
        // not the HTTP client of the credential providers: those must reach link-local addresses
        Self { config, calls, fence, outbound, http: http_client(Some(outbound), None) }
    }

    /// Calls that nobody forbids.
    #[cfg(test)]
    pub fn open(config: SdkConfig, outbound: Outbound) -> Self {
        let fence = Fence::closed();
        fence.open_until(std::time::Instant::now() + Duration::from_hours(1));
        Self::new(config, Calls(crate::admin::metrics::Metrics::default()), fence, outbound)
    }
}

/// Connections, ambient credentials, timeouts.
pub async fn shared_config(region: Option<String>) -> SdkConfig {
    // every bucket brings its own region; without one here the SDK would ask the instance's metadata service
    let region = Region::new(region.unwrap_or_else(|| ANY_REGION.to_owned()));
    aws_config::from_env().region(region).timeout_config(reads()).http_client(http_client(None, None)).load().await
}

/// How long reads may take. They are tried up to three times.
fn reads() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build()
}

/// How long a write may take. It is tried once: what it says may be out of date when it is tried again, and then a new read has to come first.
fn writes() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(WRITE).operation_timeout(WRITE).build()
}

/// The SDK's own default, but one for all buckets: else each would read the trusted certificates again, and share no connection.
/// Trusts the certificates in `pem` beside the public ones.
pub(super) fn http_client(outbound: Option<Outbound>, pem: Option<&[u8]>) -> SharedHttpClient {
    let tls = pem.map(|pem| TlsContext::builder().with_trust_store(TrustStore::default().with_pem_certificate(pem)).build());
    let tls = tls.and_then(Result::ok).unwrap_or_default();
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        match outbound {
            Some(outbound) => connector.build_with_resolver(outbound),
            None => connector.build(),
        }
    });
    SharedHttpClient::new(Unchecked(client))
}

/// An HTTP client that is not tried when a client of S3 is made with it, twice for each look at a bucket: that makes a connection's settings anew,
/// with all trusted certificates.
#[derive(Debug)]
struct Unchecked(SharedHttpClient);

impl HttpClient for Unchecked {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// One bucket.
pub struct Bucket {
    /// For what changes nothing.
    reads: Client,
    /// For what does: never repeated.
    writes: Client,
    name: String,
    expected_owner: Option<String>,
}

impl Bucket {
    /// The bucket at `address`, with the given credentials or else the ambient ones, by a client of its own if it has one.
    pub fn new(shared: &Shared, address: &BucketAddress, credentials: Option<Credentials>, http: Option<SharedHttpClient>) -> Self {
        let mut config = aws_sdk_s3::config::Builder::from(&shared.config)
            .http_client(http.unwrap_or_else(|| shared.http.clone()))
            .interceptor(shared.calls.clone())
            .interceptor(shared.fence.clone())
            .interceptor(shared.outbound)
            .region(Region::new(address.region.clone()))
            .force_path_style(address.force_path_style);
        if let Some(url) = &address.endpoint {
            config = config.endpoint_url(url);
        }
        if let Some(credentials) = credentials {
            config = config.credentials_provider(credentials);
        }
        let once = config.clone().retry_config(RetryConfig::disabled()).timeout_config(writes());
        Self {
            reads: Client::from_conf(config.build()),
            writes: Client::from_conf(once.build()),
            name: address.name.clone(),
            expected_owner: address.expected_owner.clone(),
        }
    }
}

impl Website for Bucket {
    async fn get(&self) -> Result<Option<WebsiteConfiguration>, S3Error> {
        let call = self.reads.get_bucket_website().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => {
                let config = WebsiteConfiguration::builder()
                    .set_redirect_all_requests_to(got.redirect_all_requests_to)
                    .set_index_document(got.index_document)
                    .set_error_document(got.error_document)
                    .set_routing_rules(got.routing_rules)
                    .build();
                // some servers answer an empty body where there is no configuration
                Ok(Some(config).filter(|config| *config != WebsiteConfiguration::builder().build()))
            }
            Err(error) if error.code() == Some("NoSuchWebsiteConfiguration") => Ok(None),
            Err(error) => Err(self.explain("s3:GetBucketWebsite", &error)),
        }
    }

    async fn put(&self, config: WebsiteConfiguration) -> Result<(), S3Error> {
        let call = self.writes.put_bucket_website().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.website_configuration(config).send().await.map(drop).map_err(|error| self.explain("s3:PutBucketWebsite", &error))
    }

    async fn delete(&self) -> Result<(), S3Error> {
        let call = self.writes.delete_bucket_website().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.send().await.map(drop).map_err(|error| self.explain("s3:DeleteBucketWebsite", &error))
    }
}

impl Bucket {
    /// Name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of the bucket's tag `key`.
    pub async fn tag(&self, key: &str) -> Result<Option<String>, S3Error> {
        let call = self.reads.get_bucket_tagging().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => Ok(got.tag_set.into_iter().find(|tag| tag.key() == key).map(|tag| tag.value)),
            Err(error) if matches!(error.code(), Some("NoSuchTagSet" | "NoSuchTagSetError")) => Ok(None),
            Err(error) => Err(self.explain("s3:GetBucketTagging", &error)),
        }
    }

    /// The bucket's policy, if it has one.
    pub async fn policy(&self) -> Result<Option<String>, S3Error> {
        let call = self.reads.get_bucket_policy().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => Ok(got.policy.filter(|policy| !policy.is_empty())),
            Err(error) if error.code() == Some("NoSuchBucketPolicy") => Ok(None),
            Err(error) => Err(self.explain("s3:GetBucketPolicy", &error)),
        }
    }

    /// Replaces the bucket's policy.
    pub async fn put_policy(&self, policy: String) -> Result<(), S3Error> {
        let call = self.writes.put_bucket_policy().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.policy(policy).send().await.map(drop).map_err(|error| self.explain("s3:PutBucketPolicy", &error))
    }

    /// Removes the bucket's policy.
    pub async fn delete_policy(&self) -> Result<(), S3Error> {
        let call = self.writes.delete_bucket_policy().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.send().await.map(drop).map_err(|error| self.explain("s3:DeleteBucketPolicy", &error))
    }

    /// The bucket's public access block, if it has one.
    pub async fn access_block(&self) -> Result<Option<PublicAccessBlockConfiguration>, S3Error> {
        let call = self.reads.get_public_access_block().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => Ok(got.public_access_block_configuration),
            Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") => Ok(None),
            Err(error) => of_ceph(&error).map(Some).ok_or_else(|| self.explain("s3:GetBucketPublicAccessBlock", &error)),
        }
    }

    /// Replaces the bucket's public access block.
    pub async fn put_access_block(&self, config: PublicAccessBlockConfiguration) -> Result<(), S3Error> {
        let call = self.writes.put_public_access_block().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.public_access_block_configuration(config)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.explain("s3:PutBucketPublicAccessBlock", &error))
    }

    fn explain<E>(&self, action: &str, error: &SdkError<E>) -> S3Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        S3Error::of(&self.name, self.expected_owner.as_deref(), action, error)
    }
}

/// Ceph (16.2) puts the block into an element of another name, which the SDK does not read.
fn of_ceph<E>(error: &SdkError<E>) -> Option<PublicAccessBlockConfiguration> {
    let text = std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()?;
    let (_, parts) = text.split_once("<BlockPublicAccessBlockConfiguration>")?;
    let part = |name: &str| Some(parts.split_once(&format!("<{name}>"))?.1.starts_with("true<"));
    let block = PublicAccessBlockConfiguration::builder()
        .set_block_public_acls(part("BlockPublicAcls"))
        .set_ignore_public_acls(part("IgnorePublicAcls"))
        .set_block_public_policy(part("BlockPublicPolicy"))
        .set_restrict_public_buckets(part("RestrictPublicBuckets"));
    Some(block.build())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
    use axum::{Router, serve::ListenerExt};
    use resize_api::condition::Reason;

    use super::*;

    fn address(name: &str, endpoint: &str) -> BucketAddress {
        BucketAddress {
            name: name.into(),
            region: "us-east-1".into(),
            endpoint: Some(endpoint.into()),
            force_path_style: true,
            expected_owner: None,
            secret: None,
            ca_bundle: None,
        }
    }

    /// The identity of a process that was given none.
    #[derive(Debug)]
    struct Nobody;

    impl ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody gave any")))
        }
    }

    #[tokio::test]
    async fn buckets_share_their_connections() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let listener = listener.tap_io(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        tokio::spawn(async move { axum::serve(listener, Router::new()).await });
        let shared = Shared::open(shared_config(None).await, Outbound::new(true));
        for name in ["cats", "dogs", "birds"] {
            let address = address(name, &endpoint);
            let credentials = Credentials::new("id", "key", None, None, "tests");
            assert_eq!(Bucket::new(&shared, &address, Some(credentials), None).get().await.unwrap_err().reason, Reason::S3Error);
        }
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    }

    /// The SDK reports that as a failure to reach S3.
    #[tokio::test]
    async fn no_credentials_at_all_are_told_in_so_many_words() {
        let nobody = aws_sdk_s3::config::SharedCredentialsProvider::new(Nobody);
        let config = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).credentials_provider(nobody).build();
        let shared = Shared::open(config, Outbound::new(true));
        let error = Bucket::new(&shared, &address("cats", "http://198.18.255.1:1"), None, None).get().await.unwrap_err();
        assert_eq!(error.reason, Reason::InvalidCredentials, "{error}");
        assert!(error.message.starts_with("there are no credentials: set bucket.credentialsSecretRef"), "{error}");
    }
}
