//! An endpoint whose deletion is held → how long yet, and whether its namespace goes too. `cleanup` and `purge` above ask.

use k8s_openapi::{
    api::core::v1::{Namespace, ObjectReference},
    jiff::SignedDuration,
};
use kube::{Api, ResourceExt};
use resize_api::ResizeEndpoint;

use super::context::Context;

/// Why an object is let go that was held for too long.
pub(super) const OVERDUE: &str = "it was held for as long as the operator's cleanup.deadline allows";

/// Whether `resource` was held for as long as the operator allows.
pub(super) fn is_overdue(resource: &ResizeEndpoint, context: &Context) -> bool {
    let deadline = context.config.cleanup_deadline.and_then(|deadline| SignedDuration::try_from(deadline).ok());
    let deleted = resource.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    deadline.zip(deleted).is_some_and(|(deadline, deleted)| (context.now)().duration_since(deleted) >= deadline)
}

/// Whether the namespace of `resource` is being deleted.
pub(super) async fn is_terminating(resource: &ResizeEndpoint, context: &Context) -> bool {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    // without the right to read namespaces the object is held
    namespaces.get(&resource.namespace().unwrap_or_default()).await.is_ok_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
}

/// The namespace of `resource`, for Events.
pub(super) fn namespace_of(resource: &ResizeEndpoint) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Namespace".to_owned()),
        name: resource.namespace(),
        ..ObjectReference::default()
    }
}
