//! Watches → reconciles.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, networking::v1::Ingress};
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
    config::Config,
    desired::OPERATOR,
    metrics::Metrics,
    reconcile::{Context, on_error, reconcile},
    s3,
};

/// Most reconciles at a time.
const CONCURRENCY: u16 = 16;

/// Prepares the controller and what its reconciles share.
pub async fn new(client: Client, config: Config) -> (Controller<ResizeEndpoint>, Arc<Context>) {
    let ours = watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={OPERATOR}"));
    let controller = Controller::new(Api::<ResizeEndpoint>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Deployment>::all(client.clone()), ours.clone())
        .owns(Api::<Service>::all(client.clone()), ours.clone())
        .owns(Api::<Ingress>::all(client.clone()), ours)
        .with_config(controller::Config::default().concurrency(CONCURRENCY));
    let context = Context {
        endpoints: controller.store(),
        recorder: Recorder::new(client.clone(), Reporter { controller: OPERATOR.to_owned(), instance: std::env::var("POD_NAME").ok() }),
        s3: s3::shared_config(config.s3.region.clone()).await,
        backoff: Backoff::default(),
        metrics: Metrics::default(),
        random: rand::random::<f64>,
        client,
        config,
    };
    (controller, Arc::new(context))
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
