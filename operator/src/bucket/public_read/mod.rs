//! `bucket.publicRead`: policy and public access block are read, merged, written; put back when it is no longer wanted.

mod block;
mod policy;

use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use resize_api::{condition::Reason, status::PublicRead};

use crate::bucket::{
    client::{Bucket, S3Error},
    website::WebsiteError,
};

/// Lets everybody read the objects. `before` is what we lifted earlier. Returns what we have lifted now.
///
/// Before the bucket is touched, `write_ahead` gets what will be lifted: whoever continues after a crash puts it back.
pub async fn grant(
    bucket: &Bucket,
    region: &str,
    before: Option<&PublicRead>,
    write_ahead: impl AsyncFnOnce(&PublicRead) -> Result<(), kube::Error>,
) -> Result<PublicRead, WebsiteError> {
    let live = access_block(bucket).await?;
    let lifted = block::note(live.as_ref(), before);
    let policy = supported(bucket.policy().await)?;
    let plan = policy::add(policy.as_deref(), bucket.name(), region).map_err(|error| unreadable(bucket, &error))?;
    if before != Some(&lifted) {
        write_ahead(&lifted).await?;
    }
    if let Some(config) = block::lift(live.as_ref()) {
        bucket.put_access_block(config).await?;
    }
    carry_out(bucket, plan).await?;
    Ok(lifted)
}

/// Takes our statement out of the policy, then puts the public access block back as it was. A bucket that is gone has neither.
pub async fn revoke(bucket: &Bucket, lifted: &PublicRead) -> Result<(), S3Error> {
    let policy = match bucket.policy().await {
        Err(error) if error.reason == Reason::BucketNotFound => return Ok(()),
        policy => supported(policy)?,
    };
    carry_out(bucket, policy::remove(policy.as_deref()).map_err(|error| unreadable(bucket, &error))?).await?;
    match block::restore(access_block(bucket).await?.as_ref(), lifted) {
        Some(config) => bucket.put_access_block(config).await,
        None => Ok(()),
    }
}

async fn carry_out(bucket: &Bucket, plan: policy::Plan) -> Result<(), S3Error> {
    match plan {
        policy::Plan::Keep => Ok(()),
        policy::Plan::Put(policy) => bucket.put_policy(policy).await,
        policy::Plan::Delete => bucket.delete_policy().await,
    }
}

/// A store that knows no public access block has none in the way.
async fn access_block(bucket: &Bucket) -> Result<Option<PublicAccessBlockConfiguration>, S3Error> {
    match bucket.access_block().await {
        Err(error) if error.reason == Reason::NotSupported => Ok(None),
        block => block,
    }
}

fn supported(policy: Result<Option<String>, S3Error>) -> Result<Option<String>, S3Error> {
    policy.map_err(|error| match error.reason {
        Reason::NotSupported => S3Error {
            message: format!("{}: set bucket.publicRead to false and publish the bucket by the means of this store", error.message),
            ..error
        },
        _ => error,
    })
}

fn unreadable(bucket: &Bucket, error: &serde_json::Error) -> S3Error {
    S3Error { reason: Reason::S3Error, message: format!("the policy of bucket {} is not JSON ({error}): correct it", bucket.name()) }
}
