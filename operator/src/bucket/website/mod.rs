//! The bucket's website configuration: read, merged, written, verified.
//!
//! The room above calls it under the bucket's lock; `merge` decides, `contention` counts removals, `bucket::client` makes the calls.

pub mod contention;
pub mod merge;

use aws_sdk_s3::types::WebsiteConfiguration;
use k8s_openapi::jiff::Timestamp;
use resize_api::{condition::Reason, routing::RoutingRule, status::Record};

use self::merge::Plan;
use crate::{
    bucket::error::{BucketError, S3Error},
    endpoint::rules::Wanted,
};

/// Where a website configuration is kept.
pub trait Website: Sync {
    /// The configuration, if there is one.
    fn get(&self) -> impl Future<Output = Result<Option<WebsiteConfiguration>, S3Error>> + Send;
    /// Replaces it.
    fn put(&self, config: WebsiteConfiguration) -> impl Future<Output = Result<(), S3Error>> + Send;
    /// Removes it.
    fn delete(&self) -> impl Future<Output = Result<(), S3Error>> + Send;
}

/// Brings the wanted rules into the website. Returns what is or may be there of us now, and whether the website was written.
///
/// Before it is written, `write_ahead` gets the old and new rules together:
/// whoever continues after a crash knows every rule that may be ours.
pub async fn apply(
    website: &impl Website,
    recorded: &Record,
    wanted: &Wanted,
    now: Timestamp,
    write_ahead: impl AsyncFnOnce(&Record) -> Result<(), kube::Error>,
) -> (Record, Result<bool, BucketError>) {
    let mut record = recorded.clone();
    if !record.left.is_empty() {
        // nobody has looked at the rules that Observe left since: not all of them need be there
        record.pending = true;
        let left = std::mem::take(&mut record.left);
        record.rules.extend(left);
    }
    let result = bring_in(website, &mut record, wanted, now, write_ahead).await;
    (record, result)
}

async fn bring_in(
    website: &impl Website,
    record: &mut Record,
    wanted: &Wanted,
    now: Timestamp,
    write_ahead: impl AsyncFnOnce(&Record) -> Result<(), kube::Error>,
) -> Result<bool, BucketError> {
    let live = website.get().await?;
    let (plan, rules) = merge::apply(live.as_ref(), &record.rules, wanted)?;
    record.removed = contention::recent(&record.removed, now);
    if plan == Plan::Keep {
        (record.rules, record.pending) = (rules, false);
        return Ok(false);
    }
    // a rule that was not seen in the bucket cannot have been removed from it
    let removed = !record.pending && !merge::holds(live.as_ref(), &record.rules);
    contention::go_on(&mut record.removed, removed, now)?;
    let new: Vec<_> = rules.iter().filter(|rule| !record.rules.contains(rule)).cloned().collect();
    record.rules.extend(new);
    record.created |= live.is_none();
    record.pending = true;
    write_ahead(record).await?;

    // the record was written meanwhile and S3 has no lock: read once more, right before the PUT
    let live = website.get().await?;
    let (plan, again) = merge::apply(live.as_ref(), &record.rules, wanted)?;
    if again != rules || (live.is_none() && !record.created) {
        return Err(BucketError::ConcurrentWrite);
    }
    if let Plan::Put(config) = plan {
        website.put(config).await?;
    }
    let after = website.get().await?;
    if !merge::holds(after.as_ref(), &rules) {
        // no rule of anybody is there, and ours were missing before within the hour: the store keeps none
        let keeps_none = after.is_none_or(|config| config.routing_rules().is_empty());
        if keeps_none && !record.removed.is_empty() {
            return Err(BucketError::RulesDropped);
        }
        record.removed.push(now);
        return Err(BucketError::ConcurrentWrite);
    }
    (record.rules, record.pending) = (rules, false);
    Ok(true)
}

/// Looks whether the wanted rules are in the website. Writes nothing.
///
/// Returns the rules that should be there, those of them `recorded` that are there and should not be, and whether
/// it waits for somebody to write them.
pub async fn observe(website: &impl Website, recorded: &Record, wanted: &Wanted) -> Result<Record, BucketError> {
    let live = website.get().await?;
    let ours: Vec<_> = recorded.rules.iter().chain(&recorded.left).cloned().collect();
    let (_, rules) = merge::apply(live.as_ref(), &ours, wanted)?;
    let pending = !merge::holds(live.as_ref(), &rules);
    let is_left = |rule: &RoutingRule| !rules.contains(rule) && merge::holds(live.as_ref(), std::slice::from_ref(rule));
    let mut left: Vec<RoutingRule> = Vec::new();
    for rule in ours.into_iter().filter(is_left) {
        if !left.contains(&rule) {
            left.push(rule);
        }
    }
    Ok(Record { rules, pending, left, removed: Vec::new(), ..recorded.clone() })
}

/// Takes our rules out of the website, and looks whether they are. A bucket that is gone has none.
pub async fn remove(website: &impl Website, recorded: &Record) -> Result<(), BucketError> {
    let plan = async || match website.get().await {
        Err(error) if error.reason != Reason::BucketNotFound => Err(error),
        live => Ok(merge::remove(live.unwrap_or_default().as_ref(), &recorded.rules, recorded.created)),
    };
    match plan().await? {
        Plan::Keep => return Ok(()),
        Plan::Put(config) => website.put(config).await?,
        Plan::Delete => website.delete().await?,
    }
    if plan().await? == Plan::Keep { Ok(()) } else { Err(BucketError::ConcurrentWrite) }
}

#[cfg(test)]
#[path = "interleaving_tests.rs"]
mod tests;
