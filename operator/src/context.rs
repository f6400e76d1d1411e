//! What every reconcile shares.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use crate::{
    admin::{health::Health, metrics::Metrics},
    bucket::{self, client, locks::Locks},
    config::Config,
    public_url::{Settling, Visitor},
    reconcile::{backoff::Backoff, recall::Looked},
    report::recorders::Recorders,
    tenancy::claims::Claims,
    watch::Scopes,
};

/// What every reconcile shares.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// Settings of the operator.
    pub config: Config,
    /// What S3 clients share.
    pub s3: client::Shared,
    /// All endpoints, and what belongs to them.
    pub scopes: Scopes,
    /// Whether this process leads.
    pub health: Health,
    /// Who has which bucket.
    pub claims: Arc<Claims>,
    /// What was found in buckets a short while ago.
    pub looked: Looked<bucket::Found>,
    /// Failures in a row.
    pub backoff: Backoff,
    /// One writer per bucket.
    pub locks: Locks,
    /// Asks public URLs.
    pub visitor: Visitor,
    /// Public URLs that answer wrongly.
    pub settling: Settling,
    /// Where Events go.
    pub recorders: Recorders,
    /// Counters.
    pub metrics: Metrics,
    /// A number from 0 to 1, for jitter.
    pub random: fn() -> f64,
    /// The time.
    pub now: fn() -> Timestamp,
}
