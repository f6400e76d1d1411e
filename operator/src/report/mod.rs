//! What a reconcile found → the status to write, and the Events that tell of changes. Pure.

pub mod recorders;
pub mod writer;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::runtime::events::{Event, EventType};
use resize_api::{
    condition::{ConditionType, Reason},
    status::{PublicRead, ResizeEndpointStatus},
};
use serde_json::{Value, json};

use crate::bucket::website::Record;

/// What is said of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// True, False, or unknown.
    pub holds: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// The same in words, and what to do.
    pub message: String,
}

impl Verdict {
    /// The condition is true.
    pub fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: Some(true), reason, message: message.into() }
    }

    /// The condition is false.
    pub fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: Some(false), reason, message: message.into() }
    }

    /// Nobody looked.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: None, reason, message: message.into() }
    }
}

/// What one reconcile found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Condition Accepted.
    pub accepted: Verdict,
    /// Condition WorkloadAvailable.
    pub workload: Verdict,
    /// Condition RoutingRuleApplied.
    pub routing: Verdict,
    /// Condition PublicUrlVerified.
    pub public_url: Verdict,
    /// Whether every resolution is allowed.
    pub every_size: bool,
    /// Where rules lead, if the spec is valid.
    pub redirect_url: Option<String>,
    /// Our mark in the bucket.
    pub record: Record,
    /// What we lifted to let everybody read.
    pub public_read: Option<PublicRead>,
    /// Pods that exist.
    pub replicas: Option<i32>,
    /// How to find them.
    pub selector: Option<String>,
}

impl Report {
    /// The same `verdict` on everything; what the bucket holds of us, and all else, as it was.
    pub fn of(verdict: &Verdict, previous: &ResizeEndpointStatus) -> Self {
        Self {
            accepted: verdict.clone(),
            workload: verdict.clone(),
            routing: verdict.clone(),
            public_url: verdict.clone(),
            every_size: false,
            redirect_url: previous.redirect_url.clone(),
            record: Record {
                rules: previous.routing_rules.clone(),
                created: previous.website_created,
                pending: previous.routing_rules_pending,
                removed: previous.routing_rules_removed.iter().map(|time| time.0).collect(),
            },
            public_read: previous.public_read.clone(),
            replicas: previous.replicas,
            selector: previous.selector.clone(),
        }
    }

    /// The summary: the first condition that does not hold, or that all do.
    pub fn ready(&self) -> Verdict {
        let parts = [&self.accepted, &self.workload, &self.routing, &self.public_url];
        let unseen = self.public_url.reason == Reason::PublicUrlUnreachable;
        let holds = |verdict: &Verdict| verdict.holds == Some(true) || verdict.reason == Reason::PublicUrlUnreachable;
        if let Some(verdict) = parts.into_iter().find(|verdict| !holds(verdict)) {
            return verdict.clone();
        }
        let mut message =
            if unseen { "visitors get pictures if they reach publicUrl, which the operator cannot" } else { "visitors get pictures" }
                .to_owned();
        if self.every_size {
            message += "; warning: allowedResolutions is empty, so anybody may fill the bucket with sizes";
        }
        let reason = match (self.every_size, unseen) {
            (true, _) => Reason::ServingEverySize,
            (false, true) => Reason::ServingUnverified,
            (false, false) => Reason::Serving,
        };
        Verdict::yes(reason, message)
    }

    fn conditions(&self) -> [(ConditionType, Verdict); 5] {
        [
            (ConditionType::Accepted, self.accepted.clone()),
            (ConditionType::WorkloadAvailable, self.workload.clone()),
            (ConditionType::RoutingRuleApplied, self.routing.clone()),
            (ConditionType::PublicUrlVerified, self.public_url.clone()),
            (ConditionType::Ready, self.ready()),
        ]
    }
}

/// The status after `report`. Equal to `previous` where nothing changed, transition times included.
pub fn status(previous: &ResizeEndpointStatus, generation: Option<i64>, report: &Report, now: Timestamp) -> ResizeEndpointStatus {
    let condition = |(type_, verdict): (ConditionType, Verdict)| {
        let type_ = type_.to_string();
        let status = verdict.holds.map_or("Unknown", |holds| if holds { "True" } else { "False" }).to_owned();
        let before = previous.conditions.iter().find(|before| before.type_ == type_ && before.status == status);
        Condition {
            last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
            message: verdict.message,
            observed_generation: generation,
            reason: verdict.reason.to_string(),
            status,
            type_,
        }
    };
    ResizeEndpointStatus {
        observed_generation: generation,
        conditions: report.conditions().into_iter().map(condition).collect(),
        redirect_url: report.redirect_url.clone(),
        routing_rules: report.record.rules.clone(),
        routing_rules_pending: report.record.pending,
        routing_rules_removed: report.record.removed.iter().copied().map(Time).collect(),
        website_created: report.record.created,
        public_read: report.public_read.clone(),
        replicas: report.replicas,
        selector: report.selector.clone(),
    }
}

/// The fields of a status that tell of our mark in the bucket.
pub fn record(record: &Record) -> Value {
    json!({
        "routingRules": record.rules,
        "routingRulesPending": record.pending,
        "routingRulesRemoved": record.removed.iter().copied().map(Time).collect::<Vec<_>>(),
        "websiteCreated": record.created,
    })
}

