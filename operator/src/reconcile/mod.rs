//! One `ResizeEndpoint` → children, rules, status. Reads as one sentence; the work is elsewhere.

pub mod backoff;
#[cfg(test)]
mod reason_tests;
pub mod recall;

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        controller::Action,
        finalizer::{self, Event},
    },
};
use resize_api::{ResizeEndpoint, condition::Reason, status::ResizeEndpointStatus};

use crate::{
    bucket::{self, credentials, website::WebsiteError},
    context::Context,
    endpoint::Endpoint,
    kubernetes::explain,
    names::{FINALIZER, selector_labels},
    reconcile::backoff::jitter,
    report::{self, Report, Verdict, writer::StatusWriter},
    tenancy::policy,
    workload::{
        apply::{self, ApplyError},
        desired::Objects,
        observe::{self, Workload},
    },
};

/// How soon to look again at what is on its way.
const SOON: Duration = Duration::from_secs(2);
/// How soon to look again at what tells of itself.
const LATER: Duration = Duration::from_secs(30);
/// How soon a loser looks whether the bucket is free.
const CLAIM_RETRY: Duration = Duration::from_secs(30);

/// The Kubernetes API failed where a status could not be written either, or deletion has to wait.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the Kubernetes API.
    #[error("kubernetes: {0}")]
    Kubernetes(#[from] kube::Error),
    /// The rules cannot be taken out yet.
    #[error("cannot take the routing rules out of the bucket: {0}")]
    Cleanup(WebsiteError),
    /// The finalizer cannot be set or removed.
    #[error("finalizer: {0}")]
    Finalizer(#[source] Box<finalizer::Error<Error>>),
}

impl Error {
    fn reason(&self) -> Reason {
        match self {
            Self::Cleanup(error) => error.reason(),
            Self::Kubernetes(_) | Self::Finalizer(_) => Reason::KubernetesError,
        }
    }
}

/// Brings everything that belongs to `resource` in line with it.
pub async fn reconcile(resource: Arc<ResizeEndpoint>, context: Arc<Context>) -> Result<Action, Error> {
    let _timer = context.metrics.time_reconcile();
    let api = Api::namespaced(context.client.clone(), &resource.namespace().unwrap_or_default());
    finalizer::finalizer(&api, FINALIZER, resource, async |event| match event {
        Event::Apply(resource) => keep(&resource, &context).await,
        Event::Cleanup(resource) => clean_up(&resource, &context).await,
    })
    .await
    .map_err(|error| match error {
        finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error) => error,
        error => Error::Finalizer(Box::new(error)),
    })
}

/// When to try again after an error.
pub fn on_error(resource: Arc<ResizeEndpoint>, error: &Error, context: Arc<Context>) -> Action {
    let uid = resource.uid().unwrap_or_default();
    tracing::warn!(namespace = resource.namespace(), name = resource.name_any(), %error, "reconcile failed");
    context.metrics.failed(error.reason());
    Action::requeue(context.backoff.failed(&uid, resource.metadata.generation, error.reason(), (context.random)()))
}

async fn keep(resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let mut previous = resource.status.clone().unwrap_or_default();
    let mut writer = StatusWriter::new(&context.client, resource);
    if previous.conditions.is_empty() {
        previous = write_status(resource, context, &previous, &blank(&previous, "not looked at yet"), &mut writer).await?;
    }
    // boxed: it is too large to be moved about
    let report = Box::pin(look_and_act(resource, context, &previous, &mut writer)).await;
    let reason = report.ready().reason;
    write_status(resource, context, &previous, &report, &mut writer).await?;
    bucket::remember(resource, context, &report);
    context.metrics.reconciled(reason);
    Ok(next_look(resource, context, &report))
}

/// Goes as far as it can; what stops it is in the report.
async fn look_and_act(resource: &ResizeEndpoint, context: &Context, previous: &ResizeEndpointStatus, writer: &mut StatusWriter) -> Report {
    if resource.spec.suspend {
        return Report::of(&Verdict::unknown(Reason::Suspended, "suspend is true: everything is kept as it is"), previous);
    }
    let mut report = blank(previous, "an earlier condition does not hold");
    if previous.observed_generation != resource.metadata.generation {
        // a change of the spec ends a peace over its rules
        report.record.removed.clear();
    }
    let endpoint = match Endpoint::new(resource, &context.config) {
        Ok(endpoint) => endpoint,
        Err(invalid) => {
            report.accepted = Verdict::no(Reason::InvalidSpec, invalid.to_string());
            return report;
        }
    };
    if let Err(refusal) = may_have(resource, &endpoint, context).await {
        report.accepted = refusal;
        return report;
    }
    report.accepted = Verdict::yes(Reason::Valid, format!("the spec is valid, and bucket {} is this endpoint's", endpoint.bucket.name));
    report.every_size = endpoint.settings.allowed_resolutions.is_empty();
    report.redirect_url = Some(endpoint.target.url());

    let Some(children) = context.scopes.children(&endpoint.namespace) else { return report };
    let credentials = credentials::fingerprint_for(&context.client, children, &endpoint).await;
    let objects = Objects::new(&endpoint, credentials.as_deref());
    let deployment = match apply::apply(&context.client, children, &endpoint, &objects).await {
        Ok(deployment) => deployment,
        Err(error) => {
            let message = if let ApplyError::Kubernetes(error) = &error { explain(error) } else { error.to_string() };
            match error.reason() {
                Reason::KubernetesError => report.workload = Verdict::no(Reason::KubernetesError, message),
                reason => report.accepted = Verdict::no(reason, message),
            }
            return report;
        }
    };
    report.replicas = Some(deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0));
    report.selector =
        Some(selector_labels(&endpoint.name).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","));
    let is_settled = endpoint.wanted.are(&previous.routing_rules);
    let workload = match observe::workload(&context.client, &endpoint, &deployment, is_settled).await {
        Ok(workload) => workload,
        Err(error) => Workload { verdict: Verdict::unknown(Reason::KubernetesError, explain(&error)), rolled_out: false },
    };
    report.workload = workload.verdict.clone();
    if !bucket::recall(resource, context, &mut report) {
        bucket::route(context, &endpoint, &workload, previous, writer, &mut report).await;
    }
    report
}

