//! What is said of derivatives, by what Jobs said and by the time.

use resize_api::sweep::SweepReport;
use serde_json::json;

use super::*;
use crate::{
    testing::fixtures::{config, resource, time},
    workload::apply::Kept,
};

const NOW: &str = "2026-01-10T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn asked(derivatives: serde_json::Value) -> Derivatives {
    let mut resource = resource();
    resource.spec.derivatives = Some(serde_json::from_value(derivatives).unwrap());
    Endpoint::new(&resource, &config()).unwrap().derivatives.unwrap()
}

fn daily() -> Derivatives {
    asked(json!({ "sweep": { "schedule": "17 3 * * *" } }))
}

fn sweep(outcome: SweepOutcome, started: &str) -> LastSweep {
    let report = SweepReport { outcome, started: started.to_owned(), seconds: 60, originals: 9, ..SweepReport::default() };
    LastSweep { job: "photos-sweep-1".into(), finished: time(started), report }
}

/// The CronJob was made then.
fn made(when: &str) -> Kept {
    let sweep = json!({ "metadata": { "creationTimestamp": when }, "spec": { "schedule": "", "jobTemplate": {} } });
    Kept { sweep: Some(serde_json::from_value(sweep).unwrap()), ..Kept::default() }
}

fn reason(status: &DerivativesStatus, kept: &Kept) -> (Option<bool>, Reason) {
    let verdict = judge(&daily(), status, kept, None, at(NOW)).unwrap();
    (verdict.holds, verdict.reason)
}

#[test]
fn the_last_sweep_and_the_time_say_whether_derivatives_are_current() {
    use SweepOutcome::{Complete, DryRun, Failed, Interrupted, Refused};

    let (long_ago, just_now) = (made("2025-01-01T00:00:00Z"), made("2026-01-10T11:00:00Z"));
    let after = |sweeps: &[LastSweep]| sweeps.iter().cloned().fold(DerivativesStatus::default(), super::after);
    let (last_night, three_days_ago) = ("2026-01-10T03:17:00Z", "2026-01-07T03:17:00Z");
    for (sweeps, kept, expected) in [
        (vec![], &just_now, (None, Reason::NotSweptYet)),
        (vec![], &long_ago, (Some(false), Reason::Overdue)),
        (vec![sweep(Complete, last_night)], &long_ago, (Some(true), Reason::SweepComplete)),
        // two intervals and an hour are over
        (vec![sweep(Complete, "2026-01-08T11:00:01Z")], &long_ago, (Some(true), Reason::SweepComplete)),
        (vec![sweep(Complete, "2026-01-08T10:59:59Z")], &long_ago, (Some(false), Reason::Overdue)),
        (vec![sweep(Refused, last_night)], &long_ago, (Some(false), Reason::SweepRefused)),
        (vec![sweep(Complete, three_days_ago), sweep(Failed, last_night)], &long_ago, (Some(false), Reason::SweepFailed)),
        (vec![sweep(Interrupted, last_night)], &long_ago, (Some(false), Reason::SweepFailed)),
        (vec![sweep(DryRun, last_night)], &long_ago, (None, Reason::SweepDryRun)),
        (vec![sweep(Failed, three_days_ago), sweep(Complete, last_night)], &long_ago, (Some(true), Reason::SweepComplete)),
    ] {
        assert_eq!(reason(&after(&sweeps), kept), expected, "{sweeps:?}");
    }
}

#[test]
fn what_is_overdue_is_told_with_what_stands_in_the_way() {
    let message = |asked: &Derivatives, running: Option<(String, Option<Timestamp>)>| {
        let kept = made("2025-01-01T00:00:00Z");
        judge(asked, &DerivativesStatus::default(), &kept, running.as_ref(), at(NOW)).unwrap().message
    };
    let suspended = asked(json!({ "sweep": { "schedule": "@daily", "suspend": true } }));
    assert!(message(&suspended, None).contains("derivatives.sweep.suspend is true"));
    assert!(message(&daily(), Some(("a".into(), Some(at("2026-01-01T00:00:00Z"))))).contains("Job a has run since 2026-01-01"));
    assert!(message(&daily(), None).contains("Events of the CronJob"));
}

