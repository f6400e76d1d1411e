//! Watches → reconciles.

use std::sync::Arc;

use anyhow::Context as _;
use futures::StreamExt;
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Service, networking::v1::Ingress},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    runtime::{
        Controller,
        controller::{self, Error as ControllerError},
        events::{Recorder, Reporter},
        watcher,
    },
};
use resize_api::ResizeEndpoint;

use crate::{
    backoff::Backoff,
    claim::Claims,
    config::Config,
    desired::OPERATOR,
    locks::Locks,
    metrics::Metrics,
    public_url::{Settling, Visitor},
    reconcile::{Context, on_error, reconcile},
    s3, watch,
};

/// Most reconciles at a time.
const CONCURRENCY: u16 = 16;

/// Prepares the controller and what its reconciles share.
pub async fn new(client: Client, config: Config) -> anyhow::Result<(Controller<ResizeEndpoint>, Arc<Context>)> {
    let ours = watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={OPERATOR}"));
    let recorder = Recorder::new(client.clone(), Reporter { controller: OPERATOR.to_owned(), instance: std::env::var("POD_NAME").ok() });
    let (claims, metrics) = (Arc::new(Claims::new(config.s3.clone(), config.claims.clone())), Metrics::default());
    let changed_hands = watch::changed_hands(&claims);
    let (endpoints, changed) = watch::endpoints(Api::all(client.clone()), claims.clone(), recorder.clone(), metrics.clone());
    let controller = Controller::for_stream(changed, endpoints.clone())
        .reconcile_on(changed_hands)
        .owns(Api::<Deployment>::all(client.clone()), ours.clone())
        .owns(Api::<Service>::all(client.clone()), ours.clone())
        .owns(Api::<Ingress>::all(client.clone()), ours)
        .with_config(controller::Config::default().concurrency(CONCURRENCY));
    let context = Context {
        endpoints,
        claims,
        recorder,
        s3: s3::shared_config(config.s3.region.clone()).await,
        backoff: Backoff::default(),
        locks: Locks::default(),
        visitor: Visitor::new().context("HTTP client for public URLs")?,
        settling: Settling::default(),
        metrics,
        random: rand::random::<f64>,
        now: || Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(), // as it is written
        client,
        config,
    };
    Ok((controller, Arc::new(context)))
}

/// Reconciles until the process is told to stop, then finishes what runs.
pub async fn run(controller: Controller<ResizeEndpoint>, context: Arc<Context>) {
    let results = controller.shutdown_on_signal().run(reconcile, on_error, context);
    results
        .for_each(async |result| match result {
            // these are reported where they happen, or tell of an object that is gone by now
            Ok(_) | Err(ControllerError::ReconcilerFailed(..) | ControllerError::ObjectNotFound(_)) => {}
            Err(error) => tracing::warn!(%error, "watch failed"),
        })
        .await;
}
