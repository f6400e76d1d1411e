//! One `ResizeEndpoint` → children, rules, status. Reads as one sentence; the work is in the rooms below.
//!
//! `controller` above calls it for every change and timer; below are `bucket`, `workload`, `watch`, `tenancy`, `report` and `endpoint`.

mod cleanup;
pub mod context;
#[cfg(test)]
mod derivatives_tests;
#[cfg(test)]
mod direct_tests;
pub mod error;
mod held;
pub mod memory;
pub mod moving;
mod purge;
#[cfg(test)]
mod reason_tests;
#[cfg(test)]
mod rollout_tests;
#[cfg(test)]
mod rules_tests;
mod schedule;
pub mod slots;
mod status;
#[cfg(test)]
mod tenant_tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Api, ResourceExt,
    runtime::{
        controller::Action,
        finalizer::{self, Event},
        reflector::ObjectRef,
    },
};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    status::ResizeEndpointStatus,
};

pub use self::error::Error;
use self::{context::Context, error::LONGEST, memory::Memory, status::write_status};
use crate::{
    bucket::{
        Before,
        credentials::{self, Access, Keys},
    },
    config::ClaimsPolicy,
    endpoint::Endpoint,
    heard::{Heard, unreadable},
    names::FINALIZER,
    report::{self, Report, Verdict, writer::StatusWriter},
    store_id::{ANY_REGION, StoreId},
    tenancy::policy,
    workload::{self, Stopped, cluster::Cluster, rollouts::Pace},
};

/// How long the watch may take until it tells of a write.
const ECHO: Duration = Duration::from_secs(1);

/// Who waits for its turn comes by itself after so long: a call can be lost where many are called at once, and its slot is kept for it.
const UNCALLED: Duration = Duration::from_mins(1);

/// Brings everything that belongs to `resource` in line with it.
pub async fn reconcile(resource: Arc<ResizeEndpoint>, context: Arc<Context>) -> Result<Action, Error> {
    let namespace = resource.namespace().unwrap_or_default();
    let store = StoreId::new(resource.spec.bucket.endpoint.as_deref().or(context.config.s3.endpoint.as_deref()), ANY_REGION);
    // claims are complete only when all endpoints were listed
    if context.slots.unless_closed(context.scopes.wait_until_ready()).await.is_none() {
        return Ok(Action::await_change());
    }
    let name = ObjectRef::from_obj(&*resource);
    let Some(_slot) = context.slots.get(&name, &namespace, &store) else {
        if let Some(entered) = context.waiting.enter(&name) {
            let waits = (entered, context.metrics.wait());
            tokio::spawn(async move { context.slots.ask(name, &namespace, store, waits).await });
        }
        return Ok(Action::requeue(UNCALLED));
    };
    let _timer = context.metrics.time_reconcile();
    // boxed: the future is large
    let done = Box::pin(async move { keep_or_clean_up(newest(resource, &context).await, context).await });
    tokio::time::timeout(LONGEST, done).await.map_err(|_| Error::TooLong)?
}

/// `resource` as it is known now: it waited for its turn. What was written of it last comes back by the watch, which is waited for;
/// otherwise what is done on top of an older version ends in a conflict.
async fn newest(resource: Arc<ResizeEndpoint>, context: &Context) -> Arc<ResizeEndpoint> {
    let until = Instant::now() + ECHO;
    loop {
        let known = context.scopes.endpoint(&resource).filter(|known| known.metadata.uid == resource.metadata.uid);
        let known = known.unwrap_or_else(|| resource.clone());
        if !context.memories.of(&known).wrote_after(&known) || Instant::now() > until {
            return known;
        }
        tokio::time::sleep(ECHO / 100).await;
    }
}

async fn keep_or_clean_up(resource: Arc<ResizeEndpoint>, context: Arc<Context>) -> Result<Action, Error> {
    if let (Some(error), None) = (unreadable(&resource), &resource.metadata.deletion_timestamp) {
        return refuse(error, &resource, &context).await;
    }
    let api: Api<Heard> = Api::namespaced(context.client.clone(), &resource.namespace().unwrap_or_default());
    let result = finalizer::finalizer(&api, FINALIZER, Arc::new(Heard(Arc::unwrap_or_clone(resource))), async |event| match event {
        Event::Apply(resource) => keep(&resource.0, &context).await,
        Event::Cleanup(resource) => cleanup::clean_up(&resource.0, &context).await,
    });
    match result.await {
        // the object is gone, or a newer version of it exists, which triggers another reconcile
        Err(finalizer::Error::RemoveFinalizer(kube::Error::Api(status))) if matches!(status.code, 404 | 409 | 422) => {
            Ok(Action::requeue(Duration::from_secs(1)))
        }
        Err(finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error)) => Err(error),
        Err(error) => Err(Error::Finalizer(Box::new(error))),
        Ok(action) => Ok(action),
    }
}