#[test]
fn nothing_is_said_where_nothing_is_asked_and_a_pod_that_is_away_is_told() {
    assert_eq!(judge(&asked(json!({ "onDelete": "Delete" })), &DerivativesStatus::default(), &Kept::default(), None, at(NOW)), None);
    let events = asked(json!({ "events": { "sqs": { "queueUrl": "http://sqs.example.com/1/photos" } } }));
    let verdict = |status: serde_json::Value| {
        let follow = json!({ "metadata": { "name": "photos-follow" }, "spec": { "selector": {}, "template": {} }, "status": status });
        let kept = Kept { follow: Some(serde_json::from_value(follow).unwrap()), ..Kept::default() };
        judge(&events, &DerivativesStatus::default(), &kept, None, at(NOW)).map(|verdict| (verdict.holds, verdict.reason))
    };
    let missing = |since: &str| json!({ "conditions": [{ "type": "Available", "status": "False", "lastTransitionTime": since }] });
    assert_eq!(verdict(json!({ "availableReplicas": 1 })), Some((Some(true), Reason::EventsFollowed)));
    assert_eq!(verdict(missing("2026-01-10T11:59:00Z")), Some((None, Reason::Progressing)));
    assert_eq!(verdict(missing("2026-01-10T11:50:00Z")), Some((Some(false), Reason::FollowUnavailable)));
}

#[test]
fn a_refusal_tells_what_to_do() {
    let mut refused = sweep(SweepOutcome::Refused, NOW);
    refused.report = SweepReport { message: "600 of 1000 would go".into(), orphaned: 600, fresh: 400, ..refused.report };
    let told = told(&refused);
    assert!(
        told.starts_with("600 of 1000 would go: Job photos-sweep-1 looked at 9 originals, 400 derivatives are fresh, 600 without"),
        "{told}"
    );
    assert!(told.contains("maxDeletions"), "{told}");
}

#[test]
fn settings_are_new_until_the_last_pod_of_others_is_gone_and_a_sweep_has_seen_all() {
    let step = |status, settings: &str, rolled_out, now: &str| since(status, settings.into(), rolled_out, at(now));
    let told = |status: &DerivativesStatus| settings_since(Some(status));
    let first = step(DerivativesStatus::default(), "a", true, "2026-01-01T00:00:00.987Z");
    assert_eq!(told(&first), "2026-01-01T00:00:00Z");
    // the rollout goes on: noted now and then, not at every look
    let rolling = step(first.clone(), "a", false, "2026-01-01T00:10:00Z");
    assert_eq!(told(&rolling), "2026-01-01T00:00:00Z");
    let rolling = step(rolling, "a", false, "2026-01-01T00:20:00Z");
    assert_eq!(told(&rolling), "2026-01-01T00:20:00Z");
    let done = step(rolling, "a", true, "2026-01-01T09:00:00Z");
    assert_eq!(told(&done), "2026-01-01T00:20:00Z");
    // a sweep that began too early saw too little
    let early = after(done.clone(), sweep(SweepOutcome::Complete, "2026-01-01T01:00:00Z"));
    assert_eq!(told(&early), "2026-01-01T00:20:00Z");
    let refused = after(done.clone(), sweep(SweepOutcome::Refused, "2026-01-02T01:00:00Z"));
    assert_eq!(told(&refused), "2026-01-01T00:20:00Z");
    let seen = after(done, sweep(SweepOutcome::Complete, "2026-01-02T01:00:00Z"));
    assert_eq!(told(&seen), EVER);
    // pods that are away for a while have the same settings
    assert_eq!(told(&step(seen.clone(), "a", false, "2026-01-03T00:00:00Z")), EVER);
    let changed = step(seen, "b", false, "2026-01-03T00:00:00Z");
    assert_eq!(told(&changed), "2026-01-03T00:00:00Z");
}

/// A sweep may delete any number of those that the user no longer wants.
#[test]
fn another_recipe_or_list_of_sizes_is_another_setting() {
    let of = |edit: fn(&mut resize_api::ResizeEndpoint)| {
        let mut resource = resource();
        edit(&mut resource);
        settings(&Endpoint::new(&resource, &config()).unwrap())
    };
    let plain = of(|_| ());
    assert_ne!(of(|resource| resource.spec.allowed_resolutions.truncate(1)), plain);
    assert_ne!(of(|resource| resource.spec.output.quality = Some(70)), plain);
    assert_eq!(of(|resource| resource.spec.workload.replicas = 7), plain);
}

#[test]
fn a_sweep_that_ended_later_does_not_take_back_what_a_longer_one_saw() {
    let seen = after(DerivativesStatus::default(), sweep(SweepOutcome::Complete, "2026-01-02T01:00:00Z"));
    let seen = after(seen, sweep(SweepOutcome::Complete, "2026-01-01T01:00:00Z"));
    assert_eq!(seen.last_complete, Some(time("2026-01-02T01:00:00Z")));
    assert_eq!(bound(daily().sweep.as_ref().unwrap(), seen.last_sweep.as_ref()), Some(24 * 3600 + 60));
}
