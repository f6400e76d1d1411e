//! An endpoint that is being deleted, and its derivatives with it → it is held until they are gone, but not for ever.
//!
//! A Job deletes them, with the credentials that sweeps use. In a namespace that is being deleted no Job can be started, and without
//! its Secret none can work: then it ends all the same, and it is told that they stay.

use k8s_openapi::jiff::SignedDuration;
use kube::{
    Resource, ResourceExt,
    runtime::events::{Event, EventType},
};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    derivatives::OnDelete,
};

use super::{
    context::Context,
    error::Error,
    held::{OVERDUE, is_overdue, is_terminating, namespace_of},
    status::write_status,
};
use crate::{
    endpoint::Endpoint,
    report::{Report, Verdict, said, writer::StatusWriter},
    tenancy::policy,
    workload::{
        cluster::Cluster,
        purge::{self, Purge},
    },
};

/// How long a Job that does not get on is waited for.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// What else lets a held object go.
const HELP: &str = "; to delete this object all the same and leave the derivatives, set derivatives.onDelete to Keep";

/// Returns when the derivatives of `resource` are deleted, shall stay, or cannot be deleted.
pub async fn purge(resource: &ResizeEndpoint, context: &Context) -> Result<(), Error> {
    let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
    let forget = async || purge::forget(&context.client, &namespace, &name).await;
    let asked = resource.spec.derivatives.as_ref();
    if asked.is_none_or(|asked| asked.on_delete == OnDelete::Keep) || !is_its_own(resource, context) {
        // it may have been asked before
        let may_run = asked.is_some() || resource.status.as_ref().is_some_and(|status| status.derivatives.is_some());
        return if may_run { Ok(forget().await?) } else { Ok(()) };
    }
    let ended = if is_terminating(resource, context).await {
        let why = "its namespace is being deleted, and nothing can be started there";
        give_up(resource, context, why, None).await;
        Ok(())
    } else {
        match next(resource, context).await {
            Purge::Done(told) => {
                tracing::info!(namespace, name, told, "the derivatives are deleted");
                Ok(())
            }
            Purge::Runs(verdict) | Purge::Stuck(verdict) if is_overdue(resource, context) => {
                give_up(resource, context, OVERDUE, Some(&verdict)).await;
                Ok(())
            }
            Purge::Stuck(verdict) if is_late(resource, context) => {
                give_up(resource, context, "it could not be done for an hour", Some(&verdict)).await;
                Ok(())
            }
            Purge::Runs(verdict) | Purge::Stuck(verdict) => Err(verdict),
        }
    };
    match ended {
        Ok(()) => Ok(forget().await?),
        Err(verdict) => hold(verdict, resource, context).await,
    }
}

/// Whether the derivatives in the bucket are of this endpoint: they may be of another one, which has the bucket.
fn is_its_own(resource: &ResizeEndpoint, context: &Context) -> bool {
    let (config, namespace) = (&context.config, resource.namespace().unwrap_or_default());
    let may_reach = crate::endpoint::BucketAddress::new(resource, &config.s3)
        .is_ok_and(|address| policy::may_reach(&config.claims, &config.s3, &namespace, &address, resource.spec.delivery).is_ok());
    let accepted = resource.status.as_ref().and_then(|status| said(status, ConditionType::Accepted));
    let was_refused = accepted.is_some_and(|accepted| matches!(accepted.reason, Reason::BucketClaimed | Reason::BucketNotAllowed));
    may_reach && !was_refused && !context.claims.is_taken(resource)
}

async fn next(resource: &ResizeEndpoint, context: &Context) -> Purge {
    let stuck = |message: String| Purge::Stuck(Verdict::no(Reason::PurgeFailed, message));
    let endpoint = match Endpoint::new(resource, &context.config) {
        Ok(endpoint) => endpoint,
        Err(invalid) => return stuck(format!("cannot delete the derivatives: {invalid}")),
    };
    let Some((derivatives, children)) = endpoint.derivatives.as_ref().zip(context.scopes.children(&endpoint.namespace)) else {
        return stuck("this namespace is not watched".to_owned());
    };
    let now = (context.now)();
    let deleted = resource.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    let cluster = Cluster { client: &context.client, children, pace: None };
    Box::pin(purge::purge(cluster, &endpoint, derivatives, deleted, now)).await
}

fn is_late(resource: &ResizeEndpoint, context: &Context) -> bool {
    let deleted = resource.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    deleted.is_some_and(|deleted| (context.now)().duration_since(deleted) >= PATIENCE)
}

/// Says in the status what holds the object.
async fn hold(verdict: Verdict, resource: &ResizeEndpoint, context: &Context) -> Result<(), Error> {
    let previous = resource.status.clone().unwrap_or_default();
    let verdict = Verdict { message: verdict.message + HELP, ..verdict };
    let report = Report { derivatives: Some(verdict), ..Report::unseen("being deleted", &previous) };
    write_status(resource, context, &previous, &report, &mut StatusWriter::new(&context.client, resource)).await?;
    Err(Error::Purging)
}

/// Reports that derivatives stay in the bucket.
async fn give_up(resource: &ResizeEndpoint, context: &Context, why: &str, verdict: Option<&Verdict>) {
    let (namespace, name, bucket) = (resource.namespace(), resource.name_any(), &resource.spec.bucket);
    let reason = Reason::PurgeGivenUp;
    let problem = verdict.map(|verdict| format!(" ({})", verdict.message)).unwrap_or_default();
    tracing::warn!(namespace, name, %reason, bucket = bucket.name, endpoint = bucket.endpoint, why, problem, "derivatives stay in the bucket");
    context.metrics.gave_up(reason);
    let event = Event {
        type_: EventType::Warning,
        reason: reason.to_string(),
        note: Some(
            format!("ResizeEndpoint {name} is let go though its derivatives stay in bucket {}: {why}{problem}", bucket.name)
                .chars()
                .take(1000)
                .collect(),
        ),
        action: "Delete".to_owned(),
        secondary: None,
    };
    // nothing can be created any more in a namespace that is being deleted
    let regarding = if verdict.is_none() { namespace_of(resource) } else { resource.object_ref(&()) };
    context.recorder.publish(&event, &regarding).await;
}

#[cfg(test)]
#[path = "purge_tests.rs"]
mod tests;
