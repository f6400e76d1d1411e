//! What the operator counts.

use std::{sync::Arc, time::Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
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
use resize_api::{ResizeEndpoint, condition::Reason, derivatives::DerivativesStatus, process::Process};

use crate::admin::health::Phase;

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByObject {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCondition {
    namespace: String,
    name: String,
    condition: String,
    status: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByState {
    namespace: String,
    name: String,
    state: &'static str,
}

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
        let (shown, pending) = (Endpoints::default(), Gauge::<i64>::default());
        if *phase == Phase::Leading {
            for endpoint in endpoints {
                pending.inc_by(i64::from(is_pending(&endpoint)));
                shown.show(&endpoint);
            }
        }
        let gauge = |holds: bool| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::from(holds));
            gauge
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let ours = registry.sub_registry_with_prefix("resize_operator");
        shown.register(ours.sub_registry_with_prefix("endpoint"));
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

        let mut text = String::new();
        // writing to a String cannot fail
        let _ = encode(&mut text, &registry);
        text
    }
}

fn is_pending(endpoint: &ResizeEndpoint) -> bool {
    endpoint.status.as_ref().and_then(|status| status.observed_generation) != endpoint.metadata.generation
}

/// What the status of each endpoint says.
#[derive(Default)]
struct Endpoints {
    conditions: Family<ByCondition, Gauge>,
    deletion: Family<ByObject, Gauge>,
    stale_after: Family<ByObject, Gauge>,
    complete: Family<ByObject, Gauge>,
    seconds: Family<ByObject, Gauge>,
    derivatives: Family<ByState, Gauge>,
}

impl Endpoints {
    fn show(&self, endpoint: &ResizeEndpoint) {
        let object = ByObject { namespace: endpoint.namespace().unwrap_or_default(), name: endpoint.name_any() };
        if let Some(deletion) = &endpoint.metadata.deletion_timestamp {
            self.deletion.get_or_create(&object).set(deletion.0.as_second());
        }
        let Some(status) = &endpoint.status else { return };
        for Condition { type_, status, reason, .. } in &status.conditions {
            let (namespace, name) = (object.namespace.clone(), object.name.clone());
            let condition = ByCondition { namespace, name, condition: type_.clone(), status: status.clone(), reason: reason.clone() };
            self.conditions.get_or_create(&condition).set(1);
        }
        if let Some(derivatives) = &status.derivatives {
            self.show_derivatives(object, derivatives);
        }
    }

    fn show_derivatives(&self, object: ByObject, status: &DerivativesStatus) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        if let Some(seconds) = status.stale_after_seconds {
            self.stale_after.get_or_create(&object).set(seconds);
        }
        if let Some(complete) = &status.last_complete {
            self.complete.get_or_create(&object).set(complete.0.as_second());
        }
        let Some(report) = status.last_sweep.as_ref().map(|last| &last.report) else { return };
        self.seconds.get_or_create(&object).set(number(report.seconds));
        for (state, derivatives) in [
            ("fresh", report.fresh),
            ("stale", report.stale),
            ("orphaned", report.orphaned),
            ("outdated", report.outdated),
            ("retired", report.retired),
            ("foreign", report.foreign),
            ("deleted", report.deleted),
            ("made", report.made),
            ("failed", report.failed),
        ] {
            let of = ByState { namespace: object.namespace.clone(), name: object.name.clone(), state };
            self.derivatives.get_or_create(&of).set(number(derivatives));
        }
    }

    fn register(self, ours: &mut Registry) {
        ours.register("condition", "1 for the status and reason that each condition of a ResizeEndpoint has", self.conditions);
        ours.register(
            "deletion_timestamp_seconds",
            "When the deletion of a ResizeEndpoint that is still there was asked for",
            self.deletion,
        );
        ours.register("stale_after_seconds", "How long a derivative may be stale", self.stale_after);
        ours.register("last_complete_sweep_timestamp_seconds", "When the last complete sweep began", self.complete);
        ours.register("last_sweep_duration_seconds", "How long the last sweep took", self.seconds);
        ours.register("last_sweep_derivatives", "Derivatives that the last sweep saw, by their state and what it did", self.derivatives);
    }
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
