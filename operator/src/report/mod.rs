//! What a reconcile found → the status to write. Pure.
//!
//! Every room that comes to a verdict is above; below is `heard`. `writer` and `recorder` make the calls.

pub mod events;
pub mod recorder;
pub mod writer;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use resize_api::{
    condition::{ConditionType, Reason},
    derivatives::DerivativesStatus,
    status::{PublicRead, Record, ResizeEndpointStatus},
    text::printable,
};
use serde_json::{Value, json};

/// Why nothing is said of a condition.
pub const EARLIER: &str = "an earlier condition does not hold";

/// Most characters of a message.
const LONGEST: usize = 1000;

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
    /// Condition OriginalsReadable.
    pub originals: Verdict,
    /// Condition DerivativesCurrent, where somebody asks for it. Ready does not wait for it.
    pub derivatives: Option<Verdict>,
    /// What became of derivatives.
    pub derivatives_status: Option<DerivativesStatus>,
    /// Since when the public URL gives no right answer, if it does not.
    pub wrong_since: Option<Timestamp>,
    /// Whether the address of the pods is still to come.
    pub awaits_address: bool,
    /// Whether nothing is to be looked at.
    pub suspended: bool,
    /// Whether every resolution is allowed.
    pub every_size: bool,
    /// Where rules lead, if the spec is valid.
    pub redirect_url: Option<String>,
    /// What we wrote into the bucket, as the status records it.
    pub record: Record,
    /// What we lifted to let everybody read.
    pub public_read: Option<PublicRead>,
    /// Pods that exist.
    pub replicas: Option<i32>,
    /// How to find them.
    pub selector: Option<String>,
}

impl Report {
    /// Nothing was looked at, and `why`; what the bucket holds of us, and all else, as it was.
    pub fn unseen(why: &str, previous: &ResizeEndpointStatus) -> Self {
        let unseen = || Verdict::unknown(Reason::NotAttempted, why);
        Self {
            accepted: unseen(),
            workload: unseen(),
            routing: unseen(),
            public_url: unseen(),
            originals: unseen(),
            derivatives: said(previous, ConditionType::DerivativesCurrent).map(|_| unseen()),
            derivatives_status: previous.derivatives.clone(),
            wrong_since: None,
            awaits_address: false,
            suspended: false,
            every_size: false,
            redirect_url: previous.redirect_url.clone(),
            record: previous.into(),
            public_read: previous.public_read.clone(),
            replicas: previous.replicas,
            selector: previous.selector.clone(),
        }
    }

    /// Nothing is looked at: what was said last is still said.
    pub fn suspended(previous: &ResizeEndpointStatus) -> Self {
        let unseen = Self::unseen("suspend is true", previous);
        let last = |type_| said(previous, type_).unwrap_or_else(|| unseen.accepted.clone());
        Self {
            accepted: last(ConditionType::Accepted),
            workload: last(ConditionType::WorkloadAvailable),
            routing: last(ConditionType::RoutingRuleApplied),
            public_url: last(ConditionType::PublicUrlVerified),
            originals: last(ConditionType::OriginalsReadable),
            derivatives: said(previous, ConditionType::DerivativesCurrent),
            suspended: true,
            ..unseen
        }
    }

    /// The summary: the first condition that is false, else the first of which nothing is known, else that all hold.
    pub fn ready(&self) -> Verdict {
        let summary = self.summary();
        if self.suspended {
            return Verdict { reason: Reason::Suspended, message: "suspend is true: everything is kept as it is".to_owned(), ..summary };
        }
        summary
    }

