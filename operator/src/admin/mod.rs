//! What the process does, what it counts and the endpoints that it knows → health and metrics over HTTP.
//!
//! `main` serves it; the rooms above count here and set the phase. Nothing is below.

mod endpoints;
pub mod health;
pub mod metrics;

use std::{sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, routing::get};
use kube::runtime::reflector::Store;
use resize_api::ResizeEndpoint;

use crate::admin::{
    health::{Health, Phase},
    metrics::Metrics,
};

/// `/healthz`: the process runs. `/readyz`: it leads and knows all `endpoints`, or could lead. `/metrics`.
pub fn router(health: Health, metrics: Metrics, endpoints: Vec<Store<ResizeEndpoint>>) -> Router {
    let endpoints = Arc::new(endpoints);
    let (phase, listed) = (health.clone(), endpoints.clone());
    let readyz = async move || readyz(phase.phase(), &listed).await;
    let metrics = async move || {
        let text = metrics.encode(&health.phase(), endpoints.iter().flat_map(Store::state));
        ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
    };
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

async fn readyz(phase: Phase, endpoints: &[Store<ResizeEndpoint>]) -> (StatusCode, String) {
    // an error means that the watch has ended, as at shutdown
    let listed = futures::future::join_all(endpoints.iter().map(Store::wait_until_ready));
    match phase {
        Phase::Waiting(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting: {what}")),
        Phase::Standby => (StatusCode::OK, "standby".to_owned()),
        Phase::Leading => match tokio::time::timeout(Duration::from_millis(100), listed).await {
            Ok(_) => (StatusCode::OK, "leading".to_owned()),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the list of ResizeEndpoints".to_owned()),
        },
    }
}
