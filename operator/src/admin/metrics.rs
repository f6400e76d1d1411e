//! What the operator counts.

use std::{sync::Arc, time::Instant};

use kube::ResourceExt;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
};

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
    s3: Family<ByCall, Counter>,
    given_up: Family<ByReason, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            running: Gauge::default(),
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
        let (ready, pending) = (Family::<ByObject, Gauge>::default(), Gauge::<i64>::default());
        let sweeps = Sweeps::default();
        if *phase == Phase::Leading {
            for endpoint in endpoints {
                let object = ByObject { namespace: endpoint.namespace().unwrap_or_default(), name: endpoint.name_any() };
                ready.get_or_create(&object).set(i64::from(is_true(&endpoint, ConditionType::Ready).unwrap_or(false)));
                pending.inc_by(i64::from(is_pending(&endpoint)));
                sweeps.show(&endpoint, object);
            }
        }
        let gauge = |holds: bool| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::from(holds));
            gauge
        };
        let mut registry = Registry::default();
        registry.register("resize_endpoint_ready", "Whether condition Ready of a ResizeEndpoint is True", ready);
        sweeps.register(&mut registry);
        let ours = registry.sub_registry_with_prefix("resize_operator");
        ours.register("endpoints_pending", "ResizeEndpoints whose status is not of their current spec yet", pending);
        ours.register("reconciles", "Reconciles, by how they ended and the reason that condition Ready got", self.reconciles.clone());
        ours.register("reconcile_duration_seconds", "Duration of a reconcile", self.duration.clone());
        ours.register("reconciles_running", "Reconciles that run now", self.running.clone());
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

/// Whether a condition is true, if there is one.
fn is_true(endpoint: &ResizeEndpoint, type_: ConditionType) -> Option<bool> {
    let mut conditions = endpoint.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| condition.type_ == type_.to_string()).map(|condition| condition.status == "True")
}

/// What the last sweep of each endpoint said.
#[derive(Default)]
struct Sweeps {
    current: Family<ByObject, Gauge>,
    complete: Family<ByObject, Gauge>,
    seconds: Family<ByObject, Gauge>,
    derivatives: Family<ByState, Gauge>,
}

impl Sweeps {
    fn show(&self, endpoint: &ResizeEndpoint, object: ByObject) {
        if let Some(is_current) = is_true(endpoint, ConditionType::DerivativesCurrent) {
            self.current.get_or_create(&object).set(i64::from(is_current));
        }
        let Some(status) = endpoint.status.as_ref().and_then(|status| status.derivatives.as_ref()) else { return };
        if let Some(complete) = &status.last_complete {
            self.complete.get_or_create(&object).set(complete.0.as_second());
        }
        let Some(report) = status.last_sweep.as_ref().map(|last| &last.report) else { return };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
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

    fn register(self, registry: &mut Registry) {
        let ours = registry.sub_registry_with_prefix("resize_endpoint");
        ours.register("derivatives_current", "Whether condition DerivativesCurrent of a ResizeEndpoint is True", self.current);
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
        let (new, mut ready) = (resource(), resource());
        ready.metadata.name = Some("paintings".into());
        let condition =
            json!({ "type": "Ready", "status": "True", "reason": "Serving", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z" });
        let status = json!({ "observedGeneration": ready.metadata.generation, "conditions": [condition] });
        ready.status = Some(serde_json::from_value(status).unwrap());
        let encode = |phase| Metrics::default().encode(&phase, [new.clone(), ready.clone()].into_iter().map(Arc::new));
        let text = encode(Phase::Leading);
        let mut found = lines(&text, "resize_endpoint_ready{");
        found.sort();
        assert_eq!(
            found,
            [r#"resize_endpoint_ready{namespace="demo",name="paintings"} 1"#, r#"resize_endpoint_ready{namespace="demo",name="photos"} 0"#]
        );
        assert_eq!(lines(&text, "resize_operator_endpoints_pending"), ["resize_operator_endpoints_pending 1"]);
        assert_eq!(lines(&text, "resize_operator_leader"), ["resize_operator_leader 1"]);
        assert!(lines(&encode(Phase::Standby), "resize_endpoint_ready{").is_empty());
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
        let text = metrics.encode(&Phase::Standby, std::iter::empty());
        for line in [
            r#"resize_operator_reconciles_total{outcome="done",reason="Serving"} 1"#,
            r#"resize_operator_reconciles_total{outcome="retry",reason="AccessDenied"} 1"#,
            r#"resize_operator_reconciles_total{outcome="error",reason="KubernetesError"} 1"#,
            r#"resize_operator_s3_requests_total{operation="GetBucketWebsite",code="403"} 1"#,
            "resize_operator_reconcile_duration_seconds_count 1",
            "resize_operator_reconciles_running 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
