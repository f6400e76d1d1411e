//! What a sweep said is in the status, and Ready does not wait for it.

use resize_api::{condition::Reason, status::ResizeEndpointStatus};
use serde_json::{Value, json};

use super::reason_tests::fake;
use crate::{
    report::{self, Report, Verdict, events::events},
    testing::{
        fake::{Fake, NOW},
        fixtures::config,
    },
};

/// A sweep has ended, and said that.
pub(super) fn sweep(fake: &Fake, outcome: &str) {
    let now = k8s_openapi::jiff::Timestamp::from_second(NOW.get()).unwrap().to_string();
    let labels = json!({ "app.kubernetes.io/component": "sweep", "resize-operator.dev/endpoint": "photos" });
    let condition = json!({ "type": "Complete", "status": "True", "lastTransitionTime": now });
    fake.hear_of(json!({
        "metadata": { "name": "photos-sweep-1", "namespace": "demo", "labels": labels },
        "status": { "startTime": now, "completionTime": now, "conditions": [condition] },
    }));
    let report = json!({ "outcome": outcome, "started": now, "seconds": 7, "originals": 3, "fresh": 5, "stale": 1, "deleted": 1 });
    let end = json!({ "exitCode": 0, "finishedAt": now, "message": report.to_string() });
    let container =
        json!({ "name": "sweep", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "terminated": end } });
    fake.cluster.lock().unwrap().pods = vec![json!({ "metadata": { "name": "p" }, "status": { "containerStatuses": [container] } })];
}

/// What a sweep said is asked of its pod once, and stands in the status from then on.
#[tokio::test]
async fn a_sweep_is_told_once_and_costs_nothing_after_that() {
    let fake = fake(json!({ "derivatives": { "sweep": { "schedule": "@daily" } } }), config()).await;
    fake.settle().await;
    sweep(&fake, "Complete");
    fake.settle().await;
    let status = fake.resource().unwrap().status.unwrap().derivatives.unwrap();
    let last = status.last_sweep.unwrap();
    assert_eq!((last.job.as_str(), last.report.originals, last.report.fresh), ("photos-sweep-1", 3, 5));
    assert_eq!(status.stale_after_seconds, Some(24 * 3600 + 7));
    assert!(status.next_sweep.is_some_and(|next| next.0.as_second() > NOW.get()));
    let version = fake.resource().unwrap().metadata.resource_version;
    fake.cluster.lock().unwrap().calls.clear();
    fake.reconcile().await.unwrap();
    assert_eq!(fake.resource().unwrap().metadata.resource_version, version);
    let calls = fake.cluster.lock().unwrap().calls.clone();
    assert_eq!(
        calls.iter().filter(|(_, path)| path.ends_with("/pods")).count(),
        1,
        "the pods that serve are asked, and no others: {calls:?}"
    );

    // taken away: the status says nothing of it any more
    fake.edit(|object| object["spec"]["derivatives"] = Value::Null);
    fake.settle().await;
    let status = fake.resource().unwrap().status.unwrap();
    assert!(status.derivatives.is_none() && status.conditions.len() == 6);
}

#[test]
fn derivatives_that_are_behind_are_told_and_do_not_hold_ready_back() {
    let yes = |reason| Verdict::yes(reason, "");
    let previous = ResizeEndpointStatus::default();
    let behind = Report {
        accepted: yes(Reason::Valid),
        workload: yes(Reason::PodsAvailable),
        routing: yes(Reason::RulesApplied),
        public_url: yes(Reason::PublicUrlServes),
        originals: yes(Reason::PodsCanRead),
        derivatives: Some(Verdict::no(Reason::Overdue, "no sweep was complete")),
        ..Report::unseen("", &previous)
    };
    assert_eq!((behind.ready().holds, behind.ready().reason), (Some(true), Reason::Serving));
    let first = report::status(&previous, Some(3), &behind, k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
    assert!(events(&previous, &first).iter().any(|event| event.reason == "Overdue"));
    assert_eq!(Report::unseen("", &first).derivatives.map(|verdict| verdict.reason), Some(Reason::NotAttempted));
    assert_eq!(Report::suspended(&first).derivatives, behind.derivatives);
}
