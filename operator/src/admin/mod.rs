//! Health and metrics of the operator.

pub mod health;
pub mod metrics;

use std::{sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, routing::get};

use crate::{admin::health::Phase, context::Context};

/// `/healthz`: the process runs. `/readyz`: it leads and knows all endpoints, or could lead. `/metrics`.
pub fn router(context: Arc<Context>) -> Router {
    let ready = context.clone();
    let readyz = async move || readyz(&ready).await;
    let metrics = async move || {
        let text = context.metrics.encode(&context.health.phase(), context.scopes.endpoints());
        ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
    };
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

async fn readyz(context: &Context) -> (StatusCode, String) {
    match context.health.phase() {
        Phase::Waiting(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting: {what}")),
        Phase::Standby => (StatusCode::OK, "standby".to_owned()),
        Phase::Leading => match tokio::time::timeout(Duration::from_millis(100), context.scopes.wait_until_ready()).await {
            Ok(()) => (StatusCode::OK, "leading".to_owned()),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the list of ResizeEndpoints".to_owned()),
        },
    }
}
