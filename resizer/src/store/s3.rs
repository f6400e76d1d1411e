//! A store in any S3: AWS, or one that is compatible with it. It touches the network.
//!
//! Region, endpoint and credentials are what the SDK finds in the environment; it also repeats idempotent operations, within the
//! bounds set here.

mod listing;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::{
    Client,
    config::{Builder, IdentityCache, RuntimeComponents, SharedHttpClient, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{ObjectCannedAcl, RequestPayer, ServerSideEncryption},
};
use aws_smithy_http_client::{
    Builder as HttpBuilder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
};
use resize_api::{
    Settings, Storage,
    environment::SettingError,
    stored::{Acl, Encryption},
    text::short,
};

use super::{Head, Object, Opened, Overwrite, Store, StoreError, listing::Moment};
use crate::watch::metrics::Metrics;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts of one operation, where it failed in a way that may pass; the pauses between them grow, and are random.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A store with an endpoint of its own mostly ignores the region, yet signatures need one.
const ENDPOINT_REGION: Region = Region::from_static("us-east-1");
/// See [`timeouts`].
const EARLIER: Duration = Duration::from_millis(100);

/// Codes by which S3 says that it does not accept the credentials, or the clock that they are used by.
const CREDENTIALS: [&str; 8] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "InvalidSecurity",
    "RequestTimeTooSkewed",
    "AccountProblem",
];

/// One bucket.
pub struct S3 {
    /// For what is read, and for all else: they differ in how long an operation may take, all of its attempts together, and share their
    /// connections and credentials.
    reads: Client,
    writes: Client,
    bucket: String,
    owner: Option<String>,
    payer: Option<RequestPayer>,
    storage: Storage,
    /// The store refused a condition of a PUT, or of a DELETE, as such.
    unconditional_put: AtomicBool,
    unconditional_delete: AtomicBool,
    metrics: Arc<Metrics>,
}

impl S3 {
    /// The bucket of `settings`, with what the environment says about the way there;
    /// `variable` gives the value of an environment variable if it is set.
    pub async fn from_env(
        settings: &Settings,
        variable: impl Fn(&str) -> Option<String>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, SettingError> {
        Ok(Self::new(&shared_config(variable).await?, settings, metrics))
    }

    /// The bucket of `settings`, reached as `shared` says.
    pub fn new(shared: &SdkConfig, settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let within = |whole| {
            let config = Builder::from(shared).force_path_style(settings.force_path_style).timeout_config(timeouts(whole));
            Client::from_conf(config.build())
        };
        Self {
            reads: within(settings.bounds.fetch),
            writes: within(settings.bounds.store),
            bucket: settings.bucket.clone(),
            owner: settings.expected_bucket_owner.clone(),
            payer: settings.requester_pays.then_some(RequestPayer::Requester),
            storage: settings.storage.clone(),
            unconditional_put: AtomicBool::new(false),
            unconditional_delete: AtomicBool::new(false),
            metrics,
        }
    }

    /// Counts the outcome of `operation`, and says what went wrong.
    fn settle<T, E>(&self, operation: &'static str, result: Result<T, SdkError<E, HttpResponse>>) -> Result<T, StoreError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match result {
            Ok(output) => {
                self.metrics.count_s3(operation, "200");
                Ok(output)
            }
            Err(error) => {
                self.metrics.count_s3(operation, &code(&error));
                Err(classify(&error))
            }
        }
    }
}

/// The [`Head`] in the output of GetObject or HeadObject, which have the same fields and no type in common.
macro_rules! described {
    ($output:ident) => {
        Head {
            etag: $output.e_tag,
            modified: $output.last_modified.map(Moment::from),
            content_type: $output.content_type,
            content_encoding: $output.content_encoding.filter(|encoding| is_encoded(encoding)),
            length: $output.content_length.and_then(|length| length.try_into().ok()),
            metadata: $output.metadata.unwrap_or_default(),
        }
    };
}

