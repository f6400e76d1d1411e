//! A report → the status, where it changed, and the Events that tell of it.

use kube::{Resource, ResourceExt};
use resize_api::{ResizeEndpoint, status::ResizeEndpointStatus};

use super::context::Context;
use crate::report::{self, Report, events::events, writer::StatusWriter};

/// Writes what `report` makes of the `previous` status, and returns it.
pub(super) async fn write_status(
    resource: &ResizeEndpoint,
    context: &Context,
    previous: &ResizeEndpointStatus,
    report: &Report,
    writer: &mut StatusWriter,
) -> Result<ResizeEndpointStatus, kube::Error> {
    let next = report::status(previous, resource.metadata.generation, report, (context.now)());
    if !writer.holds(&next) {
        writer.replace(&next).await?;
    }
    for event in events(previous, &next) {
        tracing::info!(
            namespace = resource.namespace(),
            name = resource.name_any(),
            reason = event.reason,
            note = event.note,
            "{}",
            event.action
        );
        context.recorder.publish(&event, &resource.object_ref(&())).await;
    }
    Ok(next)
}
