//! What was found and what is remembered → when to look again. Pure.

use std::time::Duration;

use resize_api::condition::Reason;

use crate::{reconcile::memory::Memory, report::Report};

/// How soon to look again at a public URL that may be right in a moment.
const SOON: Duration = Duration::from_secs(2);
/// How soon to look again at a public URL that was right, or could not be reached: that may take seconds of waiting each time.
const IN_A_WHILE: Duration = Duration::from_secs(10);
/// How soon to look again at what triggers a reconcile by itself when it changes.
pub(super) const LATER: Duration = Duration::from_secs(30);
/// Delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay after failures.
const LONGEST: Duration = Duration::from_mins(5);
/// Shortest delay after S3 asked for fewer calls.
const THROTTLED: Duration = Duration::from_secs(15);

/// When to look again after `report`, of which `memory` knows already; `None` if nothing but a change can help.
/// `resync` is for what is well, `random` is from 0 to 1.
pub fn next_look(report: &Report, memory: &Memory, resync: Duration, random: f64) -> Option<Duration> {
    let reason = report.ready().reason;
    match reason {
        _ if reason.is_passing() => Some(after_failure(reason, memory.failures, random)),
        Reason::InvalidSpec | Reason::Suspended => None,
        // changes of Deployment and pods trigger a reconcile; this is for missed ones
        Reason::Progressing | Reason::PodsFailing | Reason::WaitingForWorkload | Reason::BucketClaimed | Reason::HostClaimed => Some(LATER),
        _ if report.workload.reason == Reason::RollingOut || report.awaits_address => Some(LATER),
        _ if report.derivatives.as_ref().is_some_and(|verdict| verdict.reason.is_passing()) => Some(LATER),
        Reason::Verifying => Some(SOON),
        _ if memory.wrong_since.is_some() => Some(IN_A_WHILE),
        // it is called when there is a place; this is for a call that nobody heard
        _ if waits(report) => Some(jitter(resync.min(LONGEST), random)),
        _ => Some(jitter(resync, random)),
    }
}

fn waits(report: &Report) -> bool {
    [Some(&report.workload), report.derivatives.as_ref()].into_iter().flatten().any(|verdict| verdict.reason == Reason::WaitingForRollouts)
}

/// The delay after the last of so many failures in a row: doubled by each.
pub fn after_failure(reason: Reason, failures: u32, random: f64) -> Duration {
    let shortest = if reason == Reason::S3Throttled { THROTTLED } else { FIRST };
    let delay = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).clamp(shortest, LONGEST);
    jitter(delay, random)
}

/// `delay`, less up to a fifth, so that objects do not come in step.
fn jitter(delay: Duration, random: f64) -> Duration {
    delay.mul_f64(1.0 - random.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use resize_api::status::ResizeEndpointStatus;

    use super::*;
    use crate::report::Verdict;

    const RESYNC: Duration = Duration::from_mins(10);

    fn well() -> Report {
        let yes = |reason| Verdict::yes(reason, "");
        Report {
            accepted: yes(Reason::Valid),
            workload: yes(Reason::PodsAvailable),
            routing: yes(Reason::RulesApplied),
            public_url: yes(Reason::PublicUrlServes),
            originals: yes(Reason::PodsCanRead),
            ..Report::unseen("", &ResizeEndpointStatus::default())
        }
    }

    #[test]
    fn each_report_has_its_time() {
        let no = |reason| Verdict::no(reason, "");
        let failed = |failures| {
            let mut memory = Memory::default();
            memory.failures = failures;
            memory
        };
        let wrong = |failures| {
            let mut memory = failed(failures);
            memory.wrong_since = Some(Timestamp::UNIX_EPOCH);
            memory
        };
        let waiting = || Report { workload: Verdict::yes(Reason::WaitingForRollouts, ""), ..well() };
        let verifying = Report { public_url: Verdict::unknown(Reason::Verifying, ""), ..well() };
        let rolling = Report { workload: Verdict::yes(Reason::RollingOut, ""), ..well() };
        for (report, memory, next) in vec![
            (well(), failed(0), Some(RESYNC)),
            (well(), wrong(0), Some(IN_A_WHILE)),
            (verifying, wrong(0), Some(SOON)),
            (rolling, wrong(0), Some(LATER)),
            (waiting(), failed(0), Some(LONGEST)),
            (waiting(), wrong(0), Some(IN_A_WHILE)),
            (Report { awaits_address: true, ..waiting() }, failed(0), Some(LATER)),
            (Report { derivatives: Some(Verdict::yes(Reason::WaitingForRollouts, "")), ..well() }, failed(0), Some(LONGEST)),
            (Report { originals: Verdict::unknown(Reason::Verifying, ""), ..well() }, failed(0), Some(SOON)),
            (Report { originals: no(Reason::AccessDenied), ..well() }, failed(3), Some(FIRST * 4)),
            (Report { awaits_address: true, ..well() }, failed(0), Some(LATER)),
            (Report { derivatives: Some(no(Reason::Forbidden)), ..well() }, failed(0), Some(LATER)),
            (Report { derivatives: Some(no(Reason::SweepFailed)), ..well() }, failed(0), Some(RESYNC)),
            (Report { accepted: no(Reason::InvalidSpec), ..well() }, failed(0), None),
            (Report { suspended: true, ..well() }, failed(0), None),
            (Report { accepted: no(Reason::BucketClaimed), ..well() }, failed(0), Some(LATER)),
            (Report { accepted: no(Reason::HostClaimed), ..well() }, failed(0), Some(LATER)),
            (Report { accepted: no(Reason::BucketNotAllowed), ..well() }, failed(0), Some(RESYNC)),
            (Report { workload: no(Reason::PodsFailing), ..well() }, failed(0), Some(LATER)),
            (Report { routing: no(Reason::WaitingForWorkload), ..well() }, failed(0), Some(LATER)),
            (Report { routing: no(Reason::WaitingForExternalWriter), ..well() }, failed(0), Some(RESYNC)),
            (Report { routing: no(Reason::AccessDenied), ..well() }, failed(1), Some(FIRST)),
            (Report { routing: no(Reason::AccessDenied), ..well() }, failed(3), Some(FIRST * 4)),
            (Report { routing: no(Reason::S3Throttled), ..well() }, failed(1), Some(THROTTLED)),
            // reported: it is no longer within the grace period
            (Report { public_url: no(Reason::NoRedirect), ..well() }, wrong(9), Some(FIRST * 256)),
        ] {
            assert_eq!(next_look(&report, &memory, RESYNC, 0.0), next, "{report:?} {memory:?}");
        }
        assert_eq!(next_look(&waiting(), &failed(0), LATER, 0.0), Some(LATER), "no later than what is well");
    }

    #[test]
    fn delays_double_to_a_bound_with_jitter() {
        let seconds = |reason| (1..12).map(|failures| after_failure(reason, failures, 0.0).as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(Reason::S3Error), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(seconds(Reason::S3Throttled), [15, 15, 15, 15, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(after_failure(Reason::S3Error, 1, 1.0), Duration::from_millis(800));
    }
}
