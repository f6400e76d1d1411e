//! A request from beginning to end → one log line, its metrics and its spans.
//!
//! `http` begins and ends a [`Record`], `derivative` fills the [`Report`] of the flight that made the picture.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, StatusCode, Uri};
use opentelemetry::KeyValue;
use resize_api::Resolution;

use super::{
    metrics::Metrics,
    stage::Stage,
    traces::{self, Ended, Traces},
};

/// What one flight spent and moved.
#[derive(Clone, Debug, Default)]
pub struct Report {
    stages: [Option<Duration>; Stage::ALL.len()],
    /// Stages with their beginnings, one after the other.
    course: Vec<(Stage, SystemTime, Duration)>,
    /// Size of the original in bytes.
    pub source_bytes: Option<u64>,
    /// Memory admitted for the resize in bytes.
    pub memory_bytes: Option<u64>,
    /// Size of the picture in bytes.
    pub output_bytes: Option<u64>,
}

impl Report {
    /// Adds `duration` from `start` on to `stage`.
    pub fn add(&mut self, stage: Stage, start: SystemTime, duration: Duration) {
        *self.stages[stage as usize].get_or_insert_default() += duration;
        self.course.push((stage, start, duration));
    }

    /// Adds `duration` to [`Stage::Queue`]: somewhere within another stage, so it has no span of its own.
    pub fn add_queued(&mut self, duration: Duration) {
        if !duration.is_zero() {
            *self.stages[Stage::Queue as usize].get_or_insert_default() += duration;
        }
    }

    /// Adds this flight to the stages' durations.
    pub fn observe(&self, metrics: &Metrics) {
        for stage in Stage::ALL {
            if let Some(duration) = self.stages[stage as usize] {
                metrics.observe(stage, duration);
            }
        }
    }

    fn milliseconds(&self, stage: Stage) -> Option<u64> {
        self.stages[stage as usize].map(milliseconds)
    }
}

/// One request. Dropped without an end, its outcome is `client_gone`.
pub struct Record {
    metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
    start: Instant,
    began: SystemTime,
    uri: String,
    headers: HeaderMap,
    id: String,
    /// The resolution, if it is in the list of those allowed.
    pub resolution: Option<Resolution>,
    /// Canonical key of the derivative, once it is known.
    pub key: Option<String>,
    /// Whether the request waited for another one's flight; none where it needed none.
    pub coalesced: Option<bool>,
    /// What the flight spent.
    pub report: Report,
    ended: bool,
}

impl Record {
    /// A request for `uri` begins.
    pub fn begin(metrics: Arc<Metrics>, traces: Option<Arc<Traces>>, uri: &Uri, headers: HeaderMap, id: String) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics,
            traces,
            start: Instant::now(),
            began: SystemTime::now(),
            uri: uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str).to_owned(),
            headers,
            id,
            resolution: None,
            key: None,
            coalesced: None,
            report: Report::default(),
            ended: false,
        }
    }

    /// It ends with `outcome`.
    pub fn end(mut self, outcome: &'static str, status: StatusCode, error: Option<&dyn Display>) {
        self.close(outcome, Some(status), error);
    }

    fn close(&mut self, outcome: &'static str, status: Option<StatusCode>, error: Option<&dyn Display>) {
        self.ended = true;
        self.metrics.in_flight.dec();
        self.metrics.count_request(outcome, self.resolution, self.start.elapsed());
        let trace_id = self.trace(outcome, status);
        // an invalid key may hold any bytes: it is quoted and cut
        let uri = self.key.is_none().then(|| format!("{:?}", self.uri.chars().take(256).collect::<String>()));
        tracing::info!(
            request_id = %self.id,
            trace_id,
            outcome,
            status = status.map(|status| status.as_u16()),
            key = self.key,
            uri,
            coalesced = self.coalesced,
            total_ms = milliseconds(self.start.elapsed()),
            fetch_ms = self.report.milliseconds(Stage::Fetch),
            queue_ms = self.report.milliseconds(Stage::Queue),
            decode_ms = self.report.milliseconds(Stage::Decode),
            scale_ms = self.report.milliseconds(Stage::Scale),
            encode_ms = self.report.milliseconds(Stage::Encode),
            store_ms = self.report.milliseconds(Stage::Store),
            source_bytes = self.report.source_bytes,
            memory_bytes = self.report.memory_bytes,
            output_bytes = self.report.output_bytes,
            error = error.map(tracing::field::display),
            "request"
        );
    }

    /// Hands the request over to the traces, if there are any; gives the id of the trace that it belongs to, here or at the caller's.
    fn trace(&self, outcome: &'static str, status: Option<StatusCode>) -> Option<String> {
        let Some(traces) = &self.traces else { return traces::id_of(&self.headers) };
        let number =
            |name: &'static str, value: Option<u64>| value.map(|value| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX)));
        let attributes = [
            Some(KeyValue::new("resizer.outcome", outcome)),
            Some(KeyValue::new("resizer.request_id", self.id.clone())),
            self.key.clone().map(|key| KeyValue::new("resizer.key", key)),
            self.coalesced.map(|coalesced| KeyValue::new("resizer.coalesced", coalesced)),
            number("http.response.status_code", status.map(|status| status.as_u16().into())),
            number("resizer.source_bytes", self.report.source_bytes),
            number("resizer.memory_bytes", self.report.memory_bytes),
            number("resizer.output_bytes", self.report.output_bytes),
        ];
        Some(traces.record(&Ended {
            headers: &self.headers,
            start: self.began,
            duration: self.start.elapsed(),
            status: status.map(|status| status.as_u16()),
            // a follower has no stages of its own
            stages: if self.coalesced == Some(false) { &self.report.course } else { &[] },
            attributes: attributes.into_iter().flatten().collect(),
        }))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.close("client_gone", None, None);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
