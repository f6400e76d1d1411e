//! One `ResizeEndpoint` → children, rules, status. Reads as one sentence; the work is elsewhere.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_s3::config::Credentials;
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        controller::Action,
        events::Recorder,
        finalizer::{self, Event},
        reflector::Store,
    },
};
use resize_api::{ResizeEndpoint, condition::Reason, endpoint::RoutingManagement, status::ResizeEndpointStatus};
use serde_json::json;

use crate::{
    apply::{self, ApplyError},
    backoff::{Backoff, jitter},
    claim,
    config::Config,
    desired::{Objects, selector_labels},
    metrics::Metrics,
    observe::{self, Workload},
    patch::StatusWriter,
    s3::Bucket,
    status::{self, Report, Verdict},
    validate::{self, BucketAddress, CREDENTIALS, Endpoint},
    website::{self, Record, WebsiteError},
};

/// Keeps the object until its rules are out of the bucket.
pub const FINALIZER: &str = "resize-operator.dev/routing-rules";
/// How often a bucket is looked at though nothing changed here.
const RESYNC: Duration = Duration::from_mins(10);
/// How soon to look again at what is on its way.
const SOON: Duration = Duration::from_secs(2);
/// How soon a loser looks whether the bucket is free.
const CLAIM_RETRY: Duration = Duration::from_secs(30);

/// What every reconcile shares.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// Settings of the operator.
    pub config: Config,
    /// Settings of S3 clients.
    pub s3: SdkConfig,
    /// All endpoints, for claims.
    pub endpoints: Store<ResizeEndpoint>,
    /// Failures in a row.
    pub backoff: Backoff,
    /// Where Events go.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Metrics,
    /// A number from 0 to 1, for jitter.
    pub random: fn() -> f64,
}

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
    context.metrics.reconciled(Reason::KubernetesError);
    Action::requeue(context.backoff.failed(&uid, (context.random)()))
}

async fn keep(resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let previous = resource.status.clone().unwrap_or_default();
    let mut writer = StatusWriter::new(&context.client, resource);
    let report = look_and_act(resource, context, &previous, &mut writer).await;
    let reason = report.ready().reason;
    write_status(resource, context, &previous, &report, &mut writer).await?;
    context.metrics.reconciled(reason);
    Ok(Action::requeue(next_look(resource, context, &report)))
}

/// Goes as far as it can; what stops it is in the report.
async fn look_and_act(resource: &ResizeEndpoint, context: &Context, previous: &ResizeEndpointStatus, writer: &mut StatusWriter) -> Report {
    let mut report = blank(previous);
    if resource.spec.suspend {
        let suspended = Verdict::unknown(Reason::Suspended, "suspend is true: everything is kept as it is");
        (report.accepted, report.workload, report.routing) = (suspended.clone(), suspended.clone(), suspended);
        return report;
    }
    let endpoint = match Endpoint::new(resource, &context.config) {
        Ok(endpoint) => endpoint,
        Err(invalid) => {
            report.accepted = Verdict::no(Reason::InvalidSpec, invalid.to_string());
            return report;
        }
    };
    let others = context.endpoints.state();
    if claim::is_taken(resource, others.iter().map(AsRef::as_ref), &context.config.s3) {
        let message = format!("another ResizeEndpoint has bucket {}: delete that one first, or use another bucket", endpoint.bucket.name);
        report.accepted = Verdict::no(Reason::BucketClaimed, message);
        return report;
    }
    report.accepted = Verdict::yes(Reason::Valid, format!("the spec is valid, and bucket {} is this endpoint's", endpoint.bucket.name));
    report.every_size = endpoint.settings.allowed_resolutions.is_empty();
    report.redirect_url = Some(endpoint.target.url());

    let deployment = match apply::apply(&context.client, &endpoint, &Objects::new(&endpoint)).await {
        Ok(deployment) => deployment,
        Err(error @ ApplyError::NameTaken { .. }) => {
            report.accepted = Verdict::no(Reason::NameTaken, error.to_string());
            return report;
        }
        Err(ApplyError::Kubernetes(error)) => {
            report.workload = Verdict::no(Reason::KubernetesError, explain(&error));
            return report;
        }
    };
    report.replicas = Some(deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0));
    report.selector =
        Some(selector_labels(&endpoint.name).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","));
    let workload = match observe::workload(&context.client, &endpoint, &deployment).await {
        Ok(workload) => workload,
        Err(error) => Workload { verdict: Verdict::unknown(Reason::KubernetesError, explain(&error)), rolled_out: false },
    };
    (report.routing, report.record) = route(context, &endpoint, &workload, previous, writer).await;
    report.workload = workload.verdict;
    report
}

