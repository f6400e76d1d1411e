//! What keeps derivatives true, brought in line, and what it came to → `status.derivatives` and condition DerivativesCurrent.
//!
//! `reconcile` above calls it; `apply` writes, `sweeps` reads what Jobs said.

use std::time::Duration;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use resize_api::{
    condition::Reason,
    derivatives::{DerivativesStatus, LastSweep},
    sweep::SweepOutcome,
};

use super::{
    apply::{self, Kept},
    cluster::Cluster,
    desired::DerivativeObjects,
    follow, not_kept, sweeps,
};
use crate::{
    endpoint::{
        Endpoint,
        derivatives::{Derivatives, Sweep},
    },
    fingerprint::fingerprint,
    kubernetes::explain,
    report::Verdict,
};

/// How long pods of earlier settings may go on storing after they were seen last. The resizer adds it to what it is told.
const ROLLOUT: SignedDuration = SignedDuration::from_hours(1);
/// How often it is noted that pods of other settings still run: well within the above.
const NOTED: SignedDuration = SignedDuration::from_mins(15);
/// How much later than two of its intervals a sweep may be.
const LATE: Duration = Duration::from_hours(1);
/// Nothing was stored before this.
const EVER: &str = "1970-01-01T00:00:00Z";

/// What is said of derivatives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// `status.derivatives`.
    pub status: Option<DerivativesStatus>,
    /// Condition DerivativesCurrent, if sweeps or events are asked for.
    pub verdict: Option<Verdict>,
}

/// Keeps what `endpoint` asks for and looks at what came of it. `rolled_out`: all pods that serve run the current settings.
/// What is in the way is in the verdict: pods serve all the same.
pub async fn look_after(
    cluster: Cluster<'_>,
    endpoint: &Endpoint,
    credentials: Option<&str>,
    previous: Option<&DerivativesStatus>,
    rolled_out: bool,
    now: Timestamp,
) -> Found {
    let Cluster { client, children, .. } = cluster;
    let status = endpoint.derivatives.as_ref().map(|asked| {
        let settings = settings(endpoint);
        let next = asked.sweep.as_ref().filter(|sweep| !sweep.suspend).and_then(|sweep| sweep.next(now));
        DerivativesStatus { next_sweep: next.map(Time), ..since(previous.cloned().unwrap_or_default(), settings, rolled_out, now) }
    });
    let credentials = match &endpoint.derivatives {
        Some(asked) => follow::credentials(client, children, endpoint, asked, credentials).await,
        None => None,
    };
    let objects = DerivativeObjects::new(endpoint, &settings_since(status.as_ref()), credentials.as_deref());
    let kept = match apply::apply_derivatives(cluster, endpoint, &objects).await {
        Ok(kept) => kept,
        Err(error) => return Found { status, verdict: Some(not_kept(&error)) },
    };
    let (Some(asked), Some(mut status)) = (&endpoint.derivatives, status) else { return Found::default() };
    let jobs = if asked.sweep.is_some() { children.jobs(&endpoint.namespace, &endpoint.name) } else { Vec::new() };
    let mut unread = None;
    for ended in sweeps::unseen(jobs.iter().map(AsRef::as_ref), status.last_sweep.as_ref()) {
        match sweeps::report(client, endpoint, &ended).await {
            Ok(sweep) => status = after(status, sweep),
            Err(error) => unread = Some(Verdict::unknown(Reason::KubernetesError, explain(&error))),
        }
    }
    let running = sweeps::running(jobs.iter().map(AsRef::as_ref));
    let mut verdict = unread.or_else(|| judge(asked, &status, &kept, running.as_ref(), now));
    if let Some(verdict) = &mut verdict {
        kept.notes.iter().for_each(|note| verdict.message = format!("{}; {note}", verdict.message));
    }
    let is_bounded = verdict.as_ref().is_some_and(|verdict| verdict.reason == Reason::SweepComplete);
    status.stale_after_seconds = asked.sweep.as_ref().filter(|_| is_bounded).and_then(|sweep| bound(sweep, status.last_sweep.as_ref()));
    if let Some(verdict) = verdict.as_mut().filter(|verdict| kept.waits && verdict.holds == Some(true)) {
        verdict.reason = Reason::WaitingForRollouts;
    }
    Found { status: Some(status), verdict }
}

/// Fingerprint of what says which derivatives there shall be, and what they look like.
fn settings(endpoint: &Endpoint) -> String {
    let recipe = endpoint.settings.recipe.differences().into_iter().map(|(name, value)| format!("{name}={value}"));
    let sizes = endpoint.settings.allowed_resolutions.iter().map(ToString::to_string);
    let variables = endpoint.settings.to_env().into_iter();
    let published = variables.filter(|(name, _)| name.ends_with("_PREFIXES")).map(|(name, value)| format!("{name}={value}"));
    let lines: Vec<_> = recipe.chain(sizes).chain(published).collect();
    fingerprint(&lines.iter().map(String::as_bytes).collect::<Vec<_>>())
}

/// The status with these `settings`, and since when they are the only ones.
fn since(status: DerivativesStatus, settings: String, rolled_out: bool, now: Timestamp) -> DerivativesStatus {
    // as the status will have it
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let since = status.settings_since.as_ref().map(|time| time.0).filter(|_| status.settings.as_ref() == Some(&settings));
    let since = match since {
        // others were stored until now, if not longer
        Some(since) if !rolled_out && !is_verified(&status) && now.duration_since(since) > NOTED => now,
        Some(since) => since,
        None => now,
    };
    DerivativesStatus { settings: Some(settings), settings_since: Some(Time(since)), ..status }
}