    fn summary(&self) -> Verdict {
        let parts = [&self.accepted, &self.workload, &self.routing, &self.public_url, &self.originals];
        let unseen = self.public_url.reason == Reason::PublicUrlUnreachable;
        let holds = |verdict: &Verdict| verdict.holds == Some(true) || UNSEEN.contains(&verdict.reason);
        let is_false = |verdict: &&Verdict| verdict.holds == Some(false);
        if let Some(verdict) = parts.into_iter().find(is_false).or_else(|| parts.into_iter().find(|verdict| !holds(verdict))) {
            return verdict.clone();
        }
        let mut message = match (self.routing.reason == Reason::NotNeeded, unseen) {
            (false, false) => "pods serve, and publicUrl sends a missing size to them",
            (false, true) => "pods serve and the rules are in the bucket; whether publicUrl follows them cannot be seen from the operator",
            (true, false) => "pods serve, and publicUrl leads to them",
            (true, true) => "pods serve; whether publicUrl leads to them cannot be seen from the operator",
        }
        .to_owned();
        for warning in [&self.workload, &self.originals].into_iter().filter(|verdict| is_warning(verdict)) {
            message += "; warning: ";
            message += &warning.message;
        }
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

    fn conditions(&self) -> Vec<(ConditionType, Verdict)> {
        let mut all = vec![
            (ConditionType::Accepted, self.accepted.clone()),
            (ConditionType::WorkloadAvailable, self.workload.clone()),
            (ConditionType::RoutingRuleApplied, self.routing.clone()),
            (ConditionType::PublicUrlVerified, self.public_url.clone()),
            (ConditionType::OriginalsReadable, self.originals.clone()),
        ];
        all.extend(self.derivatives.clone().map(|verdict| (ConditionType::DerivativesCurrent, verdict)));
        all.push((ConditionType::Ready, self.ready()));
        all
    }
}

/// What cannot be known from where the operator runs. `Ready` does not wait for it.
const UNSEEN: [Reason; 3] = [Reason::PublicUrlUnreachable, Reason::PodsUnreachable, Reason::AccessUnclear];

/// What does not keep `Ready` from being true, and is reported with it.
fn is_warning(verdict: &Verdict) -> bool {
    matches!(verdict.reason, Reason::NoAddress | Reason::PodsCannotStore | Reason::PodsUnreachable | Reason::AccessUnclear)
}

/// The status after `report`. Equal to `previous` where nothing changed, transition times included.
pub fn status(previous: &ResizeEndpointStatus, generation: Option<i64>, report: &Report, now: Timestamp) -> ResizeEndpointStatus {
    let condition = |(type_, verdict): (ConditionType, Verdict)| {
        let is_summary = type_ == ConditionType::Ready;
        let type_ = type_.to_string();
        let last = previous.conditions.iter().find(|last| last.type_ == type_);
        if let (Some(last), true, false) = (last, report.suspended, is_summary) {
            return last.clone();
        }
        let status = verdict.holds.map_or("Unknown", |holds| if holds { "True" } else { "False" }).to_owned();
        let before = last.filter(|last| last.status == status);
        Condition {
            last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
            message: cut(&verdict.message),
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
        routing_rules_left: report.record.left.clone(),
        website_created: report.record.created,
        store: report.record.store.clone(),
        public_read: report.public_read.clone(),
        derivatives: report.derivatives_status.clone(),
        replicas: report.replicas,
        selector: report.selector.clone(),
    }
}

/// `message`, with the text of others in it, on one line and cut to what an Event takes.
fn cut(message: &str) -> String {
    let message = printable(message);
    if message.chars().count() <= LONGEST {
        return message;
    }
    message.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The fields of a status that record what we wrote into the bucket.
pub fn record(record: &Record) -> Value {
    json!({
        "routingRules": record.rules,
        "routingRulesPending": record.pending,
        "routingRulesRemoved": record.removed.iter().copied().map(Time).collect::<Vec<_>>(),
        "routingRulesLeft": record.left,
        "websiteCreated": record.created,
        "store": record.store,
    })
}

/// What `status` says of a condition, if that is about the spec of `generation`.
pub fn verdict(status: &ResizeEndpointStatus, type_: ConditionType, generation: Option<i64>) -> Option<Verdict> {
    let condition = find(status, type_)?;
    said(status, type_).filter(|_| condition.observed_generation == generation)
}

/// What `status` says of a condition.
pub fn said(status: &ResizeEndpointStatus, type_: ConditionType) -> Option<Verdict> {
    let condition = find(status, type_)?;
    let reason = Reason::ALL.iter().find(|reason| reason.to_string() == condition.reason)?;
    let holds = match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    };
    Some(Verdict { holds, reason: *reason, message: condition.message.clone() })
}

fn find(status: &ResizeEndpointStatus, type_: ConditionType) -> Option<&Condition> {
    let type_ = type_.to_string();
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

#[cfg(test)]
mod tests {
    use kube::runtime::events::{Event, EventType};

    use super::{events::events, *};

    /// A report in which all is well, but for `routing`.
    pub fn report(routing: Verdict) -> Report {
        Report {
            accepted: Verdict::yes(Reason::Valid, "spec is valid, bucket photos is free"),
            workload: Verdict::yes(Reason::PodsAvailable, "2 of 2 pods serve"),
            routing,
            public_url: Verdict::yes(Reason::PublicUrlServes, "to the resizer"),
            originals: Verdict::yes(Reason::PodsCanRead, "the pods can read originals"),
            derivatives: None,
            derivatives_status: None,
            wrong_since: None,
            awaits_address: false,
            suspended: false,
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
    fn no_message_is_longer_than_an_event_takes_or_has_a_second_line() {
        let said = report(Verdict::no(Reason::S3Error, "a\r\n\u{1b}[2Jok  everything: is well"));
        let status_of = |report| status(&ResizeEndpointStatus::default(), Some(3), report, at(0));
        assert_eq!(status_of(&said).conditions[2].message, "a   [2Jok  everything: is well");
        let long = report(Verdict::no(Reason::S3Error, "ä".repeat(41_115)));
        let status = status_of(&long);
        let lengths: Vec<_> = status.conditions.iter().map(|condition| condition.message.chars().count()).collect();
        assert_eq!(lengths.iter().max(), Some(&1000));
        assert!(events(&ResizeEndpointStatus::default(), &status).iter().all(|event| event.note.as_ref().unwrap().chars().count() <= 1000));
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
        assert_eq!(times(&second), [0, 0, 0, 0, 0, 0]);
        assert_eq!(times(&third), [0, 0, 2, 0, 0, 2]);
        let told = |events: Vec<Event>| events.into_iter().map(|event| (event.type_, event.reason)).collect::<Vec<_>>();
        assert_eq!(told(events(&first, &second)), [(EventType::Warning, "BucketNotFound".to_owned())]);
        assert_eq!(told(events(&second, &third)), ["RulesApplied", "Serving"].map(|reason| (EventType::Normal, reason.to_owned())));
    }

    #[test]
    fn suspend_keeps_the_last_verdicts_and_says_so_in_ready() {
        let first = status(&ResizeEndpointStatus::default(), Some(3), &report(Verdict::yes(Reason::RulesApplied, "2 rules")), at(0));
        let second = status(&first, Some(4), &Report::suspended(&first), at(9));
        assert_eq!(second.conditions[..5], first.conditions[..5], "nobody looked at generation 4");
        let ready = &second.conditions[5];
        assert_eq!((ready.status.as_str(), ready.reason.as_str(), ready.observed_generation), ("True", "Suspended", Some(4)));
        assert_eq!(ready.last_transition_time, first.conditions[5].last_transition_time);
        assert!(events(&first, &second).is_empty());
        assert_eq!(Report::suspended(&ResizeEndpointStatus::default()).ready().holds, None);
    }

    #[test]
    fn ready_tells_what_is_false_before_what_nobody_looked_at() {
        let unseen = Report::unseen("being deleted", &ResizeEndpointStatus::default());
        let stuck = Report { routing: Verdict::no(Reason::AccessDenied, "S3 refuses"), ..unseen };
        assert_eq!((stuck.ready().holds, stuck.ready().reason), (Some(false), Reason::AccessDenied));
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
