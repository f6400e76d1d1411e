//! Errors of S3 calls → the reason to report, and in short what would help.
//!
//! Of an answer only its status, code and message get into the text.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use http_body_util::LengthLimitError;
use k8s_openapi::jiff::Timestamp;
use resize_api::{condition::Reason, text::short};

use crate::{bucket::website::merge::Refusal, kubernetes::explain as explain_kubernetes, outbound};

/// Why a bucket is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// S3 failed, or was not asked.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The website configuration has no place for our rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody wrote the same configuration at the same time.
    #[error("the bucket's configuration was not as it had been written right before: somebody else writes it too")]
    ConcurrentWrite,
    /// The store does not keep what it accepts.
    #[error("the store accepts a website configuration and keeps no routing rule of it: it has none; use a store that has, or another way")]
    RulesDropped,
    /// Somebody keeps removing our rules.
    #[error(
        "somebody else removed the routing rules {times} times in an hour, last at {last}: find out who (Terraform, ACK, Crossplane?) and set \
         routing.management to Observe, or stop them; the bucket is left alone until the spec changes or an hour has passed"
    )]
    Overwritten {
        /// How often.
        times: usize,
        /// When they were missing last.
        last: Timestamp,
    },
    /// The record of what we do could not be written, so nothing else was.
    #[error("cannot record the routing rules: {}", explain_kubernetes(.0))]
    Record(#[from] kube::Error),
}

impl BucketError {
    /// The reason to report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::S3(error) => error.reason,
            Self::Refused(refusal) => refusal.reason(),
            Self::ConcurrentWrite => Reason::ConcurrentWrite,
            Self::RulesDropped => Reason::NotSupported,
            Self::Overwritten { .. } => Reason::ExternallyOverwritten,
            Self::Record(_) => Reason::KubernetesError,
        }
    }
}

/// A call to S3 that failed, or was not made: what to report, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct S3Error {
    /// The reason to report.
    pub reason: Reason,
    /// What failed, with what, and what would help.
    pub message: String,
}

impl S3Error {
    /// What `error` of the call `action` on `bucket`, which `owner` must own, means.
    pub fn of<E>(bucket: &str, owner: Option<&str>, action: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut explained = explain(bucket, action, &Failure::of(error));
        if let (Reason::AccessDenied, Some(owner)) = (explained.reason, owner) {
            // 403 is also S3's answer when expectedOwner is not the bucket's owner
            explained.message.push_str(", or correct bucket.expectedOwner: the bucket may not belong to account ");
            explained.message.push_str(owner);
        }
        explained
    }
}

/// How a call failed.
#[derive(Debug)]
enum Failure {
    /// S3 refused it.
    Answer {
        status: u16,
        code: String,
        detail: String,
    },
    /// Something else answered.
    NotS3 {
        status: u16,
        kind: String,
    },
    /// The answer is longer than any of S3.
    TooLong {
        status: u16,
    },
    /// The address is not one to connect to.
    Forbidden(outbound::Refused),
    NoAnswer {
        detail: String,
    },
    /// No identity is set anywhere.
    NoCredentials,
    /// One is set, and gives no credentials.
    Identity {
        detail: String,
    },
    NotSent {
        detail: String,
    },
}

impl Failure {
    fn of<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let detail = || short(&innermost(error).to_string());
        if let Some(refused) = cause::<outbound::Refused>(error) {
            return Self::Forbidden(refused.clone());
        }
        match cause::<CredentialsError>(error) {
            // its text lists all places that were looked at
            Some(CredentialsError::CredentialsNotLoaded(_)) => return Self::NoCredentials,
            Some(_) => return Self::Identity { detail: detail() },
            None => {}
        }
        let Some(response) = error.raw_response() else {
            return match error {
                SdkError::ConstructionFailure(_) => Self::NotSent { detail: detail() },
                _ => Self::NoAnswer { detail: detail() },
            };
        };
        let (status, kind) = (response.status().as_u16(), kind(response));
        let is_xml = kind.contains("xml");
        match error {
            SdkError::ResponseError(_) if cause::<LengthLimitError>(error).is_some() => Self::TooLong { status },
            // a proxy before the store may refuse without an S3 code
            SdkError::ServiceError(_) if error.code().is_some() || is_xml || kind.is_empty() || status == 429 || status >= 500 => {
                let code = error.code().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).take(64).collect();
                Self::Answer { status, code, detail: short(error.message().unwrap_or_default()) }
            }
            SdkError::ResponseError(_) if is_xml => {
                Self::Answer { status, code: String::new(), detail: "the answer cannot be read".to_owned() }
            }
            _ => Self::NotS3 { status, kind },
        }
    }
}

