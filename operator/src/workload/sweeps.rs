//! Jobs that swept, also those that somebody started by hand → what each said in its last words.
//!
//! A Job is looked at once, after its end: the status remembers which was the last.

use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ContainerStateTerminated, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use resize_api::{
    derivatives::LastSweep,
    sweep::{SweepOutcome, SweepReport},
};
use serde_json::Value;

use crate::endpoint::Endpoint;

/// Most Jobs that are looked at in one go, the newest: their pods are removed with them, and the history keeps two.
const JOBS: usize = 5;
/// Most pods of a Job: one, and one for each time that it tries again.
const PODS: u32 = 20;
/// Largest number of a status.
const LARGEST: u64 = i64::MAX.unsigned_abs();
/// Most characters of a message.
const LONGEST: usize = 500;

/// What a Job that has ended came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    name: String,
    at: Timestamp,
    started: Option<Timestamp>,
    failure: Option<String>,
}

impl Ended {
    /// Whether its program ended well.
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }
}

/// Which of `jobs` sweep, have ended, and ended after the `last` one; the newest few, in order. Of two that end in one second, the first
/// by name may be told alone.
pub fn unseen<'a>(jobs: impl Iterator<Item = &'a Job>, last: Option<&LastSweep>) -> Vec<Ended> {
    let key = |name: &str, at: Timestamp| (at, name.to_owned());
    let after = last.map(|last| key(&last.job, last.finished.0));
    let is_new = |ended: &Ended| after.as_ref().is_none_or(|after| key(&ended.name, ended.at) > *after);
    let mut all: Vec<_> = jobs.filter(|job| is_sweep(job)).filter_map(ended).filter(is_new).collect();
    all.sort_by_key(|ended| key(&ended.name, ended.at));
    all.split_off(all.len().saturating_sub(JOBS))
}

/// Since when a sweep runs, if one does.
pub fn running<'a>(jobs: impl Iterator<Item = &'a Job>) -> Option<(String, Option<Timestamp>)> {
    let mut running = jobs.filter(|job| is_sweep(job) && job.metadata.deletion_timestamp.is_none() && ended(job).is_none());
    running.next().map(|job| (job.name_any(), job.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0)))
}

fn is_sweep(job: &Job) -> bool {
    job.labels().get("app.kubernetes.io/component").is_some_and(|component| component == "sweep")
}

/// How and when a Job ended, if it has.
pub fn ended(job: &Job) -> Option<Ended> {
    let status = job.status.as_ref()?;
    let condition = |type_: &str| status.conditions.iter().flatten().find(|found| found.type_ == type_ && found.status == "True");
    let (complete, failed) = (condition("Complete"), condition("Failed"));
    let end = complete.or(failed)?;
    let at = complete.and(status.completion_time.as_ref()).or(end.last_transition_time.as_ref())?.0;
    let why = |failed: &k8s_openapi::api::batch::v1::JobCondition| {
        let said = [&failed.reason, &failed.message].into_iter().flatten().map(String::as_str);
        said.collect::<Vec<_>>().join(": ")
    };
    Some(Ended {
        name: job.name_any(),
        at,
        started: status.start_time.as_ref().map(|time| time.0),
        failure: failed.filter(|_| complete.is_none()).map(why),
    })
}

/// What the pods of a Job said in the end.
pub async fn report(client: &Client, endpoint: &Endpoint, ended: &Ended) -> Result<LastSweep, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &endpoint.namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", ended.name)).limit(PODS);
    let is_dry = endpoint.derivatives.as_ref().and_then(|asked| asked.sweep.as_ref()).is_some_and(|sweep| sweep.dry_run);
    Ok(read(ended, &pods.list(&of_job).await?.items, is_dry))
}

fn read(ended: &Ended, pods: &[Pod], is_dry: bool) -> LastSweep {
    let containers = pods.iter().filter_map(|pod| pod.status.as_ref()).flat_map(|status| status.container_statuses.iter().flatten());
    let ends = containers.filter_map(|container| container.state.as_ref()?.terminated.as_ref());
    let last = ends.max_by_key(|end| end.finished_at.as_ref().map(|time| time.0));
    let report = last.and_then(said).unwrap_or_else(|| unsaid(ended, last, is_dry));
    let message = report.message.chars().take(LONGEST).collect();
    LastSweep { job: ended.name.clone(), finished: Time(ended.at), report: SweepReport { message, ..report } }
}

/// The report, where the program came so far as to write it. Other text may be JSON too: the last line of a log.
fn said(end: &ContainerStateTerminated) -> Option<SweepReport> {
    let mut value: Value = serde_json::from_str(end.message.as_ref()?).ok()?;
    value.get("outcome")?;
    // the image may be anybody's, and the status takes no larger numbers
    for number in value.as_object_mut()?.values_mut().filter(|value| value.as_u64().is_some_and(|number| number > LARGEST)) {
        *number = LARGEST.into();
    }
    serde_json::from_value(value).ok()
}

