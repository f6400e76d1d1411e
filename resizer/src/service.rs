//! All that requests share: settings, store, and what guards them.

use std::sync::Arc;

use resize_api::Settings;

use crate::{
    derivative::Landed,
    guard::{admission::Admission, capacity::Capacity, coalesce::Flights, loop_guard::LoopGuard, negative::Negative},
    store::Store,
    watch::{metrics::Metrics, traces::Traces},
};

/// All that requests share.
pub struct Service {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) admission: Admission,
    pub(crate) flights: Flights<Landed>,
    pub(crate) negative: Negative,
    pub(crate) loop_guard: LoopGuard,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Option<Arc<Traces>>,
}

impl Service {
    /// A service on `store`, with `capacity` to give away.
    pub fn new(settings: Settings, store: Arc<dyn Store>, capacity: Capacity, metrics: Arc<Metrics>) -> Self {
        let (admission, negative) = (Admission::new(capacity, &settings), Negative::new(settings.bounds.negative));
        Self { settings, store, admission, flights: Flights::new(), negative, loop_guard: LoopGuard::default(), metrics, traces: None }
    }

    /// The same service, which hands over spans to `traces`.
    #[must_use]
    pub fn with_traces(self, traces: Option<Arc<Traces>>) -> Self {
        Self { traces, ..self }
    }

    /// The text for Prometheus.
    pub fn render_metrics(&self) -> String {
        self.metrics.render(self.admission.usage())
    }
}