/// Keeps the rules in the bucket, or says why not. New rules wait until pods that know them serve.
async fn route(
    context: &Context,
    endpoint: &Endpoint,
    workload: &Workload,
    previous: &ResizeEndpointStatus,
    writer: &mut StatusWriter,
) -> (Verdict, Record) {
    let recorded = record(previous);
    let known = recorded.rules == endpoint.wanted.rules || recorded.rules == [endpoint.wanted.catch_all.clone()];
    if endpoint.management == RoutingManagement::Merge && !workload.rolled_out && !known {
        let verdict =
            Verdict::no(Reason::WaitingForWorkload, "the routing rules go into the bucket as soon as pods of the current spec serve");
        return (verdict, recorded);
    }
    let result = async {
        let bucket = bucket(&context.client, &context.s3, &endpoint.namespace, &endpoint.bucket).await?;
        match endpoint.management {
            RoutingManagement::Merge => {
                let write_ahead =
                    async |ahead: Record| writer.merge(json!({ "routingRules": ahead.rules, "websiteCreated": ahead.created })).await;
                let record = website::apply(&bucket, &recorded, &endpoint.wanted, write_ahead).await?;
                let message = format!("{} in bucket {}", count(record.rules.len()), endpoint.bucket.name);
                Ok((Verdict::yes(Reason::RulesApplied, message), record))
            }
            RoutingManagement::Observe => {
                let (rules, there) = website::observe(&bucket, &endpoint.wanted).await?;
                let verdict = if there {
                    Verdict::yes(
                        Reason::RulesApplied,
                        format!("{} in bucket {}, written by others", count(rules.len()), endpoint.bucket.name),
                    )
                } else {
                    Verdict::no(
                        Reason::WaitingForExternalWriter,
                        format!(
                            "routing.management is Observe: write the rules of status.routingRules into bucket {}",
                            endpoint.bucket.name
                        ),
                    )
                };
                Ok((verdict, Record { rules, created: false }))
            }
        }
    }
    .await;
    result.unwrap_or_else(|error: WebsiteError| (Verdict::no(error.reason(), error.to_string()), recorded))
}

fn count(rules: usize) -> String {
    if rules == 1 { "1 routing rule".to_owned() } else { format!("{rules} routing rules") }
}

/// Takes our rules out of the bucket, before the object and with it the workload goes.
async fn clean_up(resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let previous = resource.status.clone().unwrap_or_default();
    let recorded = record(&previous);
    if validate::removes_rules(resource) && recorded != Record::default() {
        let removed = async {
            let address = BucketAddress::new(resource, &context.config.s3)
                .map_err(|invalid| website::s3_error(Reason::InvalidSpec, invalid.to_string()))?;
            let bucket = bucket(&context.client, &context.s3, &resource.namespace().unwrap_or_default(), &address).await?;
            website::remove(&bucket, &recorded).await.map_err(WebsiteError::from)
        };
        if let Err(error) = removed.await {
            let mut report = blank(&previous);
            let help = "; to delete this object all the same and leave the rules in the bucket, set deletionPolicy to Retain";
            report.routing = Verdict::no(error.reason(), format!("cannot take the routing rules out of the bucket: {error}{help}"));
            report.accepted = Verdict::yes(Reason::Valid, "being deleted");
            report.workload = Verdict::yes(Reason::PodsAvailable, "kept until the rules are out of the bucket");
            write_status(resource, context, &previous, &report, &mut StatusWriter::new(&context.client, resource)).await?;
            return Err(Error::Cleanup(error));
        }
    }
    context.backoff.succeeded(&resource.uid().unwrap_or_default());
    Ok(Action::await_change())
}