/// What is known of a sweep that wrote no report.
fn unsaid(ended: &Ended, end: Option<&ContainerStateTerminated>, is_dry: bool) -> SweepReport {
    let (outcome, message) = match (&ended.failure, end) {
        (None, _) => {
            let outcome = if is_dry { SweepOutcome::DryRun } else { SweepOutcome::Complete };
            (outcome, "its pod is gone, and its numbers with it".to_owned())
        }
        (Some(why), None) => (SweepOutcome::Failed, why.clone()),
        (Some(why), Some(end)) => {
            let text = end.message.as_deref().or(end.reason.as_deref()).unwrap_or(why).trim().to_owned();
            (SweepOutcome::Failed, format!("exit status {}: {text}", end.exit_code))
        }
    };
    let started = ended.started.unwrap_or(ended.at);
    let seconds = ended.at.duration_since(started).unsigned_abs().as_secs();
    SweepReport { outcome, message, started: started.to_string(), seconds, ..SweepReport::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(name: &str, type_: &str, at: &str) -> Job {
        let condition = json!({ "type": type_, "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": at });
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "app.kubernetes.io/component": "sweep" } },
            "status": { "startTime": "2026-01-02T03:00:00Z", "conditions": [condition] },
        }))
        .unwrap()
    }

    fn pod(at: &str, message: &str) -> Pod {
        let end = json!({ "exitCode": 1, "finishedAt": at, "message": message });
        let status =
            json!({ "name": "sweep", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "terminated": end } });
        serde_json::from_value(json!({ "status": { "containerStatuses": [status] } })).unwrap()
    }

    #[test]
    fn a_job_is_looked_at_once_after_its_end() {
        let jobs = [
            job("b", "Complete", "2026-01-02T03:05:00Z"),
            job("a", "Failed", "2026-01-02T03:04:00Z"),
            job("c", "Suspended", "2026-01-02T03:09:00Z"),
        ];
        let names = |last: Option<&LastSweep>| unseen(jobs.iter(), last).into_iter().map(|ended| ended.name).collect::<Vec<_>>();
        assert_eq!(names(None), ["a", "b"]);
        let last = |job: &Job| read(&ended(job).unwrap(), &[], false);
        assert_eq!(names(Some(&last(&jobs[1]))), ["b"]);
        assert_eq!(names(Some(&last(&jobs[0]))), Vec::<String>::new());
        assert_eq!(running(jobs.iter()).unwrap().0, "c");
        let mut purge = jobs[0].clone();
        purge.labels_mut().insert("app.kubernetes.io/component".into(), "purge".into());
        assert!(unseen([purge].iter(), None).is_empty());
    }

    #[test]
    fn the_last_pod_has_the_last_word() {
        let failed = ended(&job("a", "Failed", "2026-01-02T03:05:00Z")).unwrap();
        let report = json!({ "outcome": "Refused", "message": "10 of 12", "stale": 3 }).to_string();
        let pods = [pod("2026-01-02T03:04:59Z", &report), pod("2026-01-02T03:01:00Z", "cannot connect")];
        let found = read(&failed, &pods, false).report;
        assert_eq!((found.outcome, found.message.as_str(), found.stale), (SweepOutcome::Refused, "10 of 12", 3));
        // a line of a log is no report
        let found = read(&failed, &[pod("2026-01-02T03:04:59Z", r#"{"level":"ERROR","message":"BUCKET: not set"}"#)], false).report;
        assert_eq!(found.outcome, SweepOutcome::Failed);
        assert!(found.message.starts_with("exit status 1: ") && found.message.contains("BUCKET: not set"), "{}", found.message);
        assert_eq!((found.started.as_str(), found.seconds), ("2026-01-02T03:00:00Z", 300));
    }

    #[test]
    fn what_a_foreign_image_says_is_bounded() {
        let ended = ended(&job("a", "Complete", "2026-01-02T03:05:00Z")).unwrap();
        let said = json!({ "outcome": "Complete", "fresh": u64::MAX, "message": "x".repeat(3000) }).to_string();
        let found = read(&ended, &[pod("2026-01-02T03:04:59Z", &said)], false).report;
        assert_eq!((found.fresh, found.message.len()), (LARGEST, LONGEST));
    }

    #[test]
    fn a_job_whose_pod_is_gone_counts_as_it_ended() {
        let outcome = |type_, is_dry| read(&ended(&job("a", type_, "2026-01-02T03:05:00Z")).unwrap(), &[], is_dry).report.outcome;
        assert_eq!(outcome("Complete", false), SweepOutcome::Complete);
        assert_eq!(outcome("Complete", true), SweepOutcome::DryRun);
        assert_eq!(outcome("Failed", false), SweepOutcome::Failed);
    }
}