impl Store for S3 {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async move {
            let request = self.reads.get_object().bucket(&self.bucket).key(key);
            let request = request.set_expected_bucket_owner(self.owner.clone()).set_request_payer(self.payer.clone());
            let output = self.settle("get", request.send().await)?;
            Ok(Opened {
                head: described!(output),
                body: futures::stream::unfold(output.body, |mut body| async move {
                    let chunk = body.next().await?.map_err(|error| StoreError::Interrupted(innermost(&error)));
                    Some((chunk, body))
                })
                .boxed(),
            })
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let overwrite = if self.unconditional_put.load(Ordering::Relaxed) { Overwrite::Always } else { overwrite };
            let request = self
                .writes
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                // a body in memory: its length is known and its checksum goes into a header
                .body(ByteStream::from(object.bytes.clone()))
                .content_type(&object.content_type)
                .cache_control(&object.cache_control)
                .set_website_redirect_location(object.redirect.clone())
                .set_metadata(Some(object.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()))
                .set_if_none_match((overwrite == Overwrite::Never).then(|| "*".to_owned()))
                .set_if_match(if let Overwrite::Version(etag) = overwrite { Some(bare(etag)) } else { None })
                .set_acl((self.storage.acl == Acl::PublicRead).then_some(ObjectCannedAcl::PublicRead))
                .set_server_side_encryption(match self.storage.encryption {
                    Encryption::Bucket => None,
                    Encryption::Aes256 => Some(ServerSideEncryption::Aes256),
                    Encryption::Kms => Some(ServerSideEncryption::AwsKms),
                })
                .set_ssekms_key_id(self.storage.kms_key.as_ref().map(|key| key.as_str().to_owned()))
                .set_storage_class(self.storage.class.as_ref().map(|class| class.as_str().into()))
                .set_request_payer(self.payer.clone())
                .set_expected_bucket_owner(self.owner.clone());
            match self.settle("put", request.send().await) {
                Err(StoreError::NotImplemented) if overwrite != Overwrite::Always => {
                    self.unconditional_put.store(true, Ordering::Relaxed);
                    self.put(key, object, Overwrite::Always).await
                }
                outcome => outcome.map(drop),
            }
        }
        .boxed()
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        async move {
            let request = self.writes.head_object().bucket(&self.bucket).key(key);
            let request = request.set_expected_bucket_owner(self.owner.clone()).set_request_payer(self.payer.clone());
            let output = self.settle("head", request.send().await)?;
            Ok(described!(output))
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let etag = etag.filter(|_| !self.unconditional_delete.load(Ordering::Relaxed));
            let request = self.writes.delete_object().bucket(&self.bucket).key(key).set_if_match(etag.map(bare));
            let request = request.set_expected_bucket_owner(self.owner.clone()).set_request_payer(self.payer.clone());
            match self.settle("delete", request.send().await) {
                Err(StoreError::NotImplemented) if etag.is_some() => {
                    self.unconditional_delete.store(true, Ordering::Relaxed);
                    self.delete(key, None).await
                }
                Err(StoreError::Missing) => Ok(()),
                outcome => outcome.map(drop),
            }
        }
        .boxed()
    }

    fn may_list(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            // HeadBucket is allowed by s3:ListBucket
            let request = self.reads.head_bucket().bucket(&self.bucket).set_expected_bucket_owner(self.owner.clone());
            self.settle("head_bucket", request.send().await).map(drop)
        }
        .boxed()
    }
}

/// What the environment says about the way to the services of AWS, or to those that are compatible.
pub async fn shared_config(variable: impl Fn(&str) -> Option<String>) -> Result<SdkConfig, SettingError> {
    credentials(&variable)?;
    let endpoint = endpoint(variable)?;
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE).with_max_backoff(LONGEST_PAUSE);
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retries)
        .http_client(http_client())
        .identity_cache(IdentityCache::lazy().build())
        // `Opened::read` has a deadline for bodies
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await;
    let region = shared.region().cloned().filter(|region| !region.as_ref().is_empty()).or(endpoint.map(|_| ENDPOINT_REGION));
    let Some(region) = region else {
        return Err(SettingError { name: "AWS_REGION", problem: "not set; want the bucket's region".to_owned() });
    };
    Ok(shared.into_builder().region(region).build())
}

