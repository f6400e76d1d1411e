//! What happens → counters, gauges and histograms → the text that Prometheus reads. All labels have bounded sets of values.
//!
//! Every room above may count here.

use std::{borrow::Cow, time::Duration};

use picture::Format;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use resize_api::{Resolution, process::Process, self_check::Access};

use super::stage::Stage;

/// Upper bounds of the stages' duration buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// The same of whole requests: from one that is refused at once to one that waits and fetches for as long as it may.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Every metric of the service.
pub struct Metrics {
    registry: Registry,
    requests: Family<OutcomeLabel, Counter>,
    durations: Family<EndLabel, Histogram>,
    stages: Family<StageLabel, Histogram>,
    s3: Family<S3Label, Counter>,
    /// Requests being answered.
    pub in_flight: Gauge,
    /// Requests that waited for another one's flight.
    pub coalesced: Counter,
    /// Visitors sent back to us right after their picture was stored.
    pub loop_guard_hits: Counter,
    /// Pictures just stored that the public URL does not show.
    pub public_url_failures: Counter,
    /// Pictures that could not be stored.
    pub store_failures: Counter,
    /// Pictures found stored when they were to be stored: another replica was faster.
    pub already_stored: Counter,
    /// Derivatives whose original could not be looked at after they were stored, or that could not be taken back.
    pub unsettled: Counter,
    /// Originals fetched again because their body broke off.
    pub refetches: Counter,
    /// Requests answered from what was found missing or bad a moment ago.
    pub negative_cache_hits: Counter,
    /// Panics caught while a picture was made.
    pub panics: Counter,
    /// Stored objects that broke off while they were sent.
    pub broken_streams: Counter,
    pictures: Family<FormatLabel, Counter>,
    events: Family<EventLabel, Counter>,
    /// Age in seconds of the event of the bucket that was received last.
    pub event_age: Gauge,
    rejected: Family<ReasonLabel, Counter>,
    self_check: Family<AccessLabel, Gauge>,
    memory_budget: Gauge,
    memory_used: Gauge,
    flights: Gauge,
    streams: Gauge,
    waiting: Gauge,
    workers: Gauge,
    workers_busy: Gauge,
}

/// How much of the capacity is taken, at the moment of a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the memory budget.
    pub memory: u64,
    /// Bytes of it in use.
    pub memory_used: u64,
    /// Flights, whatever they wait for.
    pub flights: u64,
    /// Stored objects being sent.
    pub streams: u64,
    /// Flights that wait for memory, a worker, a fetch or a store.
    pub waiting: u64,
    /// Workers.
    pub workers: u64,
    /// Workers at work.
    pub workers_busy: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
    /// As in the list, or `other`.
    resolution: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    outcome: &'static str,
}

