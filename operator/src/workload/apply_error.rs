//! Why an object is not as it should be → the reason to report. `apply` says it; nothing is below.

use resize_api::condition::Reason;

/// Why an object is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The name is in use by somebody else.
    #[error("{kind} {name} exists and is not controlled by this ResizeEndpoint: delete it, or choose another name for the ResizeEndpoint")]
    NameTaken {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The cluster knows no HTTPRoute.
    #[error(
        "spec.gateway is set and the Gateway API is not installed, or the operator may not list HTTPRoutes (its log says so): install its \
         CustomResourceDefinitions, or use spec.ingress"
    )]
    GatewayApiMissing,
    /// Whether there is an object is not known.
    #[error("objects of kind {0} cannot be listed; the operator's log says why")]
    NotListed(String),
    /// The API failed.
    #[error("cannot apply the workload: {0}")]
    Kubernetes(#[from] kube::Error),
}

impl ApplyError {
    /// The reason to report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NameTaken { .. } => Reason::NameTaken,
            Self::GatewayApiMissing => Reason::GatewayApiMissing,
            Self::NotListed(_) => Reason::KubernetesError,
            Self::Kubernetes(error) => refusal(error),
        }
    }
}

/// Whether the API refuses what the spec says, or somebody's rule forbids it.
fn refusal(error: &kube::Error) -> Reason {
    let kube::Error::Api(status) = error else { return Reason::KubernetesError };
    let says = |text| status.message.contains(text);
    match status.code {
        // admission webhooks may answer any code
        _ if says("admission webhook") || says("ValidatingAdmissionPolicy") => Reason::Forbidden,
        403 => Reason::Forbidden,
        400 | 422 => Reason::InvalidSpec,
        // a list-map with two entries of one key
        _ if says("failed to create typed patch object") => Reason::InvalidSpec,
        _ => Reason::KubernetesError,
    }
}
