//! An endpoint that is being deleted → what we wrote is taken out of its bucket, before the object, and with it the workload, goes.
//!
//! The Secret may go first: the keys that worked last are remembered. Where nobody can be asked any more, it ends all the same.

use kube::{
    Resource, ResourceExt,
    runtime::{
        controller::Action,
        events::{Event, EventType},
    },
};
use resize_api::{Delivery, ResizeEndpoint, condition::Reason};

use super::{
    context::Context,
    error::Error,
    held::{OVERDUE, is_overdue, is_terminating, namespace_of},
    purge,
    status::write_status,
};
use crate::{
    bucket::{
        Mark, credentials,
        error::{BucketError, S3Error},
    },
    endpoint::BucketAddress,
    report::{Report, Verdict, writer::StatusWriter},
    tenancy::policy,
};

/// What else lets a held object go.
const HELP: &str = "; to delete this object all the same and leave the rules in the bucket, set deletionPolicy to Retain";

/// Takes what we wrote out of the bucket of `resource`.
pub async fn clean_up(resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let mark = Mark::of(resource);
    if let Err(error) = take_back(mark.clone(), resource, context).await {
        let is_terminating = is_terminating(resource, context).await;
        match why_give_up(&error, is_terminating, resource, context) {
            Some(why) => give_up(&mark, &error, why, is_terminating, resource, context).await,
            None => return hold(error, resource, context).await,
        }
    }
    purge::purge(resource, context).await?;
    context.memories.forget(resource);
    Ok(Action::await_change())
}

/// Takes the `mark` of `resource` out of the store where it was left.
pub async fn take_back(mark: Mark, resource: &ResizeEndpoint, context: &Context) -> Result<(), BucketError> {
    if mark.is_none() {
        return Ok(());
    }
    let refused = |reason, message| S3Error { reason, message };
    let address = if let Some(store) = resource.status.as_ref().and_then(|status| status.store.as_ref()) {
        BucketAddress::recorded(resource, store)
    } else {
        // a status of an older version does not name the store: the spec does, within the operator's policy
        let address =
            BucketAddress::new(resource, &context.config.s3).map_err(|invalid| refused(Reason::InvalidSpec, invalid.to_string()))?;
        policy::may_reach(
            &context.config.claims,
            &context.config.s3,
            &resource.namespace().unwrap_or_default(),
            &address,
            Delivery::default(),
        )
        .map_err(|why| refused(Reason::BucketNotAllowed, why))?;
        address
    };
    let read =
        credentials::read(&context.client, &context.buckets.authorities, resource, address.secret.as_deref(), address.ca_bundle.as_ref())
            .await;
    let access = match (read, context.memories.of(resource).keys) {
        // not with the operator's own identity where a Secret is named
        (Err(_), Some(keys)) if keys.credentials().is_some() == address.secret.is_some() => Ok(Some(keys)),
        (access, _) => access,
    };
    context.buckets.take_back(mark, &address, &access).await
}

/// Says in the status what holds the object.
async fn hold(error: BucketError, resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let previous = resource.status.clone().unwrap_or_default();
    let routing = Verdict::no(error.reason(), format!("cannot take the routing rules out of the bucket: {error}{HELP}"));
    let report = Report { routing, ..Report::unseen("being deleted", &previous) };
    write_status(resource, context, &previous, &report, &mut StatusWriter::new(&context.client, resource)).await?;
    Err(Error::Cleanup(error))
}

/// Why the cleanup can never succeed, if so.
fn why_give_up(error: &BucketError, is_terminating: bool, resource: &ResizeEndpoint, context: &Context) -> Option<&'static str> {
    match error.reason() {
        Reason::SecretInvalid if is_terminating => {
            return Some("its namespace is being deleted, and the Secret or ConfigMap that it names is gone");
        }
        Reason::S3Unreachable if is_terminating && is_store_inside(resource) => {
            return Some("its namespace is being deleted, and the store with it");
        }
        _ => {}
    }
    is_overdue(resource, context).then_some(OVERDUE)
}

/// Whether the store is a Service of the endpoint's own namespace.
fn is_store_inside(resource: &ResizeEndpoint) -> bool {
    let recorded = resource.status.as_ref().and_then(|status| status.store.as_ref()?.endpoint.as_ref());
    let Some(url) = recorded.or(resource.spec.bucket.endpoint.as_ref()) else { return false };
    let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = authority.split(['/', ':']).next().unwrap_or_default();
    let mut labels = host.split('.').skip(1);
    labels.next() == resource.metadata.namespace.as_deref() && matches!(labels.next(), None | Some("svc"))
}

/// Reports that rules stay in the bucket; the log line holds all that is needed to take them out by hand.
async fn give_up(mark: &Mark, error: &BucketError, why: &str, is_terminating: bool, resource: &ResizeEndpoint, context: &Context) {
    let bucket = &resource.spec.bucket;
    tracing::warn!(
        namespace = resource.namespace(),
        name = resource.name_any(),
        reason = %Reason::CleanupGivenUp,
        bucket = bucket.name,
        endpoint = bucket.endpoint,
        mark = %mark.to_json(),
        %error,
        why,
        "the routing rules stay in the bucket: take them out by hand"
    );
    context.metrics.gave_up(error.reason());
    let event = Event {
        type_: EventType::Warning,
        reason: Reason::CleanupGivenUp.to_string(),
        note: Some(format!(
            "ResizeEndpoint {} is let go though its routing rules stay in bucket {}: {why} ({error}); the operator's log holds the rules",
            resource.name_any(),
            bucket.name
        )),
        action: "Delete".to_owned(),
        secondary: None,
    };
    // nothing can be created any more in a namespace that is being deleted
    let regarding = if is_terminating { namespace_of(resource) } else { resource.object_ref(&()) };
    context.recorder.publish(&event, &regarding).await;
}

#[cfg(test)]
#[path = "cleanup_tests.rs"]
mod tests;
