//! Two statuses → the Events that tell what changed. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};
use resize_api::{
    condition::{ConditionType, Reason},
    status::ResizeEndpointStatus,
};

use super::UNSEEN;

fn is_one_of(condition: &Condition, reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| reason.to_string() == condition.reason)
}

/// Whether a condition is false only for now, as in every start.
fn waits(condition: &Condition) -> bool {
    is_one_of(condition, &[Reason::Progressing, Reason::WaitingForWorkload, Reason::ScaledToZero, Reason::Purging])
}

/// Whether a condition is true, and something is wrong all the same.
fn warns(condition: &Condition) -> bool {
    is_one_of(condition, &[Reason::NoAddress, Reason::PodsCannotStore])
}

/// One Event for each condition whose status or reason changed.
pub fn events(previous: &ResizeEndpointStatus, next: &ResizeEndpointStatus) -> Vec<Event> {
    let changed = |condition: &&Condition| {
        let same = |before: &Condition| {
            (&before.type_, &before.status, &before.reason) == (&condition.type_, &condition.status, &condition.reason)
        };
        let looked_at = condition.status != "Unknown" || is_one_of(condition, &UNSEEN);
        // Ready repeats what another condition says
        condition.type_ != ConditionType::Ready.to_string() && looked_at && !previous.conditions.iter().any(same)
    };
    let event = |condition: &Condition| Event {
        type_: if (condition.status == "True" && !warns(condition)) || waits(condition) { EventType::Normal } else { EventType::Warning },
        reason: condition.reason.clone(),
        note: Some(condition.message.clone()),
        action: condition.type_.clone(),
        secondary: None,
    };
    next.conditions.iter().filter(changed).map(event).collect()
}
