//! Keeps the Deployment, Service, Ingress and bucket routing rules of every `ResizeEndpoint` true.
//!
//! What is heard ([`watch`]) → [`reconcile`]: what is asked ([`endpoint`]), who may ([`tenancy`]), what is said to Kubernetes
//! ([`workload`]) and to S3 ([`bucket`]), what visitors see ([`public_url`]), what is told ([`report`]). A room imports only what
//! stands below it. Beside running, the program takes one look where it is asked to ([`command`]).

mod admin;
mod allow_list;
mod bucket;
mod command;
mod config;
mod controller;
mod endpoint;
mod fence;
mod fingerprint;
mod heard;
mod http_route;
mod kubernetes;
mod lead;
mod names;
mod outbound;
mod public_url;
mod reconcile;
mod report;
mod store_id;
mod tenancy;
#[cfg(test)]
mod testing;
mod watch;
mod workload;

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use admin::{health::Health, metrics::Metrics};
use anyhow::Context as _;
use axum::http::{HeaderValue, header::USER_AGENT};
use bucket::{Buckets, calls::Calls, client, locks::Locks, trust::Authorities};
use command::Asked;
use config::Config;
use controller::Callers;
use fence::Fence;
use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, client::ClientBuilder, runtime::events::Reporter};
use lead::{
    Watched,
    lease::{Candidate, identity},
};
use names::OPERATOR;
use outbound::Outbound;
use public_url::Visitor;
use reconcile::{context::Context, memory::Memories, slots::Slots};
use report::recorder::Recorder;
use resize_api::listen::listen;
use tenancy::claims::Claims;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};
use watch::waiting::Waiting;
use workload::{originals::PodClient, rollouts::Rollouts};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match command::arguments() {
        Asked::Run(config) => run(*config).await.map(|()| ExitCode::SUCCESS),
        Asked::Look(command) => Ok(command.run().await),
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    log(&config)?;
    let listener = listen(config.admin_listen).and_then(TcpListener::from_std);
    let listener = listener.with_context(|| format!("cannot listen on {}", config.admin_listen))?;
    let mut cluster =
        kube::Config::infer().await.context("no access to Kubernetes: want a kubeconfig, or a service account in the cluster")?;
    // the API server derives the field manager from it where a call names none
    cluster.headers.push((USER_AGENT, HeaderValue::from_static(concat!("resize-operator/", env!("CARGO_PKG_VERSION")))));
    // the candidate's own client is not fenced: it must write the Lease to open the fence
    let fence = Fence::closed();
    let candidate = candidate(&config, Client::try_from(cluster.clone())?, fence.clone());
    let client = ClientBuilder::try_from(cluster)?.with_layer(&fence).build();

    let metrics = Metrics::default();
    let reporter = Reporter { controller: OPERATOR.to_owned(), instance: pod_name() };
    let recorder = Recorder::new(&client, &reporter);
    let claims = Arc::new(Claims::new(config.s3.clone(), config.claims.clone()));
    let failed = Arc::default();
    let rollouts = Rollouts::new(config.rollout_max_concurrent.into());
    let (waiting, slots) = (Waiting::default(), Slots::default());
    let (namespaces, callers) =
        (&config.scope.watch_namespaces, Callers { claims: &claims, rollouts: &rollouts, slots: &slots, waiting: &waiting });
    let (controllers, scopes) = controller::new(&client, namespaces, &callers, &recorder, &metrics, &failed);
    let health = Health::default();
    let admin = admin::router(health.clone(), metrics.clone(), scopes.endpoints());
    let outbound = Outbound::new(config.outbound.local_addresses);
    let buckets = Buckets {
        s3: client::Shared::new(client::shared_config(config.s3.region.clone()).await, Calls(metrics.clone()), fence, outbound),
        authorities: Authorities::new(outbound),
        locks: Locks::default(),
        visitor: Visitor::new(outbound, config.outbound.verify_public_url).context("HTTP client for public URLs")?,
        now,
    };
    let pods = PodClient::new(outbound).context("HTTP client for pods")?;
    let memories = Memories::default();
    let random = rand::random::<f64>;
    let watched = Watched { client: client.clone(), scope: config.scope.clone(), failed };
    let context = Arc::new(Context {
        client,
        config,
        scopes,
        claims,
        buckets,
        pods,
        memories,
        waiting,
        slots,
        rollouts,
        recorder,
        metrics,
        random,
        now,
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    let stop = stop_signal()?.boxed().shared();
    tokio::select! {
        led = lead::run(watched, health, candidate, stop.clone(), controller::run(controllers, context, stop)) => led?,
        served = axum::serve(listener, admin) => served.context("admin port")?,
    }
    tracing::info!("stopped");
    Ok(())
}

/// The time in whole seconds, as it is written.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

fn pod_name() -> Option<String> {
    std::env::var("POD_NAME").ok()
}

/// One who stands for the lease of this namespace, under a name that even a restart of the same pod does not share.
fn candidate(config: &Config, client: Client, fence: Fence) -> Candidate {
    let identity = identity(&pod_name().unwrap_or_else(|| OPERATOR.to_owned()), rand::random());
    Candidate::new(Api::default_namespaced(client), config.scope.lease_name().to_owned(), identity, fence)
}

/// Done when the process is told to stop.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
    })
}

fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_level).with_context(|| format!("LOG_LEVEL: `{}`", config.log_level))?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(std::io::stdout().is_terminal());
    let layer = if config.log_format == "json" { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}
