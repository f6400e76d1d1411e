//! A finished request → spans for an OpenTelemetry collector, if `OTEL_EXPORTER_OTLP_ENDPOINT` names one.
//!
//! The SDK reads the other `OTEL_` variables itself. Spans are made when a request ends, from its [`super::record::Record`]: without a
//! collector they cost nothing. It touches the network.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use resize_api::environment::SettingError;
use tokio::runtime::Handle;

use super::stage::Stage;

/// The variables that switch traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// How long one export may take, and the last one when the program ends.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
const LAST_EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where spans go.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// A request that has ended.
pub struct Ended<'a> {
    /// Where the caller's span is named.
    pub headers: &'a HeaderMap,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// HTTP status; none if the visitor went away.
    pub status: Option<u16>,
    /// Stages it went through itself.
    pub stages: &'a [(Stage, SystemTime, Duration)],
    /// All else that is known.
    pub attributes: Vec<KeyValue>,
}

impl Traces {
    /// To the collector that the environment names, if it names one. To be called on a tokio runtime.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingError> {
        let Some(name) = ENDPOINTS.into_iter().find(|name| variable(name).is_some_and(|url| !url.is_empty())) else { return Ok(None) };
        let bad = |problem: String| SettingError { name, problem };
        let connector = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| bad(error.to_string()))?;
        let client = HyperClient::new(connector.https_or_http().enable_http1().build(), EXPORT_TIMEOUT, None);
        let client = OnRuntime { runtime: Handle::current(), client: Arc::new(client) };
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build().map_err(|error| bad(error.to_string()))?;
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none_or(|name| name.is_empty()) {
            resource = resource.with_service_name("resizer");
        }
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        let tracer = provider.tracer("resizer");
        Ok(Some(Self { provider, tracer }))
    }

    /// Hands over the spans of a request: its own, and one for each stage. Gives the id of their trace.
    pub fn record(&self, request: &Ended<'_>) -> String {
        let caller = caller(request.headers);
        let mut span = self
            .tracer
            .span_builder("resize")
            .with_kind(SpanKind::Server)
            .with_start_time(request.start)
            .with_attributes(request.attributes.iter().cloned())
            .start_with_context(&self.tracer, &caller);
        if request.status.is_none_or(|status| status >= 500) {
            span.set_status(Status::error(""));
        }
        let inside = Context::new().with_remote_span_context(span.span_context().clone());
        for &(stage, start, duration) in request.stages {
            let stage = self.tracer.span_builder(stage.name()).with_start_time(start);
            stage.start_with_context(&self.tracer, &inside).end_with_timestamp(start + duration);
        }
        span.end_with_timestamp(request.start + request.duration);
        span.span_context().trace_id().to_string()
    }

    /// Sends what has not been sent yet. It blocks until that is done, or too late.
    pub fn shut_down(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_EXPORT_TIMEOUT) {
            tracing::warn!(%error, "some spans were not sent");
        }
    }
}

/// The caller's span, as the headers name it.
fn caller(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract(&HeaderExtractor(headers))
}

/// Id of the trace that the headers name, if they name one.
pub fn id_of(headers: &HeaderMap) -> Option<String> {
    let context = caller(headers);
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// The exporter has a thread of its own, the HTTP client wants a runtime.
#[derive(Debug)]
struct OnRuntime {
    runtime: Handle,
    client: Arc<HyperClient<HttpsConnector<HttpConnector>>>,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = Arc::clone(&self.client);
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
