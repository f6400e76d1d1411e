//! The bucket's website configuration over S3, and what S3's errors mean.

use std::{fmt, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::{Credentials, Region},
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    types::{PublicAccessBlockConfiguration, WebsiteConfiguration},
};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, runtime_components::RuntimeComponents};
use resize_api::condition::Reason;

use crate::{
    bucket::{calls::Calls, website::Website},
    endpoint::{ANY_REGION, BucketAddress},
    fence::Fence,
};

/// A call to S3 that failed: what to report, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error {
    /// The reason to report.
    pub reason: Reason,
    /// What failed, with what, and what would help.
    pub message: String,
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for S3Error {}

/// What all calls share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Connections, ambient credentials, timeouts.
    pub config: SdkConfig,
    /// Who counts them.
    pub calls: Calls,
    /// Who may forbid them.
    pub fence: Fence,
}

impl Shared {
    /// Calls that nobody forbids.
    #[cfg(test)]
    pub fn open(config: SdkConfig) -> Self {
        let fence = Fence::closed();
        fence.open_until(std::time::Instant::now() + Duration::from_hours(1));
        Self { config, calls: Calls(crate::admin::metrics::Metrics::default()), fence }
    }
}

/// Connections, ambient credentials, timeouts.
pub async fn shared_config(region: Option<String>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    // every bucket brings its own region; without one here the SDK would ask the instance's metadata service
    let region = Region::new(region.unwrap_or_else(|| ANY_REGION.to_owned()));
    aws_config::from_env().region(region).timeout_config(timeouts).http_client(http_client()).load().await
}

/// The SDK's own default, but one for all buckets: else each would read the trusted certificates again, and share no connection.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// One bucket.
pub struct Bucket {
    client: Client,
    name: String,
    expected_owner: Option<String>,
}

impl Bucket {
    /// The bucket at `address`, with the given credentials or else the ambient ones.
    pub fn new(shared: &Shared, address: &BucketAddress, credentials: Option<Credentials>) -> Self {
        let mut config = aws_sdk_s3::config::Builder::from(&shared.config)
            .interceptor(shared.calls.clone())
            .interceptor(shared.fence.clone())
            .region(Region::new(address.region.clone()))
            .force_path_style(address.force_path_style);
        if let Some(url) = &address.endpoint {
            config = config.endpoint_url(url);
        }
        if let Some(credentials) = credentials {
            config = config.credentials_provider(credentials);
        }
        Self { client: Client::from_conf(config.build()), name: address.name.clone(), expected_owner: address.expected_owner.clone() }
    }
}