/// Whether a sweep has seen everything since the current settings are the only ones.
fn is_verified(status: &DerivativesStatus) -> bool {
    let (complete, since) = (status.last_complete.as_ref(), status.settings_since.as_ref());
    complete.zip(since).is_some_and(|(complete, since)| complete.0.duration_since(since.0) > ROLLOUT)
}

/// What a sweep is told: derivatives that were stored later than this are not looked at for their settings.
pub fn settings_since(status: Option<&DerivativesStatus>) -> String {
    let since = status.filter(|status| !is_verified(status)).and_then(|status| status.settings_since.as_ref());
    since.map_or_else(|| EVER.to_owned(), |since| since.0.to_string())
}

/// The status after one more sweep.
fn after(status: DerivativesStatus, sweep: LastSweep) -> DerivativesStatus {
    let began = sweep.report.started.parse::<Timestamp>().unwrap_or(sweep.finished.0);
    let complete = Some(Time(began)).filter(|_| sweep.report.outcome == SweepOutcome::Complete);
    let last_complete = complete.max_by_time(status.last_complete);
    DerivativesStatus { last_sweep: Some(sweep), last_complete, ..status }
}

trait Later {
    fn max_by_time(self, other: Self) -> Self;
}

impl Later for Option<Time> {
    fn max_by_time(self, other: Self) -> Self {
        [self, other].into_iter().flatten().max_by_key(|time| time.0)
    }
}

/// How long a derivative may be stale: as long as no sweep begins, and until the one that finds it has ended.
fn bound(sweep: &Sweep, last: Option<&LastSweep>) -> Option<i64> {
    let took = last.map_or(0, |last| last.report.seconds);
    i64::try_from(sweep.interval.as_secs().saturating_add(took)).ok()
}

fn judge(
    asked: &Derivatives,
    status: &DerivativesStatus,
    kept: &Kept,
    running: Option<&(String, Option<Timestamp>)>,
    now: Timestamp,
) -> Option<Verdict> {
    if let Some(away) = kept.follow.as_ref().and_then(|gone| follow::away(gone, now)) {
        return Some(Verdict::no(Reason::FollowUnavailable, away));
    }
    let Some(sweep) = &asked.sweep else {
        let serves = kept.follow.as_ref()?.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0) > 0;
        let message = "events are followed; without derivatives.sweep nothing finds what they miss";
        let waits = || Verdict::unknown(Reason::Progressing, "the pod that follows events is on its way");
        return Some(if serves { Verdict::yes(Reason::EventsFollowed, message) } else { waits() });
    };
    let created = kept.sweep.as_ref().and_then(|sweep| sweep.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    Some(judge_sweep(sweep, status, created, running, now))
}

fn judge_sweep(
    sweep: &Sweep,
    status: &DerivativesStatus,
    created: Option<Timestamp>,
    running: Option<&(String, Option<Timestamp>)>,
    now: Timestamp,
) -> Verdict {
    let last = status.last_sweep.as_ref();
    let told = last.map(told).unwrap_or_default();
    match last.map(|last| last.report.outcome) {
        Some(SweepOutcome::Refused) => return Verdict::no(Reason::SweepRefused, told),
        Some(SweepOutcome::Failed | SweepOutcome::Interrupted) => return Verdict::no(Reason::SweepFailed, told),
        _ => {}
    }
    let complete = status.last_complete.as_ref().map(|time| time.0);
    let allowed = SignedDuration::try_from(sweep.interval.saturating_mul(2).saturating_add(LATE)).unwrap_or(SignedDuration::MAX);
    let since = complete.or(created).unwrap_or(now);
    let is_dry = last.is_some_and(|last| last.report.outcome == SweepOutcome::DryRun);
    if now.duration_since(since) > allowed && !is_dry {
        let why = match running {
            _ if sweep.suspend => "; derivatives.sweep.suspend is true".to_owned(),
            Some((name, Some(began))) => format!("; Job {name} has run since {began}"),
            Some((name, None)) => format!("; Job {name} has not begun"),
            None => "; look at the Events of the CronJob".to_owned(),
        };
        return Verdict::no(Reason::Overdue, format!("no sweep was complete since {since}, for more than twice its interval{why}"));
    }
    match last {
        None => Verdict::unknown(Reason::NotSweptYet, not_yet(status, running)),
        Some(_) if is_dry => Verdict::unknown(Reason::SweepDryRun, told),
        Some(_) => Verdict::yes(Reason::SweepComplete, told),
    }
}

fn not_yet(status: &DerivativesStatus, running: Option<&(String, Option<Timestamp>)>) -> String {
    match (running, &status.next_sweep) {
        (Some((name, _)), _) => format!("no sweep has ended yet; Job {name} runs"),
        (None, Some(next)) => format!("no sweep has ended yet; the next one is due at {}", next.0),
        (None, None) => "no sweep has ended yet, and none is due".to_owned(),
    }
}

/// A sweep in a line.
fn told(last: &LastSweep) -> String {
    let report = &last.report;
    let mut parts = vec![format!("Job {} looked at {} originals", last.job, report.originals)];
    let numbers = [
        (report.fresh, "derivatives are fresh"),
        (report.stale, "stale"),
        (report.orphaned, "without an original"),
        (report.outdated, "of other settings"),
        (report.retired, "of a resolution or a variant that is not listed"),
        (report.deleted, "deleted"),
        (report.made, "made"),
        (report.failed, "failed"),
    ];
    parts.extend(numbers.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")));
    let line = parts.join(", ");
    let help = if report.outcome == SweepOutcome::Refused {
        "; if that is right, raise derivatives.sweep.maxDeletions until the next sweep, or run `resizer sweep --force` once"
    } else {
        ""
    };
    if report.message.is_empty() { line + help } else { format!("{}: {line}{help}", report.message) }
}

#[cfg(test)]
#[path = "derivatives_tests.rs"]
mod tests;
