//! Health and metrics of the operator.

use std::sync::Arc;

use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, routing::get};

use crate::reconcile::Context;

/// `/healthz`: the process runs. `/readyz`: all endpoints are known. `/metrics`.
pub fn router(context: Arc<Context>) -> Router {
    let ready = context.clone();
    let readyz = async move || {
        let known = tokio::time::timeout(std::time::Duration::from_millis(100), ready.endpoints.wait_until_ready()).await;
        if matches!(known, Ok(Ok(()))) {
            (StatusCode::OK, "ok")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "waiting for the list of ResizeEndpoints")
        }
    };
    let metrics = async move || ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], context.metrics.encode());
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}