/// The type of an answer's content, without its parameters.
fn kind<B>(response: &Response<B>) -> String {
    let kind = response.headers().get("content-type").unwrap_or_default();
    short(kind.split(';').next().unwrap_or_default().trim()).chars().take(64).collect()
}

/// The error that the others wrap.
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    chain(error).last().unwrap_or(error)
}

/// The first error of this type among all that `error` wraps.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(<dyn Error>::downcast_ref)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn explain(bucket: &str, action: &str, failure: &Failure) -> S3Error {
    let (reason, message) = match failure {
        Failure::NoAnswer { detail } => {
            (Reason::S3Unreachable, format!("cannot reach S3 ({detail}): check bucket.endpoint, bucket.region and the network"))
        }
        Failure::Forbidden(refused) => (Reason::S3Unreachable, format!("S3 is not asked: {refused}")),
        Failure::NotS3 { status, kind } => (
            Reason::S3Error,
            format!(
                "{action} on bucket {bucket}: answers something that is no S3 (status {status}, {}): correct bucket.endpoint",
                if kind.is_empty() { "no content type" } else { kind }
            ),
        ),
        Failure::TooLong { status } => (
            Reason::S3Error,
            format!(
                "{action} on bucket {bucket}: answers something that is no S3 (status {status}, more than {} bytes): correct bucket.endpoint",
                outbound::MOST
            ),
        ),
        Failure::NoCredentials => (
            Reason::InvalidCredentials,
            "there are no credentials: set bucket.credentialsSecretRef, or give the operator an identity (IRSA, Pod Identity)".to_owned(),
        ),
        Failure::Identity { detail } => (
            Reason::InvalidCredentials,
            format!("the operator's own identity gives no credentials ({detail}): correct it, or set bucket.credentialsSecretRef"),
        ),
        Failure::NotSent { detail } => (
            Reason::InvalidCredentials,
            format!("{action} on bucket {bucket} cannot be asked ({detail}): correct bucket.endpoint, bucket.region or the credentials"),
        ),
        Failure::Answer { status, code, detail } => return refused(bucket, action, *status, code, detail),
    };
    S3Error { reason, message }
}

/// What S3 said: operation, status and code, and in one clause what that means or what to do.
fn refused(bucket: &str, action: &str, status: u16, code: &str, detail: &str) -> S3Error {
    let (reason, clause) = match (code, status) {
        ("NoSuchBucket", _) => (
            Reason::BucketNotFound,
            format!("bucket {bucket} does not exist: create it, or correct bucket.name, bucket.endpoint or bucket.region"),
        ),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired", _) => {
            (Reason::InvalidCredentials, "correct the keys in the Secret, or the identity".to_owned())
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301) => {
            (Reason::WrongRegion, format!("the bucket is in {}: correct bucket.region", expected_region(detail)))
        }
        ("RequestTimeTooSkewed", _) => {
            (Reason::S3Error, "the clocks of the store and of the operator differ by too much: set the clocks".to_owned())
        }
        // MinIO
        ("BadRequest", 400) if detail.contains("unsupported API call") => {
            (Reason::NotSupported, "the store does not know this call".to_owned())
        }
        ("NotImplemented", _) | (_, 501) => (Reason::NotSupported, "the store does not know this call".to_owned()),
        ("SlowDown" | "TooManyRequests" | "RequestLimitExceeded" | "Throttling" | "ThrottlingException", _) | (_, 429) => {
            (Reason::S3Throttled, "the store asks for fewer calls: tried again, more slowly".to_owned())
        }
        (_, 403) => (Reason::AccessDenied, "allow it in the identity's policy or the bucket's".to_owned()),
        _ => (Reason::S3Error, if detail.is_empty() { "tried again".to_owned() } else { detail.to_owned() }),
    };
    let code = if code.is_empty() { "without a code" } else { code };
    S3Error { reason, message: format!("{action} on bucket {bucket}: {status} {code}: {clause}") }
}