/// A report of nothing looked at, with what the bucket holds of us as it was.
fn blank(previous: &ResizeEndpointStatus) -> Report {
    let not_attempted = || Verdict::unknown(Reason::NotAttempted, "an earlier condition does not hold");
    Report {
        accepted: not_attempted(),
        workload: not_attempted(),
        routing: not_attempted(),
        every_size: false,
        redirect_url: previous.redirect_url.clone(),
        record: record(previous),
        replicas: previous.replicas,
        selector: previous.selector.clone(),
    }
}

fn record(status: &ResizeEndpointStatus) -> Record {
    Record { rules: status.routing_rules.clone(), created: status.website_created }
}

fn next_look(resource: &ResizeEndpoint, context: &Context, report: &Report) -> Duration {
    let uid = resource.uid().unwrap_or_default();
    let ready = report.ready();
    if ready.reason.is_passing() {
        return context.backoff.failed(&uid, (context.random)());
    }
    context.backoff.succeeded(&uid);
    match ready.reason {
        Reason::Progressing | Reason::PodsFailing | Reason::WaitingForWorkload => SOON,
        _ if report.workload.reason == Reason::RollingOut => SOON,
        Reason::BucketClaimed => CLAIM_RETRY,
        _ => jitter(RESYNC, (context.random)()),
    }
}

async fn write_status(
    resource: &ResizeEndpoint,
    context: &Context,
    previous: &ResizeEndpointStatus,
    report: &Report,
    writer: &mut StatusWriter,
) -> Result<(), kube::Error> {
    let next = status::status(previous, resource.metadata.generation, report, Timestamp::now());
    if next == *previous {
        return Ok(());
    }
    writer.replace(&next).await?;
    for event in status::events(previous, &next) {
        tracing::info!(
            namespace = resource.namespace(),
            name = resource.name_any(),
            reason = event.reason,
            note = event.note,
            "{}",
            event.action
        );
        if let Err(error) = context.recorder.publish(&event, &resource.object_ref(&())).await {
            tracing::warn!(%error, "cannot publish an event");
        }
    }
    Ok(())
}

/// The bucket, with the credentials of the Secret if one is named.
async fn bucket(client: &Client, shared: &SdkConfig, namespace: &str, address: &BucketAddress) -> Result<Bucket, WebsiteError> {
    let credentials = match &address.secret {
        Some(name) => {
            let secret = Api::<Secret>::namespaced(client.clone(), namespace).get(name).await.map_err(|error| {
                website::s3_error(
                    Reason::SecretInvalid,
                    format!("cannot read Secret {name}, named in bucket.credentialsSecretRef: {}", explain(&error)),
                )
            })?;
            Some(credentials(name, &secret).map_err(|problem| website::s3_error(Reason::SecretInvalid, problem))?)
        }
        None => None,
    };
    Ok(Bucket::new(shared, address, credentials))
}

fn credentials(name: &str, secret: &Secret) -> Result<Credentials, String> {
    let value = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.0.clone()).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let required = |key: &str| value(key).ok_or_else(|| format!("Secret {name} has no {key}: add it"));
    let [id, key, token] = CREDENTIALS;
    Ok(Credentials::new(required(id)?, required(key)?, value(token), None, "Secret"))
}

/// What the Kubernetes API said, without the wrapping.
fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
