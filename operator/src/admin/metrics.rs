//! What the operator counts.

use std::{sync::Arc, time::Instant};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};
use resize_api::{ResizeEndpoint, condition::Reason, process::Process};

use crate::admin::{endpoints::Endpoints, health::Phase};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCall {
    operation: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: String,
}

/// About as many bytes are the lines of one endpoint.
const LINES: usize = 1024;

/// The operator's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    reconciles: Family<ByOutcome, Counter>,
    duration: Histogram,
    running: Gauge,
    waiting: Gauge,
    s3: Family<ByCall, Counter>,
    given_up: Family<ByReason, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            running: Gauge::default(),
            waiting: Gauge::default(),
            s3: Family::default(),
            given_up: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts a reconcile that came to its end; `reason` is that of Ready.
    pub fn reconciled(&self, reason: Reason) {
        self.count(if reason.is_passing() { "retry" } else { "done" }, reason);
    }

    /// Counts a reconcile that ended early.
    pub fn failed(&self, reason: Reason) {
        self.count("error", reason);
    }

    fn count(&self, outcome: &'static str, reason: Reason) {
        self.reconciles.get_or_create(&ByOutcome { outcome, reason: reason.to_string() }).inc();
    }

    /// Measures until the result is dropped.
    pub fn time_reconcile(&self) -> impl Drop + use<> {
        self.running.inc();
        Timer { since: Instant::now(), histogram: self.duration.clone(), running: self.running.clone() }
    }

    /// Counts an endpoint that waits for its turn, until the result is dropped.
    pub fn wait(&self) -> impl Drop + use<> {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    /// Counts a call to S3, every attempt by itself; `code` is an HTTP status, or a word where there was no answer.
    pub fn called_s3(&self, operation: &str, code: &str) {
        self.s3.get_or_create(&ByCall { operation: operation.to_owned(), code: code.to_owned() }).inc();
    }

    /// Counts an object that was let go though its rules stay in the bucket; `reason` says what failed.
    pub fn gave_up(&self, reason: Reason) {
        self.given_up.get_or_create(&ByReason { reason: reason.to_string() }).inc();
    }

    /// All metrics in the text form of OpenMetrics. What can be seen is not counted: a process that does not
    /// lead shows no endpoints, and an endpoint that goes takes its line with it.
    pub fn encode(&self, phase: &Phase, endpoints: impl Iterator<Item = Arc<ResizeEndpoint>>) -> String {
        let shown: Vec<_> = endpoints.filter(|_| *phase == Phase::Leading).collect();
        let (count, pending) = (shown.len(), Gauge::<i64>::default());
        pending.set(i64::try_from(shown.iter().filter(|endpoint| is_pending(endpoint)).count()).unwrap_or(i64::MAX));
        let gauge = |holds: bool| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::from(holds));
            gauge
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let ours = registry.sub_registry_with_prefix("resize_operator");
        ours.sub_registry_with_prefix("endpoint").register_collector(Box::new(Endpoints(shown)));
        ours.register("build", "The version of this process", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        ours.register("endpoints_pending", "ResizeEndpoints whose status is not of their current spec yet", pending);
        ours.register("reconciles", "Reconciles, by how they ended and the reason that condition Ready got", self.reconciles.clone());
        ours.register("reconcile_duration_seconds", "Duration of a reconcile", self.duration.clone());
        ours.register("reconciles_running", "Reconciles that run now", self.running.clone());
        ours.register("queue_depth", "ResizeEndpoints that wait for their turn to be reconciled", self.waiting.clone());
        ours.register("s3_requests", "Calls to S3 by operation and HTTP status, every attempt by itself", self.s3.clone());
        ours.register(
            "cleanups_given_up",
            "ResizeEndpoints let go though their rules, or derivatives, stay in the bucket",
            self.given_up.clone(),
        );
        ours.register("leader", "Whether this process leads", gauge(*phase == Phase::Leading));
        let waiting = gauge(matches!(phase, Phase::Waiting(_)));
        ours.register("waiting", "Whether something that this process needs is missing; /readyz says what", waiting);

        // not copied again and again while it grows
        let mut text = String::with_capacity(LINES * (count + 16));
        // writing to a String cannot fail
        let _ = encode(&mut text, &registry);
        text
    }
}

