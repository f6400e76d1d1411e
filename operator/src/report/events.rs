//! Two statuses → the Events that tell what changed. Pure.
//!
//! A start that goes well is told once, by Ready. What goes wrong is told by each condition, and when it is over.

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

fn is_of(condition: &Condition, type_: ConditionType) -> bool {
    condition.type_ == type_.to_string()
}

/// Whether a condition is false as in every start.
fn starts(condition: &Condition) -> bool {
    is_one_of(condition, &[Reason::Progressing, Reason::WaitingForWorkload])
}

/// Whether a condition is false, and that is how it should be for now.
fn waits(condition: &Condition) -> bool {
    starts(condition) || is_one_of(condition, &[Reason::ScaledToZero, Reason::Purging])
}

/// Whether a condition is true, and nothing is wrong all the same.
fn is_well(condition: &Condition) -> bool {
    condition.status == "True" && !is_one_of(condition, &[Reason::NoAddress, Reason::PodsCannotStore])
}

/// Whether somebody looked at a condition, or it is known that nobody can.
fn is_looked_at(condition: &Condition) -> bool {
    condition.status != "Unknown" || is_one_of(condition, &UNSEEN)
}

/// Whether what a condition says now, after what it said `before`, gets an Event.
fn is_told(condition: &Condition, before: Option<&Condition>) -> bool {
    if is_of(condition, ConditionType::Ready) {
        // what it is false for, another condition tells
        return condition.status == "True" && before.is_none_or(|before| before.status != "True");
    }
    let is_same = before.is_some_and(|before| (&before.status, &before.reason) == (&condition.status, &condition.reason));
    let is_start = before.is_none_or(|before| !is_looked_at(before) || starts(before)) && (is_well(condition) || starts(condition));
    // Ready does not tell of derivatives
    let is_part_of_ready = !is_of(condition, ConditionType::DerivativesCurrent);
    is_looked_at(condition) && !is_same && !(is_start && is_part_of_ready)
}

/// One Event for each condition of which there is something to tell.
pub fn events(previous: &ResizeEndpointStatus, next: &ResizeEndpointStatus) -> Vec<Event> {
    let before = |condition: &Condition| previous.conditions.iter().find(|before| before.type_ == condition.type_);
    let event = |condition: &Condition| Event {
        type_: if is_well(condition) || waits(condition) { EventType::Normal } else { EventType::Warning },
        reason: condition.reason.clone(),
        note: Some(condition.message.clone()),
        action: condition.type_.clone(),
        secondary: None,
    };
    next.conditions.iter().filter(|condition| is_told(condition, before(condition))).map(event).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::report::{Report, Verdict, status, tests::report};

    #[test]
    fn a_start_that_goes_well_is_told_once_and_what_comes_later_each_time() {
        let (yes, no) = (|reason| Verdict::yes(reason, ""), |reason| Verdict::no(reason, ""));
        let well = || report(yes(Reason::RulesApplied));
        let unseen = Report::unseen("not looked at yet", &ResizeEndpointStatus::default());
        let waiting = |workload| Report {
            workload,
            public_url: unseen.public_url.clone(),
            originals: unseen.originals.clone(),
            ..report(no(Reason::WaitingForWorkload))
        };
        let mut last = ResizeEndpointStatus::default();
        let (normal, warning) = (|reason| (EventType::Normal, reason), |reason| (EventType::Warning, reason));
        for (step, told) in [
            (unseen.clone(), vec![]),
            (waiting(no(Reason::Progressing)), vec![]),
            (well(), vec![normal("Serving")]),
            (well(), vec![]),
            // a rollout, and what waits for it
            (
                Report { workload: yes(Reason::RollingOut), ..report(no(Reason::WaitingForWorkload)) },
                vec![normal("RollingOut"), normal("WaitingForWorkload")],
            ),
            (well(), vec![normal("PodsAvailable"), normal("Serving")]),
            // every pod is lost at once, and comes again
            (waiting(no(Reason::Progressing)), vec![normal("Progressing"), normal("WaitingForWorkload")]),
            (well(), vec![normal("Serving")]),
            (waiting(no(Reason::PodsFailing)), vec![warning("PodsFailing"), normal("WaitingForWorkload")]),
            (well(), vec![normal("PodsAvailable"), normal("Serving")]),
            (waiting(no(Reason::ScaledToZero)), vec![normal("ScaledToZero"), normal("WaitingForWorkload")]),
            (
                Report { originals: yes(Reason::PodsCannotStore), ..well() },
                vec![normal("PodsAvailable"), warning("PodsCannotStore"), normal("Serving")],
            ),
            (
                Report { public_url: Verdict::unknown(Reason::PublicUrlUnreachable, ""), ..well() },
                vec![warning("PublicUrlUnreachable"), normal("PodsCanRead")],
            ),
            (Report { derivatives: Some(Verdict::unknown(Reason::NotSweptYet, "")), ..well() }, vec![normal("PublicUrlServes")]),
            (Report { derivatives: Some(yes(Reason::SweepComplete)), ..well() }, vec![normal("SweepComplete")]),
        ] {
            let next = status(&last, Some(3), &step, Timestamp::UNIX_EPOCH);
            let found: Vec<_> = events(&last, &next).into_iter().map(|event| (event.type_, event.reason)).collect();
            let told: Vec<_> = told.into_iter().map(|(type_, reason)| (type_, reason.to_owned())).collect();
            assert_eq!(found, told, "{step:?}");
            last = next;
        }
    }

    #[test]
    fn what_is_wrong_from_the_start_is_told() {
        let broken = report(Verdict::no(Reason::AccessDenied, ""));
        let next = status(&ResizeEndpointStatus::default(), Some(3), &broken, Timestamp::UNIX_EPOCH);
        let told: Vec<_> = events(&ResizeEndpointStatus::default(), &next).into_iter().map(|event| (event.type_, event.reason)).collect();
        assert_eq!(told, [(EventType::Warning, "AccessDenied".to_owned())]);
    }
}
