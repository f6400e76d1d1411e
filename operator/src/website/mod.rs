//! The bucket's website configuration: read, merged, written, verified.

pub mod merge;
pub mod rules;

use resize_api::{condition::Reason, status::RoutingRule};

use self::{
    merge::{Plan, Refusal},
    rules::Wanted,
};
use crate::s3::{Bucket, S3Error};

/// Why the rules are not in the bucket.
#[derive(Debug, thiserror::Error)]
pub enum WebsiteError {
    /// S3 failed.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The configuration has no place for our rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody wrote the configuration at the same time.
    #[error(
        "the routing rules were not there any more right after they had been written: somebody else writes the website configuration too"
    )]
    ConcurrentWrite,
    /// The record of our rules could not be written, so nothing else was.
    #[error("cannot record the routing rules: {0}")]
    Record(#[from] kube::Error),
}

impl WebsiteError {
    /// The reason to report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::S3(error) => error.reason,
            Self::Refused(refusal) => refusal.reason(),
            Self::ConcurrentWrite => Reason::ConcurrentWrite,
            Self::Record(_) => Reason::KubernetesError,
        }
    }
}

/// An error that stands before any call to S3.
pub fn s3_error(reason: Reason, message: String) -> WebsiteError {
    WebsiteError::S3(S3Error { reason, message })
}

/// Our mark in a bucket: the rules that are or may be there, and whether the configuration is our creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Rules.
    pub rules: Vec<RoutingRule>,
    /// Whether we created the configuration.
    pub created: bool,
}

/// Brings the wanted rules into the bucket and returns what is there of us.
///
/// Before the bucket is written, `write_ahead` gets the old and new rules together:
/// whoever continues after a crash knows every rule that may be ours.
pub async fn apply(
    bucket: &Bucket,
    recorded: &Record,
    wanted: &Wanted,
    write_ahead: impl AsyncFnOnce(Record) -> Result<(), kube::Error>,
) -> Result<Record, WebsiteError> {
    let live = bucket.website().await?;
    let (plan, rules) = merge::apply(live.as_ref(), &recorded.rules, wanted)?;
    let created = recorded.created || live.is_none();
    if let Plan::Put(config) = plan {
        let mut ahead = recorded.rules.clone();
        ahead.extend(rules.iter().filter(|rule| !recorded.rules.contains(rule)).cloned());
        write_ahead(Record { rules: ahead, created }).await?;
        bucket.put_website(config).await?;
        if !merge::holds(bucket.website().await?.as_ref(), &rules) {
            return Err(WebsiteError::ConcurrentWrite);
        }
    }
    Ok(Record { rules, created })
}

/// Looks whether the wanted rules are in the bucket. Writes nothing.
///
/// Returns the rules that should be there, and whether they are.
pub async fn observe(bucket: &Bucket, wanted: &Wanted) -> Result<(Vec<RoutingRule>, bool), WebsiteError> {
    let live = bucket.website().await?;
    let (_, rules) = merge::apply(live.as_ref(), &[], wanted)?;
    let there = merge::holds(live.as_ref(), &rules);
    Ok((rules, there))
}

/// Takes our rules out of the bucket. A bucket that is gone has none.
pub async fn remove(bucket: &Bucket, recorded: &Record) -> Result<(), S3Error> {
    let gone_is_fine = |error: S3Error| if error.reason == Reason::BucketNotFound { Ok(None) } else { Err(error) };
    let live = bucket.website().await.or_else(gone_is_fine)?;
    match merge::remove(live.as_ref(), &recorded.rules, recorded.created) {
        Plan::Keep => Ok(()),
        Plan::Put(config) => bucket.put_website(config).await,
        Plan::Delete => bucket.delete_website().await,
    }
}