fn is_pending(endpoint: &ResizeEndpoint) -> bool {
    endpoint.status.as_ref().and_then(|status| status.observed_generation) != endpoint.metadata.generation
}

struct Timer {
    since: Instant,
    histogram: Histogram,
    running: Gauge,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.running.dec();
        self.histogram.observe(self.since.elapsed().as_secs_f64());
    }
}

struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::fixtures::resource;

    fn lines(text: &str, of: &str) -> Vec<String> {
        text.lines().filter(|line| line.starts_with(of)).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_leader_shows_every_endpoint_and_a_standby_none() {
        let (mut new, mut ready) = (resource(), resource());
        new.metadata.deletion_timestamp = Some(serde_json::from_value(json!("1970-01-01T00:00:07Z")).unwrap());
        ready.metadata.name = Some("paintings".into());
        let condition =
            json!({ "type": "Ready", "status": "True", "reason": "Serving", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z" });
        let status = json!({ "observedGeneration": ready.metadata.generation, "conditions": [condition],
            "derivatives": { "staleAfterSeconds": 60, "lastComplete": "1970-01-01T00:00:09Z" } });
        ready.status = Some(serde_json::from_value(status).unwrap());
        let encode = |phase| Metrics::default().encode(&phase, [new.clone(), ready.clone()].into_iter().map(Arc::new));
        let text = encode(Phase::Leading);
        for line in [
            r#"condition{namespace="demo",name="paintings",condition="Ready",status="True",reason="Serving"} 1"#,
            r#"deletion_timestamp_seconds{namespace="demo",name="photos"} 7"#,
            r#"stale_after_seconds{namespace="demo",name="paintings"} 60"#,
            r#"last_complete_sweep_timestamp_seconds{namespace="demo",name="paintings"} 9"#,
        ] {
            assert_eq!(
                lines(&text, &format!("resize_operator_endpoint_{}{{", line.split_once('{').unwrap().0)),
                [format!("resize_operator_endpoint_{line}")]
            );
        }
        assert_eq!(lines(&text, "resize_operator_endpoints_pending"), ["resize_operator_endpoints_pending 1"]);
        assert_eq!(lines(&text, "resize_operator_leader"), ["resize_operator_leader 1"]);
        assert!(lines(&encode(Phase::Standby), "resize_operator_endpoint_").is_empty());
        assert_eq!(lines(&encode(Phase::Waiting("a".into())), "resize_operator_waiting"), ["resize_operator_waiting 1"]);
    }

    #[test]
    fn counts_by_outcome_and_reason() {
        let metrics = Metrics::default();
        metrics.reconciled(Reason::Serving);
        metrics.reconciled(Reason::AccessDenied);
        metrics.failed(Reason::KubernetesError);
        metrics.called_s3("GetBucketWebsite", "403");
        drop(metrics.time_reconcile());
        let _waits = (metrics.wait(), drop(metrics.wait()));
        let text = metrics.encode(&Phase::Standby, std::iter::empty());
        for line in [
            r#"resize_operator_reconciles_total{outcome="done",reason="Serving"} 1"#,
            r#"resize_operator_reconciles_total{outcome="retry",reason="AccessDenied"} 1"#,
            r#"resize_operator_reconciles_total{outcome="error",reason="KubernetesError"} 1"#,
            r#"resize_operator_s3_requests_total{operation="GetBucketWebsite",code="403"} 1"#,
            "resize_operator_reconcile_duration_seconds_count 1",
            "resize_operator_reconciles_running 0",
            "resize_operator_queue_depth 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