/// What became of an event of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Event {
    /// It came.
    Received,
    /// A derivative was deleted or made.
    Acted,
    /// There was nothing to do.
    Ignored,
    /// It could not be read, or not be handled to its end.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FormatLabel {
    format: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccessLabel {
    access: &'static str,
    is: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct S3Label {
    operation: &'static str,
    code: Cow<'static, str>,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            stages: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            s3: Family::default(),
            in_flight: Gauge::default(),
            coalesced: Counter::default(),
            loop_guard_hits: Counter::default(),
            public_url_failures: Counter::default(),
            store_failures: Counter::default(),
            already_stored: Counter::default(),
            unsettled: Counter::default(),
            refetches: Counter::default(),
            negative_cache_hits: Counter::default(),
            panics: Counter::default(),
            broken_streams: Counter::default(),
            pictures: Family::default(),
            events: Family::default(),
            event_age: Gauge::default(),
            rejected: Family::default(),
            self_check: Family::default(),
            memory_budget: Gauge::default(),
            memory_used: Gauge::default(),
            flights: Gauge::default(),
            streams: Gauge::default(),
            waiting: Gauge::default(),
            workers: Gauge::default(),
            workers_busy: Gauge::default(),
        };
        for stage in Stage::ALL {
            drop(metrics.stages.get_or_create(&StageLabel { stage }));
        }
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        self.registry.register_collector(Box::new(Process));
        let to = self.registry.sub_registry_with_prefix("resizer");
        to.register("build", "The version of this process", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        to.register("requests", "Requests by outcome and by resolution, as far as that is in the list", self.requests.clone());
        to.register("request_duration_seconds", "Time until a request was answered, by outcome", self.durations.clone());
        to.register("stage_duration_seconds", "Time spent in each stage of making a derivative", self.stages.clone());
        to.register("s3_requests", "Operations on the store by kind and HTTP status, after all attempts", self.s3.clone());
        to.register("in_flight_requests", "Requests being answered", self.in_flight.clone());
        to.register("coalesced_requests", "Requests that waited for another request for the same key", self.coalesced.clone());
        to.register("loop_guard_hits", "Requests for a key stored seconds ago, answered with the picture", self.loop_guard_hits.clone());
        to.register(
            "public_url_failures",
            "Pictures just stored that the public URL does not show, answered with the picture",
            self.public_url_failures.clone(),
        );
        to.register("store_failures", "Pictures that could not be stored, answered with the picture", self.store_failures.clone());
        to.register(
            "already_stored",
            "Pictures found stored, by another replica, when they were to be stored",
            self.already_stored.clone(),
        );
        to.register(
            "unsettled_derivatives",
            "Derivatives whose original could not be looked at again, or that could not be taken back: a sweep looks at them",
            self.unsettled.clone(),
        );
        to.register("events", "Events of the bucket, by what became of them", self.events.clone());
        to.register("event_age_seconds", "How long ago the event that came last was sent", self.event_age.clone());
        to.register("source_refetches", "Originals fetched again because their body broke off", self.refetches.clone());
        to.register("negative_cache_hits", "Requests for what was found missing or bad a moment ago", self.negative_cache_hits.clone());
        to.register("rejected_sources", "Originals that were refused, by reason", self.rejected.clone());
        to.register("broken_streams", "Stored objects that broke off while they were sent", self.broken_streams.clone());
        to.register("pictures", "Pictures made, by format", self.pictures.clone());
        to.register("panics", "Panics caught while a picture was made", self.panics.clone());
        to.register("self_check", "Access to the bucket: 1 for the word that holds", self.self_check.clone());
        to.register("memory_budget_bytes", "Memory for sources and resizes", self.memory_budget.clone());
        to.register("memory_used_bytes", "Memory taken from the budget", self.memory_used.clone());
        to.register("flights", "Derivatives in the making, waiting ones included", self.flights.clone());
        to.register("streams", "Stored objects being sent to visitors", self.streams.clone());
        to.register("queue_depth", "Derivatives that wait for memory, a worker, a fetch or a store", self.waiting.clone());
        to.register("workers", "Resizes that may run at once", self.workers.clone());
        to.register("workers_busy", "Resizes running", self.workers_busy.clone());
    }

    /// Counts a request's outcome and the time it took; `resolution` only if it is in the list of those allowed.
    pub fn count_request(&self, outcome: &'static str, resolution: Option<Resolution>, took: Duration) {
        self.durations.get_or_create(&EndLabel { outcome }).observe(took.as_secs_f64());
        let resolution = resolution.map_or(Cow::Borrowed("other"), |resolution| resolution.to_string().into());
        self.requests.get_or_create(&OutcomeLabel { outcome, resolution }).inc();
    }

    /// Counts an event of the bucket.
    pub fn count_event(&self, event: Event) {
        self.events.get_or_create(&EventLabel { event }).inc();
    }

    /// Counts an original that was refused.
    pub fn count_rejected(&self, reason: &'static str) {
        self.rejected.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Counts a picture that was made.
    pub fn count_picture(&self, format: Format) {
        let format = format.content_type().trim_start_matches("image/");
        self.pictures.get_or_create(&FormatLabel { format }).inc();
    }

    /// Says what `access` to the bucket is now.
    pub fn tell_access(&self, access: &'static str, now: Access) {
        for &word in Access::ALL {
            let label = AccessLabel { access, is: word.to_string().into() };
            self.self_check.get_or_create(&label).set(i64::from(word == now));
        }
    }

    /// Records the time one flight spent in `stage`.
    pub fn observe(&self, stage: Stage, duration: Duration) {
        self.stages.get_or_create(&StageLabel { stage }).observe(duration.as_secs_f64());
    }

    /// Counts an operation on the store; `code` is an HTTP status or one of a few words.
    pub fn count_s3(&self, operation: &'static str, code: &str) {
        self.s3.get_or_create(&S3Label { operation, code: code.to_owned().into() }).inc();
    }

    /// The text for Prometheus, with `usage` as it is now.
    pub fn render(&self, usage: Usage) -> String {
        let Usage { memory, memory_used, flights, streams, waiting, workers, workers_busy } = usage;
        for (gauge, value) in [
            (&self.memory_budget, memory),
            (&self.memory_used, memory_used),
            (&self.flights, flights),
            (&self.streams, streams),
            (&self.waiting, waiting),
            (&self.workers, workers),
            (&self.workers_busy, workers_busy),
        ] {
            gauge.set(value.try_into().unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // writing to a string cannot fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
