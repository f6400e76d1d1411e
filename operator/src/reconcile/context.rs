//! What every reconcile shares.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use crate::{
    admin::metrics::Metrics,
    bucket::Buckets,
    config::Config,
    reconcile::{memory::Memories, slots::Slots},
    report::recorder::Recorder,
    tenancy::claims::Claims,
    watch::{Scopes, waiting::Waiting},
    workload::{originals::PodClient, rollouts::Rollouts},
};

/// What every reconcile shares.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// Settings of the operator.
    pub config: Config,
    /// All endpoints, and what belongs to them.
    pub scopes: Scopes,
    /// Who has which bucket.
    pub claims: Arc<Claims>,
    /// All that buckets and their public URLs are looked after with.
    pub buckets: Buckets,
    /// Asks pods what they may.
    pub pods: PodClient,
    /// What is remembered of each endpoint.
    pub memories: Memories,
    /// Who waits for a slot.
    pub waiting: Waiting,
    /// Who may reconcile now.
    pub slots: Slots,
    /// Who may replace pods now.
    pub rollouts: Rollouts,
    /// Where Events go.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Metrics,
    /// A number from 0 to 1, for jitter.
    pub random: fn() -> f64,
    /// The time.
    pub now: fn() -> Timestamp,
}
