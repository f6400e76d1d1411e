//! What an answer of the Kubernetes API says.

/// What the Kubernetes API said, without the wrapping.
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}
