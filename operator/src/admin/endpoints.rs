//! What the status of each endpoint says → lines of metrics, written from the objects that the watch keeps. Pure, below `metrics`.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder},
    metrics::MetricType,
};
use resize_api::{ResizeEndpoint, derivatives::DerivativesStatus, sweep::SweepReport};

/// The endpoints whose status is shown.
#[derive(Debug)]
pub struct Endpoints(pub Vec<Arc<ResizeEndpoint>>);

impl Collector for Endpoints {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = gauge(&mut encoder, "condition", "1 for the status and reason that each condition of a ResizeEndpoint has")?;
        for endpoint in &self.0 {
            for condition in endpoint.status.iter().flat_map(|status| &status.conditions) {
                let of = [("condition", &*condition.type_), ("status", &condition.status), ("reason", &condition.reason)];
                line(&mut family, endpoint, of, 1)?;
            }
        }
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.each(
            &mut encoder,
            "deletion_timestamp_seconds",
            "When the deletion of a ResizeEndpoint that is still there was asked for",
            |endpoint| endpoint.metadata.deletion_timestamp.as_ref().map(|time| time.0.as_second()),
        )?;
        self.each(&mut encoder, "stale_after_seconds", "How long a derivative may be stale", |endpoint| {
            derivatives(endpoint)?.stale_after_seconds
        })?;
        self.each(&mut encoder, "last_complete_sweep_timestamp_seconds", "When the last complete sweep began", |endpoint| {
            Some(derivatives(endpoint)?.last_complete.as_ref()?.0.as_second())
        })?;
        self.each(&mut encoder, "last_sweep_duration_seconds", "How long the last sweep took", |endpoint| {
            Some(number(last_sweep(endpoint)?.seconds))
        })?;
        let mut family =
            gauge(&mut encoder, "last_sweep_derivatives", "Derivatives that the last sweep saw, by their state and what it did")?;
        for (endpoint, report) in self.0.iter().filter_map(|endpoint| Some((endpoint, last_sweep(endpoint)?))) {
            for (state, derivatives) in states(report) {
                line(&mut family, endpoint, [("state", state)], number(derivatives))?;
            }
        }
        Ok(())
    }
}

impl Endpoints {
    /// A gauge with a name and a help, for each endpoint of which `value` knows something.
    fn each(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&ResizeEndpoint) -> Option<i64>,
    ) -> fmt::Result {
        let mut family = gauge(encoder, name, help)?;
        for (endpoint, value) in self.0.iter().filter_map(|endpoint| Some((endpoint, value(endpoint)?))) {
            line(&mut family, endpoint, [], value)?;
        }
        Ok(())
    }
}

fn gauge<'a>(encoder: &'a mut DescriptorEncoder<'_>, name: &'a str, help: &str) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn line<const N: usize>(family: &mut MetricEncoder<'_>, endpoint: &ResizeEndpoint, of: [(&str, &str); N], value: i64) -> fmt::Result {
    let (namespace, name) = (endpoint.metadata.namespace.as_deref(), endpoint.metadata.name.as_deref());
    let mut labels = vec![("namespace", namespace.unwrap_or_default()), ("name", name.unwrap_or_default())];
    labels.extend(of);
    family.encode_family(&labels)?.encode_gauge(&value)
}

fn derivatives(endpoint: &ResizeEndpoint) -> Option<&DerivativesStatus> {
    endpoint.status.as_ref()?.derivatives.as_ref()
}

fn last_sweep(endpoint: &ResizeEndpoint) -> Option<&SweepReport> {
    Some(&derivatives(endpoint)?.last_sweep.as_ref()?.report)
}

fn states(report: &SweepReport) -> [(&'static str, u64); 9] {
    [
        ("fresh", report.fresh),
        ("stale", report.stale),
        ("orphaned", report.orphaned),
        ("outdated", report.outdated),
        ("retired", report.retired),
        ("foreign", report.foreign),
        ("deleted", report.deleted),
        ("made", report.made),
        ("failed", report.failed),
    ]
}