/// What `status` says of a condition, if that is about the spec of `generation`.
pub fn verdict(status: &ResizeEndpointStatus, type_: ConditionType, generation: Option<i64>) -> Option<Verdict> {
    let same = |condition: &&Condition| condition.type_ == type_.to_string() && condition.observed_generation == generation;
    let condition = status.conditions.iter().find(same)?;
    let reason = Reason::ALL.iter().find(|reason| reason.to_string() == condition.reason)?;
    let holds = match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    };
    Some(Verdict { holds, reason: *reason, message: condition.message.clone() })
}

/// Whether a condition is false only for now, as in every start.
fn waits(condition: &Condition) -> bool {
    [Reason::Progressing, Reason::WaitingForWorkload, Reason::ScaledToZero].iter().any(|reason| reason.to_string() == condition.reason)
}

/// One Event for each condition whose status or reason changed.
pub fn events(previous: &ResizeEndpointStatus, next: &ResizeEndpointStatus) -> Vec<Event> {
    let changed = |condition: &&Condition| {
        let same = |before: &Condition| {
            (&before.type_, &before.status, &before.reason) == (&condition.type_, &condition.status, &condition.reason)
        };
        let looked_at = condition.status != "Unknown" || condition.reason == Reason::PublicUrlUnreachable.to_string();
        // Ready repeats what another condition says
        condition.type_ != ConditionType::Ready.to_string() && looked_at && !previous.conditions.iter().any(same)
    };
    let event = |condition: &Condition| Event {
        type_: if condition.status == "True" || waits(condition) { EventType::Normal } else { EventType::Warning },
        reason: condition.reason.clone(),
        note: Some(condition.message.chars().take(1000).collect()),
        action: condition.type_.clone(),
        secondary: None,
    };
    next.conditions.iter().filter(changed).map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(routing: Verdict) -> Report {
        Report {
            accepted: Verdict::yes(Reason::Valid, "spec is valid, bucket photos is free"),
            workload: Verdict::yes(Reason::PodsAvailable, "2 of 2 pods serve"),
            routing,
            public_url: Verdict::yes(Reason::PublicUrlServes, "to the resizer"),
            every_size: false,
            redirect_url: Some("http://resize.example.com/default/resize?key=".into()),
            record: Record::default(),
            public_read: None,
            replicas: Some(2),
            selector: Some("app.kubernetes.io/name=resizer".into()),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn ready_is_the_first_that_does_not_hold() {
        let broken = report(Verdict::no(Reason::AccessDenied, "S3 refuses"));
        let status = status(&ResizeEndpointStatus::default(), Some(3), &broken, at(0));
        insta::assert_yaml_snapshot!(status);
    }

    #[test]
    fn nothing_changes_when_nothing_changed() {
        let good = report(Verdict::yes(Reason::RulesApplied, "2 rules"));
        let first = status(&ResizeEndpointStatus::default(), Some(3), &good, at(0));
        let second = status(&first, Some(3), &good, at(100));
        assert_eq!(first, second);
        assert!(events(&first, &second).is_empty());
    }

    #[test]
    fn transition_times_move_with_the_status_alone() {
        let denied = report(Verdict::no(Reason::AccessDenied, "a"));
        let gone = report(Verdict::no(Reason::BucketNotFound, "b"));
        let good = report(Verdict::yes(Reason::RulesApplied, "c"));
        let first = status(&ResizeEndpointStatus::default(), Some(1), &denied, at(0));
        let second = status(&first, Some(1), &gone, at(1));
        let third = status(&second, Some(1), &good, at(2));
        let times = |status: &ResizeEndpointStatus| {
            status.conditions.iter().map(|condition| condition.last_transition_time.0.as_second()).collect::<Vec<_>>()
        };
        assert_eq!(times(&second), [0, 0, 0, 0, 0]);
        assert_eq!(times(&third), [0, 0, 2, 0, 2]);
        let told = |events: Vec<Event>| events.into_iter().map(|event| (event.type_, event.reason)).collect::<Vec<_>>();
        assert_eq!(told(events(&first, &second)), [(EventType::Warning, "BucketNotFound".to_owned())]);
        assert_eq!(told(events(&second, &third)), [(EventType::Normal, "RulesApplied".to_owned())]);
    }

    #[test]
    fn an_empty_list_warns() {
        let mut open = report(Verdict::yes(Reason::RulesApplied, "1 rule"));
        open.every_size = true;
        assert_eq!(open.ready().reason, Reason::ServingEverySize);
        assert!(open.ready().message.contains("warning"));
    }

    #[test]
    fn a_public_url_that_cannot_be_reached_from_here_does_not_hold_ready_back_and_a_wrong_one_does() {
        let mut report = report(Verdict::yes(Reason::RulesApplied, "1 rule"));
        report.public_url = Verdict::unknown(Reason::PublicUrlUnreachable, "connection refused");
        assert_eq!((report.ready().holds, report.ready().reason), (Some(true), Reason::ServingUnverified));
        report.public_url = Verdict::unknown(Reason::Verifying, "not yet");
        assert_eq!((report.ready().holds, report.ready().reason), (None, Reason::Verifying));
        report.public_url = Verdict::no(Reason::NoRedirect, "404");
        assert_eq!((report.ready().holds, report.ready().reason), (Some(false), Reason::NoRedirect));
    }

    #[test]
    fn what_was_said_of_another_spec_is_no_verdict_on_this_one() {
        let denied = report(Verdict::no(Reason::AccessDenied, "S3 refuses"));
        let status = status(&ResizeEndpointStatus::default(), Some(3), &denied, at(0));
        assert_eq!(verdict(&status, ConditionType::RoutingRuleApplied, Some(3)), Some(denied.routing));
        assert_eq!(verdict(&status, ConditionType::RoutingRuleApplied, Some(4)), None);
    }
}
