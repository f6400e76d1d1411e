//! Keeps the Deployment, Service, Ingress and bucket routing rules of every `ResizeEndpoint` true.
//!
//! `ResizeEndpoint` → [`validate::Endpoint`] → [`claim`] → [`desired::Objects`] → [`apply`] → [`website`] → [`status`], always.

mod apply;
mod backoff;
mod claim;
mod config;
mod controller;
mod desired;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fixtures;
mod http;
mod locks;
mod metrics;
mod observe;
mod patch;
mod public_read;
mod public_url;
mod reconcile;
mod s3;
mod status;
mod tenancy;
mod validate;
mod watch;
mod website;

use std::io::IsTerminal;

use anyhow::Context as _;
use clap::Parser;
use config::Config;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    log(&config)?;
    let listener =
        tokio::net::TcpListener::bind(config.admin_listen).await.with_context(|| format!("cannot listen on {}", config.admin_listen))?;
    let client =
        kube::Client::try_default().await.context("no access to Kubernetes: want a kubeconfig, or a service account in the cluster")?;
    let (controller, context) = controller::new(client, config).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    tokio::select! {
        () = controller::run(controller, context.clone()) => {}
        served = axum::serve(listener, http::router(context)) => served.context("admin port")?,
    }
    tracing::info!("stopped");
    Ok(())
}

fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_level).with_context(|| format!("LOG_LEVEL: `{}`", config.log_level))?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(std::io::stdout().is_terminal());
    let layer = if config.log_format == "json" { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}
