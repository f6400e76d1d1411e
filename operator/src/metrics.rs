//! What the operator counts.

use std::{sync::Arc, time::Instant};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use resize_api::condition::Reason;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: String,
}

/// The operator's metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<ByReason, Counter>,
    duration: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("resize_operator");
        let reconciles = Family::default();
        registry.register("reconciles", "Reconciles, by the reason that condition Ready got", reconciles.clone());
        let duration = Histogram::new(exponential_buckets(0.01, 2.0, 12));
        registry.register("reconcile_duration_seconds", "Duration of a reconcile", duration.clone());
        Self { registry: Arc::new(registry), reconciles, duration }
    }
}

impl Metrics {
    /// Counts a reconcile.
    pub fn reconciled(&self, reason: Reason) {
        self.reconciles.get_or_create(&ByReason { reason: reason.to_string() }).inc();
    }

    /// Measures until the result is dropped.
    pub fn time_reconcile(&self) -> impl Drop {
        Timer { since: Instant::now(), histogram: self.duration.clone() }
    }

    /// All metrics in the text form of OpenMetrics.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // writing to a String cannot fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}

struct Timer {
    since: Instant,
    histogram: Histogram,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.observe(self.since.elapsed().as_secs_f64());
    }
}