/// The region that S3 names in the text of its error, if it names one.
fn expected_region(detail: &str) -> String {
    let named = detail.split("expecting '").nth(1).and_then(|rest| rest.split('\'').next());
    named.map_or_else(|| "another region".to_owned(), |region| format!("region {region}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fake::refused;

    #[test]
    fn every_failure_has_a_reason_and_says_what_to_do() {
        let answer = |status, code: &str| Failure::Answer { status, code: code.into(), detail: "detail".into() };
        let detail = || "detail".to_owned();
        for (failure, reason, says) in [
            (Failure::NoAnswer { detail: detail() }, Reason::S3Unreachable, "check bucket.endpoint"),
            (Failure::NoCredentials, Reason::InvalidCredentials, "there are no credentials: set bucket.credentialsSecretRef"),
            (Failure::Identity { detail: detail() }, Reason::InvalidCredentials, "own identity gives no credentials (detail)"),
            (Failure::NotSent { detail: detail() }, Reason::InvalidCredentials, "correct bucket.endpoint"),
            (Failure::NotS3 { status: 200, kind: "text/html".into() }, Reason::S3Error, "no S3 (status 200, text/html)"),
            (answer(404, "NoSuchBucket"), Reason::BucketNotFound, "404 NoSuchBucket: bucket photos does not exist"),
            (answer(403, "AccessDenied"), Reason::AccessDenied, "s3:GetBucketWebsite on bucket photos: 403 AccessDenied: allow it"),
            (answer(403, ""), Reason::AccessDenied, "403 without a code: allow it"),
            (answer(403, "SignatureDoesNotMatch"), Reason::InvalidCredentials, "403 SignatureDoesNotMatch: correct the keys in the Secret"),
            (answer(403, "RequestTimeTooSkewed"), Reason::S3Error, "set the clocks"),
            (answer(400, "ExpiredToken"), Reason::InvalidCredentials, "ExpiredToken"),
            (answer(301, "PermanentRedirect"), Reason::WrongRegion, "correct bucket.region"),
            (answer(400, "AuthorizationHeaderMalformed"), Reason::WrongRegion, "in another region: correct bucket.region"),
            (
                Failure::Answer {
                    status: 400,
                    code: "AuthorizationHeaderMalformed".into(),
                    detail: "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'".into(),
                },
                Reason::WrongRegion,
                "the bucket is in region eu-west-1: correct bucket.region",
            ),
            (answer(503, "SlowDown"), Reason::S3Throttled, "503 SlowDown"),
            (answer(501, "NotImplemented"), Reason::NotSupported, "the store does not know this call"),
            (
                Failure::Answer { status: 400, code: "BadRequest".into(), detail: "An unsupported API call for method: PUT".into() },
                Reason::NotSupported,
                "the store does not know this call",
            ),
            (answer(429, ""), Reason::S3Throttled, "more slowly"),
            (answer(503, "ServiceUnavailable"), Reason::S3Error, "503 ServiceUnavailable: detail"),
        ] {
            let error = explain("photos", "s3:GetBucketWebsite", &failure);
            assert_eq!(error.reason, reason, "{error}");
            assert!(error.message.contains(says) && error.message.len() < 200, "{error}");
        }
        // the error of the client holds the whole answer of the API server as well
        assert_eq!(BucketError::Record(refused(409)).to_string(), "cannot record the routing rules: Conflict");
    }
}