/// What the SDK would make of its own, for all clients together: one pool of connections, and authorities that are read once.
fn http_client() -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// An ETag as a condition has it: AWS takes it with and without quotes, Ceph 16 only without.
fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// At most `whole` for an operation, and half of it for each attempt. It ends a little before that, for which callers wait too, so each
/// operation ends by itself, and is counted.
fn timeouts(whole: Duration) -> TimeoutConfig {
    let whole = whole.saturating_sub(EARLIER.min(whole / 10));
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(whole))
        .operation_attempt_timeout(whole / 2)
        .operation_timeout(whole)
        .build()
}

/// The endpoint in the environment. The SDK would only warn of a bad one, and go to AWS instead.
fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>, SettingError> {
    for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
        let Some(url) = variable(name).filter(|url| !url.is_empty()) else { continue };
        let parsed = url.parse::<http::Uri>();
        if !parsed.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())) {
            return Err(SettingError { name, problem: format!("`{url}`: want a URL such as https://s3.example.com") });
        }
        return Ok(Some(url));
    }
    Ok(None)
}

/// Credentials in the environment that no request could carry: a Secret made of a file often ends with a newline.
fn credentials(variable: impl Fn(&str) -> Option<String>) -> Result<(), SettingError> {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        let Some(value) = variable(name) else { continue };
        let problem = match value.bytes().rposition(|byte| !byte.is_ascii_graphic()) {
            None => continue,
            Some(at) if at + 1 == value.len() && value.ends_with('\n') => "ends with a newline",
            Some(at) if at + 1 == value.len() || !value.as_bytes()[0].is_ascii_graphic() => "begins or ends with a blank",
            Some(_) => "has a blank or a character that is not ASCII",
        };
        return Err(SettingError { name, problem: format!("{problem}; want the text of the key alone") });
    }
    Ok(())
}

/// Whether `Content-Encoding` says that the bytes are not the object's own. `aws-chunked` is what some SDKs leave there.
fn is_encoded(encoding: &str) -> bool {
    encoding
        .split(',')
        .map(str::trim)
        .any(|word| !word.is_empty() && !matches!(word.to_ascii_lowercase().as_str(), "identity" | "aws-chunked"))
}

/// Bounded label of a failed operation: the HTTP status, or why there is none.
fn code<E>(error: &SdkError<E, HttpResponse>) -> String {
    match (error, error.raw_response()) {
        (_, Some(response)) => response.status().as_u16().to_string(),
        (error, None) if is_timeout(error) => "timeout".to_owned(),
        (SdkError::DispatchFailure(_), None) => "connection".to_owned(),
        _ => "none".to_owned(),
    }
}

fn is_timeout<E>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::TimeoutError(_)) || matches!(error, SdkError::DispatchFailure(failure) if failure.is_timeout())
}

/// The SDK tells of a request for which it found no credentials as of one that it could not send.
fn no_credentials<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

fn classify<E>(error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if is_timeout(error) {
        return StoreError::TimedOut;
    }
    match no_credentials(error) {
        Some(CredentialsError::CredentialsNotLoaded(_)) => return StoreError::Credentials("there are none".to_owned()),
        Some(error) => return StoreError::Credentials(error.to_string()),
        None => {}
    }
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        (Some(404), Some("NoSuchBucket")) => StoreError::NoBucket,
        (Some(404), _) => StoreError::Missing,
        // 409: another conditional PUT for the key is on its way
        (Some(412), _) | (Some(409), Some("ConditionalRequestConflict")) => StoreError::Exists,
        (Some(501), _) => StoreError::NotImplemented,
        (_, Some("InvalidObjectState")) => StoreError::Archived,
        (Some(429 | 503), _) | (_, Some("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded")) => {
            StoreError::SlowDown
        }
        (Some(403), Some("AccessDenied") | None) => StoreError::Forbidden,
        (Some(status), Some(code)) if CREDENTIALS.contains(&code) => StoreError::Credentials(format!("{status} {code}")),
        (Some(status), Some(code)) => StoreError::Failed(format!("{status} {code}")),
        (Some(status), None) => StoreError::Failed(format!("{status} without a code")),
        (None, _) => StoreError::Failed(innermost(error)),
    }
}

/// The error that the others wrap, as text on one line: theirs only repeat it, or list all fields of a request.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error);
    short(&last.to_string())
}