/// Says of an object that cannot be read that it cannot. Everything that belongs to it stays as it is.
async fn refuse(error: &str, resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let previous = resource.status.clone().unwrap_or_default();
    let message = format!("the object cannot be read ({error}): apply it again as this version of the API wants it");
    let report = Report { accepted: Verdict::no(Reason::Undecodable, message), ..Report::unseen(report::EARLIER, &previous) };
    write_status(resource, context, &previous, &report, &mut StatusWriter::new(&context.client, resource)).await?;
    Ok(Action::await_change())
}

/// When to try again after an error.
pub fn on_error(resource: Arc<ResizeEndpoint>, error: &Error, context: Arc<Context>) -> Action {
    if let Error::Purging = error {
        // the status says how far it is; a change of the Job triggers a reconcile
        return Action::requeue(schedule::LATER);
    }
    tracing::warn!(namespace = resource.namespace(), name = resource.name_any(), %error, "reconcile failed");
    context.metrics.failed(error.reason());
    let memory = context.memories.of(&resource).failed(&resource);
    let delay = schedule::after_failure(error.reason(), memory.failures, (context.random)());
    context.memories.keep(&resource, memory);
    Action::requeue(delay)
}

async fn keep(resource: &ResizeEndpoint, context: &Context) -> Result<Action, Error> {
    let previous = resource.status.clone().unwrap_or_default();
    let mut writer = StatusWriter::new(&context.client, resource);
    let memory = context.memories.of(resource);
    let bucket = &resource.spec.bucket;
    let secret = bucket.credentials_secret_ref.as_ref();
    let access = credentials::read(
        &context.client,
        &context.buckets.authorities,
        resource,
        secret.map(|secret| secret.name.as_str()),
        bucket.ca_bundle.as_ref(),
    )
    .await;
    // boxed: the future is large
    let report = Box::pin(look_and_act(resource, context, &previous, &memory, &access, &mut writer)).await;
    // what rolled out may have come to its end
    context.rollouts.call(&context.scopes);
    write_status(resource, context, &previous, &report, &mut writer).await?;
    context.metrics.reconciled(report.ready().reason);

    let memory = memory.after(resource, &report, access, age(context), Instant::now()).wrote(writer.version());
    let resync = Duration::from_secs(context.config.resync_seconds);
    let next = schedule::next_look(&report, &memory, resync, (context.random)());
    context.memories.keep(resource, memory);
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

/// Goes as far as it can; what stops it is in the report.
async fn look_and_act(
    resource: &ResizeEndpoint,
    context: &Context,
    previous: &ResizeEndpointStatus,
    memory: &Memory,
    access: &Access,
    writer: &mut StatusWriter,
) -> Report {
    if resource.spec.suspend {
        return Report::suspended(previous);
    }
    let mut before = Report::unseen(report::EARLIER, previous);
    if previous.observed_generation != resource.metadata.generation {
        // a new generation clears the count of removals
        before.record.removed.clear();
    }
    let endpoint = match Endpoint::new(resource, &context.config) {
        Ok(endpoint) => endpoint,
        Err(invalid) => return Report { accepted: Verdict::no(Reason::InvalidSpec, invalid.to_string()), ..before },
    };
    let Some(children) = context.scopes.children(&endpoint.namespace) else { return before };
    let pace = Pace { rollouts: &context.rollouts, scopes: &context.scopes };
    let cluster = Cluster { client: &context.client, children, pace: Some(pace) };
    if context.config.claims.policy == ClaimsPolicy::BucketTag {
        // S3 is asked
        writer.begin((context.now)()).await;
    }
    if let Err(refusal) = may_have(resource, &endpoint, access, context).await {
        let has_lost = refusal.reason == Reason::BucketClaimed && before.record.rules.is_empty();
        let pruned = if has_lost { workload::prune(cluster, &endpoint).await } else { Ok(()) };
        if has_lost && pruned.is_ok() {
            // not before: two Ingresses of one host would both serve
            context.claims.leave_address(resource);
        }
        return Report { accepted: refusal, workload: pruned.err().unwrap_or_else(|| before.workload.clone()), ..before };
    }
    let moved;
    let (previous, before) = match moving::move_out(resource, &endpoint, context, previous, writer).await {
        Ok(None) => (previous, before),
        Ok(Some(status)) => {
            moved = status;
            (&moved, Report::unseen(report::EARLIER, &moved))
        }
        Err(report) => return Report { redirect_url: before.redirect_url.clone(), ..*report },
    };
    let accepted = Report {
        accepted: Verdict::yes(Reason::Valid, format!("the spec is valid, and bucket {} is this endpoint's", endpoint.bucket.name)),
        every_size: endpoint.settings.allowed_resolutions.is_empty(),
        redirect_url: (!endpoint.is_direct()).then(|| endpoint.target.url()),
        ..before
    };

    let fingerprint = access.as_ref().ok().and_then(|keys| keys.as_ref().map(Keys::fingerprint));
    let is_settled = endpoint.is_direct() || endpoint.wanted.are(&previous.routing_rules);
    let credentials = fingerprint.clone();
    let pods = match Box::pin(workload::bring_in_line(cluster, &endpoint, fingerprint, is_settled, (context.now)())).await {
        Ok(pods) => pods,
        Err(Stopped::Refused(verdict)) => return Report { accepted: verdict, ..accepted },
        Err(Stopped::Failed(verdict)) => return Report { workload: verdict, ..accepted },
    };
    // boxed: the future is large
    let derivatives = Box::pin(workload::derivatives::look_after(
        cluster,
        &endpoint,
        credentials.as_deref(),
        previous.derivatives.as_ref(),
        pods.rolled_out,
        (context.now)(),
    ))
    .await;
    let (known, said) = memory.recall(resource, previous, age(context), Instant::now()).unzip();
    let originals = match said.flatten() {
        // pods that know nothing of what is wanted now are not asked: what was said last stays
        _ if pods.wait => report::said(previous, ConditionType::OriginalsReadable).unwrap_or_else(|| accepted.originals.clone()),
        Some(said) => said,
        None if pods.verdict.holds == Some(true) => context.pods.originals(&context.client, &endpoint, pods.listed).await,
        None => accepted.originals.clone(),
    };
    let found = if let Some(known) = known {
        known
    } else {
        let record = accepted.record.clone();
        let before = Before {
            status: previous,
            record,
            wrong_since: memory.wrong_since,
            rolled_out: pods.rolled_out,
            serves: pods.verdict.holds == Some(true),
            contested: context.claims.is_contested(resource),
            originals: if pods.wait { &accepted.originals } else { &originals },
        };
        Box::pin(context.buckets.look_after(&endpoint, access, before, writer)).await
    };
    Report {
        workload: pods.verdict,
        awaits_address: pods.awaits_address,
        replicas: Some(pods.replicas),
        selector: Some(pods.selector),
        routing: found.routing,
        public_url: found.public_url,
        originals,
        derivatives: derivatives.verdict,
        derivatives_status: derivatives.status,
        wrong_since: found.wrong_since,
        record: found.record,
        public_read: found.public_read,
        ..accepted
    }
}

/// How long what was found in a bucket is believed: shorter than the next look is away.
fn age(context: &Context) -> Duration {
    Duration::from_secs(context.config.resync_seconds) * 3 / 4
}

/// Whether bucket and host are this endpoint's, or what to say of it. Nothing is revealed of other namespaces.
async fn may_have(resource: &ResizeEndpoint, endpoint: &Endpoint, access: &Access, context: &Context) -> Result<(), Verdict> {
    let (bucket, namespace) = (&endpoint.bucket.name, &endpoint.namespace);
    policy::may_use(&context.config, endpoint)?;
    if context.claims.is_taken(resource) {
        let message = format!("another ResizeEndpoint has bucket {bucket}: delete that one first, or use another bucket");
        return Err(Verdict::no(Reason::BucketClaimed, message));
    }
    if context.config.claims.policy == ClaimsPolicy::BucketTag {
        match context.buckets.tag(&endpoint.bucket, access, policy::TAG).await {
            Ok(Some(value)) if policy::tag_names(&value, namespace) => {}
            Ok(_) => {
                return Err(policy::not_allowed(
                    endpoint,
                    &format!("whoever owns the bucket can give it the tag {} with that name", policy::TAG),
                ));
            }
            Err(error) => return Err(Verdict::unknown(error.reason(), format!("cannot read the bucket's tags: {error}"))),
        }
    }
    context.claims.hosts.take(resource).map_err(|address| {
        let message = format!("another ResizeEndpoint has {address}: delete that one first, or use another host or ingress.path");
        Verdict::no(Reason::HostClaimed, message)
    })
}

#[cfg(test)]
mod tests;