/// Whether the bucket is this endpoint's, or what to say of it. Nothing is revealed of other namespaces.
async fn may_have(resource: &ResizeEndpoint, endpoint: &Endpoint, context: &Context) -> Result<(), Verdict> {
    let (bucket, namespace) = (&endpoint.bucket.name, &endpoint.namespace);
    let not_allowed = |why: &str| Verdict::no(Reason::BucketNotAllowed, format!("bucket {bucket} is not for namespace {namespace}: {why}"));
    if !context.config.claims.allow(namespace, bucket) {
        return Err(not_allowed("ask those who run the operator to add it to claims.allow of its chart"));
    }
    if context.claims.is_taken(resource) {
        let message = format!("another ResizeEndpoint has bucket {bucket}: delete that one first, or use another bucket");
        return Err(Verdict::no(Reason::BucketClaimed, message));
    }
    match bucket::is_allowed(context, endpoint).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_allowed(&format!("whoever owns the bucket can give it the tag {} with that name", policy::TAG))),
        Err(error) => Err(Verdict::unknown(error.reason(), format!("cannot read the bucket's tags: {error}"))),
    }
}

/// Takes our rules out of the bucket, before the object and with it the workload goes.
async fn clean_up(resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let previous = resource.status.clone().unwrap_or_default();
    if let Err(error) = bucket::clean_up(resource, context, &previous).await {
        let help = "; to delete this object all the same and leave the rules in the bucket, set deletionPolicy to Retain";
        let mut report = blank(&previous, "being deleted");
        report.routing = Verdict::no(error.reason(), format!("cannot take the routing rules out of the bucket: {error}{help}"));
        report.accepted = Verdict::yes(Reason::Valid, "being deleted");
        report.workload = Verdict::yes(Reason::PodsAvailable, "kept until the rules are out of the bucket");
        write_status(resource, context, &previous, &report, &mut StatusWriter::new(&context.client, resource)).await?;
        return Err(Error::Cleanup(error));
    }
    let uid = resource.uid().unwrap_or_default();
    context.backoff.succeeded(&uid);
    context.settling.forget(&uid);
    context.looked.forget(resource);
    Ok(Action::await_change())
}

/// A report of nothing looked at, with what the bucket holds of us as it was.
fn blank(previous: &ResizeEndpointStatus, why: &str) -> Report {
    Report::of(&Verdict::unknown(Reason::NotAttempted, why), previous)
}

fn next_look(resource: &ResizeEndpoint, context: &Context, report: &Report) -> Action {
    let uid = resource.uid().unwrap_or_default();
    let ready = report.ready();
    if ready.reason.is_passing() {
        return Action::requeue(context.backoff.failed(&uid, resource.metadata.generation, ready.reason, (context.random)()));
    }
    context.backoff.succeeded(&uid);
    match ready.reason {
        // nothing but a change of the object can help
        Reason::InvalidSpec | Reason::Suspended => Action::await_change(),
        // what happens to Deployment and pods is heard of; this is for what is missed
        Reason::Progressing | Reason::PodsFailing | Reason::WaitingForWorkload => Action::requeue(LATER),
        _ if report.workload.reason == Reason::RollingOut => Action::requeue(LATER),
        _ if context.settling.is_wrong(&uid) => Action::requeue(SOON),
        Reason::BucketClaimed => Action::requeue(CLAIM_RETRY),
        _ => Action::requeue(jitter(Duration::from_secs(context.config.resync_seconds), (context.random)())),
    }
}

async fn write_status(
    resource: &ResizeEndpoint,
    context: &Context,
    previous: &ResizeEndpointStatus,
    report: &Report,
    writer: &mut StatusWriter,
) -> Result<ResizeEndpointStatus, kube::Error> {
    let next = report::status(previous, resource.metadata.generation, report, (context.now)());
    if !writer.holds(&next) {
        writer.replace(&next).await?;
    }
    for event in report::events(previous, &next) {
        tracing::info!(
            namespace = resource.namespace(),
            name = resource.name_any(),
            reason = event.reason,
            note = event.note,
            "{}",
            event.action
        );
        context.recorders.publish(&event, &resource.object_ref(&())).await;
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