impl Website for Bucket {
    async fn get(&self) -> Result<Option<WebsiteConfiguration>, S3Error> {
        let call = self.client.get_bucket_website().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => {
                let config = WebsiteConfiguration::builder()
                    .set_redirect_all_requests_to(got.redirect_all_requests_to)
                    .set_index_document(got.index_document)
                    .set_error_document(got.error_document)
                    .set_routing_rules(got.routing_rules)
                    .build();
                // some servers answer an empty body where there is none
                Ok(Some(config).filter(|config| *config != WebsiteConfiguration::builder().build()))
            }
            Err(error) if error.code() == Some("NoSuchWebsiteConfiguration") => Ok(None),
            Err(error) => Err(self.explain("s3:GetBucketWebsite", &error)),
        }
    }

    async fn put(&self, config: WebsiteConfiguration) -> Result<(), S3Error> {
        let call = self.client.put_bucket_website().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.website_configuration(config).send().await.map(drop).map_err(|error| self.explain("s3:PutBucketWebsite", &error))
    }

    async fn delete(&self) -> Result<(), S3Error> {
        let call = self.client.delete_bucket_website().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
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
        let call = self.client.get_bucket_tagging().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => Ok(got.tag_set.into_iter().find(|tag| tag.key() == key).map(|tag| tag.value)),
            Err(error) if matches!(error.code(), Some("NoSuchTagSet" | "NoSuchTagSetError")) => Ok(None),
            Err(error) => Err(self.explain("s3:GetBucketTagging", &error)),
        }
    }

    /// The bucket's policy, if it has one.
    pub async fn policy(&self) -> Result<Option<String>, S3Error> {
        let call = self.client.get_bucket_policy().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => Ok(got.policy.filter(|policy| !policy.is_empty())),
            Err(error) if error.code() == Some("NoSuchBucketPolicy") => Ok(None),
            Err(error) => Err(self.explain("s3:GetBucketPolicy", &error)),
        }
    }

    /// Replaces the bucket's policy.
    pub async fn put_policy(&self, policy: String) -> Result<(), S3Error> {
        let call = self.client.put_bucket_policy().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.policy(policy).send().await.map(drop).map_err(|error| self.explain("s3:PutBucketPolicy", &error))
    }

    /// Removes the bucket's policy.
    pub async fn delete_policy(&self) -> Result<(), S3Error> {
        let call = self.client.delete_bucket_policy().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        call.send().await.map(drop).map_err(|error| self.explain("s3:DeleteBucketPolicy", &error))
    }

    /// The bucket's public access block, if it has one.
    pub async fn access_block(&self) -> Result<Option<PublicAccessBlockConfiguration>, S3Error> {
        let call = self.client.get_public_access_block().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
        match call.send().await {
            Ok(got) => Ok(got.public_access_block_configuration),
            Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") => Ok(None),
            Err(error) => of_ceph(&error).map(Some).ok_or_else(|| self.explain("s3:GetBucketPublicAccessBlock", &error)),
        }
    }

    /// Replaces the bucket's public access block.
    pub async fn put_access_block(&self, config: PublicAccessBlockConfiguration) -> Result<(), S3Error> {
        let call = self.client.put_public_access_block().bucket(&self.name).set_expected_bucket_owner(self.expected_owner.clone());
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
        let status = error.raw_response().map(|response| response.status().as_u16());
        let failure = match (error, status, error.code()) {
            (_, Some(status), code) => Failure::Answer { status, code },
            (SdkError::TimeoutError(_) | SdkError::DispatchFailure(_), ..) => Failure::NoAnswer,
            _ => Failure::NotSent,
        };
        let detail = error.message().map_or_else(|| DisplayErrorContext(error).to_string(), ToOwned::to_owned);
        let mut error = explain(&self.name, action, &failure, &detail);
        if let (Reason::AccessDenied, Some(owner)) = (error.reason, &self.expected_owner) {
            // S3 answers the same when the account is not the owner
            error.message.push_str(", or correct bucket.expectedOwner: the bucket may not belong to account ");
            error.message.push_str(owner);
        }
        error
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

enum Failure<'a> {
    Answer { status: u16, code: Option<&'a str> },
    NoAnswer,
    NotSent,
}

fn explain(bucket: &str, action: &str, failure: &Failure<'_>, detail: &str) -> S3Error {
    let (reason, message) = match failure {
        Failure::NoAnswer => {
            (Reason::S3Unreachable, format!("cannot reach S3 ({detail}): check bucket.endpoint, bucket.region and the network"))
        }
        Failure::NotSent => (
            Reason::InvalidCredentials,
            format!(
                "no usable credentials ({detail}): set bucket.credentialsSecretRef, or give the operator an identity (IRSA, Pod Identity)"
            ),
        ),
        Failure::Answer { status, code } => {
            let code = code.unwrap_or_default();
            match (code, status) {
                ("NoSuchBucket", _) => (
                    Reason::BucketNotFound,
                    format!("bucket {bucket} does not exist: create it, or correct bucket.name, bucket.endpoint or bucket.region"),
                ),
                ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired", _) => {
                    (Reason::InvalidCredentials, format!("S3 does not take the credentials ({code}): correct the Secret or the identity"))
                }
                ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301) => {
                    (Reason::WrongRegion, format!("bucket {bucket} is in another region ({detail}): correct bucket.region"))
                }
                ("NotImplemented", _) | (_, 501) => {
                    (Reason::NotSupported, format!("the store does not know {action} (status {status} {code})"))
                }
                ("SlowDown" | "TooManyRequests" | "RequestLimitExceeded" | "Throttling" | "ThrottlingException", _) | (_, 429) => (
                    Reason::S3Throttled,
                    format!("S3 asks for fewer calls ({action} on bucket {bucket}: status {status} {code}): tried again, more slowly"),
                ),
                (_, 403) => (
                    Reason::AccessDenied,
                    format!("S3 refuses {action} on bucket {bucket}: allow it in the identity's policy or the bucket's"),
                ),
                _ => (Reason::S3Error, format!("{action} on bucket {bucket}: status {status} {code} {detail}")),
            }
        }
    };
    S3Error { reason, message }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, serve::ListenerExt};

    use super::*;

    #[tokio::test]
    async fn buckets_share_their_connections() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let listener = listener.tap_io(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        tokio::spawn(async move { axum::serve(listener, Router::new()).await });
        let shared = Shared::open(shared_config(None).await);
        for name in ["cats", "dogs", "birds"] {
            let address = BucketAddress {
                name: name.into(),
                region: "us-east-1".into(),
                endpoint: endpoint.clone(),
                force_path_style: true,
                expected_owner: None,
                secret: None,
            };
            let credentials = Credentials::new("id", "key", None, None, "tests");
            assert_eq!(Bucket::new(&shared, &address, Some(credentials)).get().await.unwrap_err().reason, Reason::S3Error);
        }
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn every_failure_has_a_reason_and_says_what_to_do() {
        let answer = |status, code| Failure::Answer { status, code };
        for (failure, reason, says) in [
            (Failure::NoAnswer, Reason::S3Unreachable, "check bucket.endpoint"),
            (Failure::NotSent, Reason::InvalidCredentials, "bucket.credentialsSecretRef"),
            (answer(404, Some("NoSuchBucket")), Reason::BucketNotFound, "bucket photos does not exist"),
            (answer(403, Some("AccessDenied")), Reason::AccessDenied, "s3:GetBucketWebsite on bucket photos"),
            (answer(403, None), Reason::AccessDenied, "allow it"),
            (answer(403, Some("SignatureDoesNotMatch")), Reason::InvalidCredentials, "correct the Secret"),
            (answer(400, Some("ExpiredToken")), Reason::InvalidCredentials, "ExpiredToken"),
            (answer(301, Some("PermanentRedirect")), Reason::WrongRegion, "correct bucket.region"),
            (answer(400, Some("AuthorizationHeaderMalformed")), Reason::WrongRegion, "correct bucket.region"),
            (answer(503, Some("SlowDown")), Reason::S3Throttled, "503 SlowDown"),
            (answer(501, Some("NotImplemented")), Reason::NotSupported, "does not know s3:GetBucketWebsite"),
            (answer(429, None), Reason::S3Throttled, "more slowly"),
            (answer(503, Some("ServiceUnavailable")), Reason::S3Error, "503 ServiceUnavailable"),
        ] {
            let error = explain("photos", "s3:GetBucketWebsite", &failure, "detail");
            assert_eq!(error.reason, reason, "{error}");
            assert!(error.message.contains(says), "{error}");
        }
    }
}
