//! `bucket.publicRead`: policy and public access block are read, merged, written; put back when it is no longer wanted.
//!
//! The room above calls it under the bucket's lock; `policy` and `block` decide, `bucket::client` makes the calls.

mod block;
mod policy;

use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use resize_api::{condition::Reason, status::PublicRead};

use crate::bucket::{
    client::Bucket,
    error::{BucketError, S3Error},
};

/// Lets everybody read the objects. `before` is what we lifted earlier. Returns what we have lifted now.
///
/// Before the bucket is touched, `write_ahead` gets what will be lifted: whoever continues after a crash puts it back.
pub async fn grant(
    bucket: &Bucket,
    region: &str,
    before: Option<&PublicRead>,
    write_ahead: impl AsyncFnOnce(&PublicRead) -> Result<(), kube::Error>,
) -> Result<PublicRead, BucketError> {
    let add = |live: Option<&str>| policy::add(live, bucket.name(), region);
    let live = access_block(bucket).await?;
    let lifted = block::note(live.as_ref(), before);
    let plan = plan(bucket, add).await?;
    if before == Some(&lifted) && plan == policy::Plan::Keep && block::lift(live.as_ref()).is_none() {
        return Ok(lifted);
    }
    if before != Some(&lifted) {
        write_ahead(&lifted).await?;
    }
    // the record was written meanwhile and S3 has no lock: each is read again right before its PUT
    let live = access_block(bucket).await?;
    if block::note(live.as_ref(), Some(&lifted)) != lifted {
        return Err(BucketError::ConcurrentWrite);
    }
    if let Some(config) = block::lift(live.as_ref()) {
        bucket.put_access_block(config).await?;
    }
    bring_in_line(bucket, add).await?;
    Ok(lifted)
}

/// Takes our statement out of the policy, then puts the public access block back as it was. A bucket that is gone has neither.
pub async fn revoke(bucket: &Bucket, lifted: &PublicRead) -> Result<(), BucketError> {
    match bring_in_line(bucket, policy::remove).await {
        Err(error) if error.reason() == Reason::BucketNotFound => return Ok(()),
        done => done?,
    }
    if let Some(config) = block::restore(access_block(bucket).await?.as_ref(), lifted) {
        bucket.put_access_block(config).await?;
    }
    Ok(())
}

/// Reads the policy, writes it at once if it is not as `edit` has it, and looks whether it is.
async fn bring_in_line(bucket: &Bucket, edit: impl Fn(Option<&str>) -> Result<policy::Plan, serde_json::Error>) -> Result<(), BucketError> {
    match plan(bucket, &edit).await? {
        policy::Plan::Keep => return Ok(()),
        policy::Plan::Put(policy) => bucket.put_policy(policy).await?,
        policy::Plan::Delete => bucket.delete_policy().await?,
    }
    if plan(bucket, &edit).await? == policy::Plan::Keep { Ok(()) } else { Err(BucketError::ConcurrentWrite) }
}

/// What `edit` has to do with the policy as it is.
async fn plan(bucket: &Bucket, edit: impl Fn(Option<&str>) -> Result<policy::Plan, serde_json::Error>) -> Result<policy::Plan, S3Error> {
    let live = supported(bucket.policy().await)?;
    // serde's message would repeat parts of the policy
    edit(live.as_deref()).map_err(|error| S3Error {
        reason: Reason::S3Error,
        message: format!("the policy of bucket {} is no policy in JSON (line {}): correct it", bucket.name(), error.line()),
    })
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
