//! Why a reconcile ended early.

use std::time::Duration;

use kube::runtime::finalizer;
use resize_api::condition::Reason;

use crate::{bucket::error::BucketError, kubernetes::explain};

/// How long a reconcile may take; each of its calls ends much sooner.
pub(super) const LONGEST: Duration = Duration::from_mins(5);

/// The Kubernetes API failed where a status could not be written either, or deletion has to wait.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the Kubernetes API.
    #[error("kubernetes: {}", explain(.0))]
    Kubernetes(#[from] kube::Error),
    /// The rules cannot be taken out yet.
    #[error("cannot take the routing rules out of the bucket: {0}")]
    Cleanup(BucketError),
    /// Its derivatives are being deleted, or cannot be; the status tells.
    #[error("the derivatives are still to be deleted")]
    Purging,
    /// One call after the other took its time.
    #[error("not finished within {} s", LONGEST.as_secs())]
    TooLong,
    /// The finalizer cannot be set or removed.
    #[error("finalizer: {}", explain_finalizer(.0))]
    Finalizer(#[source] Box<finalizer::Error<Error>>),
}

fn explain_finalizer(error: &finalizer::Error<Error>) -> String {
    match error {
        finalizer::Error::AddFinalizer(error) | finalizer::Error::RemoveFinalizer(error) => explain(error),
        error => error.to_string(),
    }
}

impl Error {
    /// The reason to report.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Cleanup(error) => error.reason(),
            Self::Purging => Reason::Purging,
            Self::Kubernetes(_) | Self::Finalizer(_) | Self::TooLong => Reason::KubernetesError,
        }
    }
}
