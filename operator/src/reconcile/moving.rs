//! An endpoint whose spec names another store than its status, or needs no rules any more → what is ours is taken out of the bucket first.

use resize_api::{ResizeEndpoint, condition::Reason, status::ResizeEndpointStatus};

use super::{cleanup::take_back, context::Context};
use crate::{
    bucket::{Mark, error::BucketError},
    endpoint::Endpoint,
    report::{self, Report, Verdict, writer::StatusWriter},
    store_id::StoreId,
};

/// Takes what is ours out of the store of the status, if the spec names another one or is `Direct`, before anything is done there.
/// Returns the status after that, or what stands in the way.
pub async fn move_out(
    resource: &ResizeEndpoint,
    endpoint: &Endpoint,
    context: &Context,
    previous: &ResizeEndpointStatus,
    writer: &mut StatusWriter,
) -> Result<Option<ResizeEndpointStatus>, Box<Report>> {
    let unseen = Report::unseen(report::EARLIER, previous);
    let left = match to_leave(resource, endpoint, previous) {
        Ok(Some(left)) => left,
        Ok(None) => return Ok(None),
        Err(accepted) => return Err(Box::new(Report { accepted, ..unseen })),
    };
    let accepted = Verdict::yes(Reason::Valid, format!("the spec is valid, and bucket {} is this endpoint's", endpoint.bucket.name));
    if let Err(error) = take_back(Mark::of(resource), resource, context).await {
        let help = "; to leave the rules there, set deletionPolicy to Retain until this is over";
        let message = format!("cannot take the routing rules out of the bucket in {left}: {error}{help}");
        return Err(Box::new(Report { accepted, routing: Verdict::no(error.reason(), message), ..unseen }));
    }
    let nothing = without_record(previous);
    match writer.replace(&nothing).await {
        Ok(()) => Ok(Some(nothing)),
        Err(error) => {
            let error = BucketError::Record(error);
            Err(Box::new(Report { accepted, routing: Verdict::no(error.reason(), error.to_string()), ..unseen }))
        }
    }
}

/// The store that is to be left before anything else is done, if the spec of `resource` wants that, or why it cannot be.
pub fn to_leave(resource: &ResizeEndpoint, endpoint: &Endpoint, previous: &ResizeEndpointStatus) -> Result<Option<StoreId>, Verdict> {
    let here = endpoint.bucket.store();
    let left = previous.store.as_ref().map_or(here.clone(), StoreId::from);
    // with Direct a store alone says only that the pods could read there
    let is_ours = ResizeEndpointStatus { store: previous.store.clone(), ..without_record(previous) } != *previous;
    if left == here {
        return Ok(Some(left).filter(|_| is_ours && endpoint.is_direct()));
    }
    if is_ours && resource.spec.bucket.endpoint.is_none() {
        let message = format!(
            "the operator's own store is {here} now, and the rules of this endpoint are in {left}: set bucket.endpoint to either, to move them \
             or to leave them there"
        );
        return Err(Verdict::no(Reason::StoreChanged, message));
    }
    Ok(Some(left))
}

fn without_record(status: &ResizeEndpointStatus) -> ResizeEndpointStatus {
    ResizeEndpointStatus {
        store: None,
        public_read: None,
        routing_rules: Vec::new(),
        routing_rules_left: Vec::new(),
        routing_rules_pending: false,
        routing_rules_removed: Vec::new(),
        website_created: false,
        ..status.clone()
    }
}
