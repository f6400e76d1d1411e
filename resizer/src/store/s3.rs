//! The store as any S3: AWS, or one that speaks its language.
//!
//! Region, endpoint and credentials are what the SDK finds in the environment;
//! it also repeats what is safe to repeat, within the bounds set here.

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
use aws_sdk_s3::{
    Client,
    config::{Builder, http::HttpResponse},
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
};
use resize_api::{Settings, settings::SettingError};

use super::{Metadata, Original, Overwrite, Store, StoreError};
use crate::{derivative::object::Derivative, watch::metrics::Metrics};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts of one operation, where it failed in a way that may pass; the pauses between them grow, and are random.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A store with an endpoint of its own mostly ignores the region, yet signatures need one.
const ENDPOINT_REGION: Region = Region::from_static("us-east-1");

/// One bucket.
pub struct S3 {
    client: Client,
    bucket: String,
    owner: Option<String>,
    /// How long getting and putting may take, all attempts of an operation together.
    get: TimeoutConfig,
    put: TimeoutConfig,
    /// The store refused a conditional PUT as such.
    unconditional: AtomicBool,
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
        let endpoint = endpoint(variable)?;
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE).with_max_backoff(LONGEST_PAUSE);
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(retries)
            // bodies have a deadline of their own
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .load()
            .await;
        let region = shared.region().cloned().filter(|region| !region.as_ref().is_empty()).or(endpoint.map(|_| ENDPOINT_REGION));
        let Some(region) = region else {
            return Err(SettingError { name: "AWS_REGION", problem: "not set; want the bucket's region".to_owned() });
        };
        Ok(Self::new(&shared.into_builder().region(region).build(), settings, metrics))
    }

    /// The bucket of `settings`, reached as `shared` says.
    pub fn new(shared: &SdkConfig, settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let config = Builder::from(shared).force_path_style(settings.force_path_style).build();
        Self {
            client: Client::from_conf(config),
            bucket: settings.bucket.clone(),
            owner: settings.expected_bucket_owner.clone(),
            get: timeouts(settings.bounds.fetch),
            put: timeouts(settings.bounds.store),
            unconditional: AtomicBool::new(false),
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

impl Store for S3 {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Original, StoreError>> {
        async move {
            let request = self.client.get_object().bucket(&self.bucket).key(key).set_expected_bucket_owner(self.owner.clone());
            let request = request.customize().config_override(Builder::default().timeout_config(self.get.clone()));
            let output = self.settle("get", request.send().await)?;
            Ok(Original {
                length: output.content_length.and_then(|length| length.try_into().ok()),
                content_type: output.content_type,
                etag: output.e_tag,
                metadata: output.metadata.unwrap_or_default(),
                body: futures::stream::unfold(output.body, |mut body| async move {
                    let chunk = body.next().await?.map_err(|error| StoreError::Interrupted(DisplayErrorContext(error).to_string()));
                    Some((chunk, body))
                })
                .boxed(),
            })
        }
        .boxed()
    }

    fn put<'a>(&'a self, derivative: &'a Derivative, overwrite: Overwrite) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let conditional = overwrite == Overwrite::Never && !self.unconditional.load(Ordering::Relaxed);
            let request = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(&derivative.key)
                // a body in memory: its length is known and its checksum goes into a header
                .body(ByteStream::from(derivative.bytes.clone()))
                .content_type(&derivative.content_type)
                .cache_control(&derivative.cache_control)
                .set_metadata(Some(derivative.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()))
                .set_if_none_match(conditional.then(|| "*".to_owned()))
                .set_expected_bucket_owner(self.owner.clone());
            let request = request.customize().config_override(Builder::default().timeout_config(self.put.clone()));
            match self.settle("put", request.send().await) {
                Err(StoreError::NotImplemented) if conditional => {
                    self.unconditional.store(true, Ordering::Relaxed);
                    self.put(derivative, Overwrite::Always).await
                }
                outcome => outcome.map(drop),
            }
        }
        .boxed()
    }

    fn metadata<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Metadata, StoreError>> {
        async move {
            let request = self.client.head_object().bucket(&self.bucket).key(key).set_expected_bucket_owner(self.owner.clone());
            let request = request.customize().config_override(Builder::default().timeout_config(self.put.clone()));
            Ok(self.settle("head", request.send().await)?.metadata.unwrap_or_default())
        }
        .boxed()
    }
}

/// At most `whole` for an operation, and half of it for each attempt.
fn timeouts(whole: Duration) -> TimeoutConfig {
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

fn classify<E>(error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if is_timeout(error) {
        return StoreError::TimedOut;
    }
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        (Some(404), Some("NoSuchBucket")) => StoreError::Failed("NoSuchBucket".to_owned()),
        (Some(404), _) => StoreError::Missing,
        // 409: another conditional PUT for the key is on its way
        (Some(412), _) | (Some(409), Some("ConditionalRequestConflict")) => StoreError::Exists,
        (Some(501), _) => StoreError::NotImplemented,
        (Some(503), _) | (_, Some("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded")) => StoreError::SlowDown,
        (Some(403), Some("AccessDenied") | None) => StoreError::Forbidden,
        (Some(status), Some(code)) => StoreError::Failed(format!("{status} {code}")),
        _ => StoreError::Failed(DisplayErrorContext(error).to_string()),
    }
}
