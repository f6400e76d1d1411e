//! Watches → reconciles. Everything is watched in all namespaces, or in each of those that the settings name.
//!
//! `main` starts it. Below are `watch`, which hears, and `reconcile`, which is called.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, future};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    core::PartialObjectMeta,
    runtime::{
        Controller, Predicate, WatchStreamExt, controller::Error as ControllerError, predicates, reflector::ObjectRef,
        utils::PredicateConfig, watcher,
    },
};
use resize_api::ResizeEndpoint;
use tokio::sync::Notify;

use crate::{
    admin::metrics::Metrics,
    reconcile::{Error, context::Context, on_error, reconcile, slots::Slots},
    report::recorder::Recorder,
    tenancy::claims::Claims,
    watch::{
        Scope, Scopes, children, endpoints,
        scope::{api, endpoint_of, heard, ours},
        waiting::Waiting,
    },
    workload::rollouts::Rollouts,
};

/// Who calls an endpoint when nothing of it changed, and which of them need no call.
pub struct Callers<'a> {
    /// Its bucket or host is free.
    pub claims: &'a Arc<Claims>,
    /// It is its turn to replace pods.
    pub rollouts: &'a Rollouts,
    /// It is its turn to be looked at.
    pub slots: &'a Slots,
    /// It will be looked at anyway.
    pub waiting: &'a Waiting,
}

/// Prepares a controller for each of `namespaces`, or one for all of them if there are none. When their watch fails, `failed` is notified.
pub fn new(
    client: &Client,
    namespaces: &[String],
    callers: &Callers<'_>,
    recorder: &Recorder,
    metrics: &Metrics,
    failed: &Arc<Notify>,
) -> (Vec<Controller<ResizeEndpoint>>, Scopes) {
    let Callers { claims, rollouts, slots, waiting } = *callers;
    let scopes = if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let parts = scopes.into_iter().map(|namespace| {
        let (endpoints, changed) =
            endpoints::endpoints(api(client, namespace.as_deref()), Arc::clone(claims), recorder.clone(), metrics.clone(), failed.clone());
        // changes of the status alone are the operator's own
        let filter = predicates::generation.combine(predicates::annotations).combine(predicates::finalizers);
        let changed = changed.predicate_filter(filter, PredicateConfig::default());
        let (called, asked) = (waiting.clone(), waiting.clone());
        let changed = changed.try_filter(move |endpoint| future::ready(called.lets(&ObjectRef::from_obj(endpoint))));
        let controller = Controller::for_stream(changed, endpoints.clone())
            // how many reconcile at a time is said by `Slots`: one that waits for its share of them holds up no other
            .reconcile_on(endpoints::called(slots.called()))
            .reconcile_on(endpoints::called(claims.changed_hands()))
            .reconcile_on(endpoints::called(rollouts.called()));
        let (controller, children) = children::watch(client, namespace.as_deref(), controller, waiting);
        // the Deployment does not tell why its pods fail, nor when the last old one is gone
        let pods = heard(watcher(api::<PartialObjectMeta<Pod>>(client, namespace.as_deref()), ours())).touched_objects();
        let owner = move |pod| endpoint_of(pod).filter(|endpoint| asked.lets(endpoint));
        (controller.watches_stream(pods, owner), (namespace, Scope { endpoints, children }))
    });
    let (controllers, scopes): (Vec<_>, Vec<_>) = parts.unzip();
    (controllers, Scopes(scopes.into_iter().collect()))
}

/// Reconciles until `stop`, then finishes what runs.
pub async fn run(
    controllers: Vec<Controller<ResizeEndpoint>>,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    let each = controllers.into_iter().map(|controller| {
        let (closing, context) = (context.clone(), context.clone());
        let stop = stop.clone().map(move |()| closing.slots.close());
        let results = controller.graceful_shutdown_on(stop).run(reconcile, on_error, context.clone());
        results.for_each(move |result| {
            note(result.err(), &context);
            future::ready(())
        })
    });
    future::join_all(each).await;
}

/// Failed reconciles are reported by `on_error`. One who is gone needs no slot.
fn note(error: Option<ControllerError<Error, watcher::Error>>, context: &Context) {
    match error {
        None | Some(ControllerError::ReconcilerFailed(..)) => {}
        Some(ControllerError::ObjectNotFound(gone)) => {
            let gone = ObjectRef::new(&gone.name).within(gone.namespace.as_deref().unwrap_or_default());
            // the controllers of other namespaces know nothing of it
            if !context.scopes.know(&gone) {
                context.slots.forget(&gone);
            }
        }
        Some(error) => tracing::warn!(%error, "watch failed"),
    }
}
