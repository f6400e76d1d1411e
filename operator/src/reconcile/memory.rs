//! What is remembered of an endpoint from one reconcile to the next, by its uid. All of it ends together.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    status::{PublicRead, Record, ResizeEndpointStatus},
};
use serde_json::json;

use crate::{
    bucket::{
        Found,
        credentials::{Access, Keys},
    },
    report::{self, Report, Verdict},
};

/// What is remembered of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Failures in a row with the same spec.
    pub failures: u32,
    /// Since when its public URL gives no right answer, if it does not.
    pub wrong_since: Option<Timestamp>,
    /// The keys of its Secret with which S3 last did what it was asked.
    pub keys: Option<Keys>,
    /// The version of the object that was written last.
    written: Option<u64>,
    failed: Option<i64>,
    finding: Option<Finding>,
}

/// That all was well with a bucket: what happens to pods is no reason to ask S3 again. What was said of it stands in the status.
#[derive(Clone, Debug)]
struct Finding {
    of: Version,
    at: Instant,
    said: Said,
    /// The reason of condition OriginalsReadable, if all pods that there are now could be asked.
    originals: Option<Reason>,
}

/// What was said of a bucket, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said(u64);

impl Said {
    fn of(routing: &Verdict, public_url: &Verdict, record: &Record, public_read: Option<&PublicRead>) -> Self {
        let mut hasher = DefaultHasher::new();
        for verdict in [routing, public_url] {
            (verdict.holds, verdict.reason.to_string()).hash(&mut hasher);
        }
        json!([report::record(record), public_read]).to_string().hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What a user writes; a change of either is a reason to look, an annotation the way to ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    generation: Option<i64>,
    /// Hash of all annotations.
    annotations: u64,
}

impl Version {
    fn of(resource: &ResizeEndpoint) -> Self {
        let mut hasher = DefaultHasher::new();
        resource.annotations().hash(&mut hasher);
        Self { generation: resource.metadata.generation, annotations: hasher.finish() }
    }
}

impl Memory {
    /// What was found in the bucket of `resource` as it is, and what the pods said of their access to it, no longer than
    /// `age` before `now`: as its `status` has it, which is what counts.
    pub fn recall(
        &self,
        resource: &ResizeEndpoint,
        status: &ResizeEndpointStatus,
        age: Duration,
        now: Instant,
    ) -> Option<(Found, Option<Verdict>)> {
        let finding = self.finding(resource, age, now)?;
        let found = Found {
            routing: report::said(status, ConditionType::RoutingRuleApplied)?,
            public_url: report::said(status, ConditionType::PublicUrlVerified)?,
            wrong_since: None,
            record: status.into(),
            public_read: status.public_read.clone(),
        };
        let originals = report::said(status, ConditionType::OriginalsReadable);
        let said = Said::of(&found.routing, &found.public_url, &found.record, found.public_read.as_ref());
        (finding.said == said).then(|| (found, originals.filter(|verdict| finding.originals == Some(verdict.reason))))
    }

    fn finding(&self, resource: &ResizeEndpoint, age: Duration, now: Instant) -> Option<&Finding> {
        self.finding.as_ref().filter(|finding| finding.of == Version::of(resource) && now < finding.at + age)
    }

    /// What is remembered after a reconcile that came to its end at `now` with `report`, with `access` to the bucket.
    #[must_use]
    pub fn after(self, resource: &ResizeEndpoint, report: &Report, access: Access, age: Duration, now: Instant) -> Self {
        let ready = report.ready();
        let is_well = ready.holds == Some(true) && report.wrong_since.is_none();
        let said = Said::of(&report.routing, &report.public_url, &report.record, report.public_read.as_ref());
        let recalled = self.finding(resource, age, now).filter(|finding| finding.said == said);
        let worked = access.ok().flatten().filter(|_| report.routing.holds == Some(true));
        let keys = if recalled.is_some() { self.keys.clone().or(worked) } else { worked.or_else(|| self.keys.clone()) };
        // the pods that replace these may have another identity
        let originals = Some(report.originals.reason).filter(|_| report.workload.reason != Reason::RollingOut);
        let (of, at) = recalled.map_or_else(|| (Version::of(resource), now), |finding| (finding.of.clone(), finding.at));
        let finding = is_well.then_some(Finding { of, at, said, originals });
        let rest = if ready.reason.is_passing() { self.failed(resource) } else { Self { failures: 0, ..self } };
        Self { wrong_since: report.wrong_since, keys, finding, ..rest }
    }

    /// The same after a write of the object, which has this version now.
    #[must_use]
    pub fn wrote(self, version: Option<&str>) -> Self {
        Self { written: number(version).or(self.written), ..self }
    }

    /// Whether `resource` is older than what was written last.
    pub fn wrote_after(&self, resource: &ResizeEndpoint) -> bool {
        number(resource.metadata.resource_version.as_deref()).zip(self.written).is_some_and(|(known, written)| known < written)
    }

    /// What is remembered after a failure. A change of the spec begins a new row.
    #[must_use]
    pub fn failed(self, resource: &ResizeEndpoint) -> Self {
        let generation = resource.metadata.generation;
        let before = if self.failed == generation { self.failures } else { 0 };
        Self { failures: before + 1, failed: generation, ..self }
    }

    /// The same, but the bucket is looked at again.
    #[cfg(test)]
    #[must_use]
    pub fn without_finding(self) -> Self {
        Self { finding: None, ..self }
    }
}

/// Versions grow; one that is no number tells nothing.
fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

/// The memory of every endpoint.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    /// What is remembered of `resource`.
    pub fn of(&self, resource: &ResizeEndpoint) -> Memory {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(resource.metadata.uid.as_deref().unwrap_or_default()).cloned().unwrap_or_default()
    }

    /// Remembers this of `resource`.
    pub fn keep(&self, resource: &ResizeEndpoint, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(resource.uid().unwrap_or_default(), memory);
    }

    /// Forgets `resource`, which is gone.
    pub fn forget(&self, resource: &ResizeEndpoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(resource.metadata.uid.as_deref().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::resource;

    fn report(reason: Reason) -> Report {
        let yes = Verdict::yes(Reason::Valid, "");
        let routing = Verdict { holds: Some(reason == Reason::RulesApplied), reason, message: String::new() };
        let unseen = Report::unseen("", &ResizeEndpointStatus::default());
        Report { accepted: yes.clone(), workload: yes.clone(), routing, public_url: yes.clone(), originals: yes, ..unseen }
    }

    /// The status after `report`.
    fn told(report: &Report) -> ResizeEndpointStatus {
        crate::report::status(&ResizeEndpointStatus::default(), Some(3), report, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_change_and_time_are_reasons_to_look_again() {
        let (now, age, resource, well) = (Instant::now(), Duration::from_mins(1), resource(), report(Reason::RulesApplied));
        let memory = Memory::default().after(&resource, &well, Ok(None), age, now);
        let recall = |resource: &ResizeEndpoint, report: &Report, at| memory.recall(resource, &told(report), age, at).is_some();
        assert!(recall(&resource, &well, now + age / 2));
        assert!(!recall(&resource, &well, now + age));

        let (mut edited, mut asked) = (resource.clone(), resource.clone());
        edited.metadata.generation = Some(4);
        asked.annotations_mut().insert("look".into(), "again".into());
        assert!(!recall(&edited, &well, now) && !recall(&asked, &well, now));

        let mut other = well.clone();
        other.record.pending = true;
        let denied = Report { routing: Verdict::no(Reason::AccessDenied, ""), ..well.clone() };
        assert!(!recall(&resource, &other, now) && !recall(&resource, &denied, now), "the status is what counts");
        // what is recalled keeps its age
        let later = memory.clone().after(&resource, &well, Ok(None), age, now + age / 2);
        assert!(later.recall(&resource, &told(&well), age, now + age).is_none());
        let wrong = memory.after(&resource, &report(Reason::AccessDenied), Ok(None), age, now);
        assert!(wrong.recall(&resource, &told(&well), age, now).is_none());
    }

    #[test]
    fn what_pods_say_is_forgotten_when_others_replace_them() {
        let (now, age, resource, well) = (Instant::now(), Duration::from_mins(1), resource(), report(Reason::RulesApplied));
        let rolling = Report { workload: Verdict::yes(Reason::RollingOut, ""), ..well.clone() };
        let originals = |memory: &Memory| memory.recall(&resource, &told(&well), age, now).and_then(|(_, originals)| originals);
        let memory = Memory::default().after(&resource, &well, Ok(None), age, now);
        assert_eq!(originals(&memory), Some(well.originals.clone()));
        let memory = memory.after(&resource, &rolling, Ok(None), age, now);
        assert!(
            memory.recall(&resource, &told(&well), age, now).is_some() && originals(&memory).is_none(),
            "S3 is not asked again, pods are"
        );
        assert!(originals(&memory.after(&resource, &well, Ok(None), age, now)).is_some());
    }

    #[test]
    fn what_the_watch_has_not_told_yet_is_known() {
        let of = |version: &str| {
            let mut resource = resource();
            resource.metadata.resource_version = Some(version.into());
            resource
        };
        let memory = Memory::default().wrote(Some("10"));
        assert_eq!(["9", "10", "11", "x"].map(|version| memory.wrote_after(&of(version))), [true, false, false, false]);
        assert!(memory.clone().wrote(None).wrote_after(&of("9")), "nothing was written since");
        assert!(!Memory::default().wrote(Some("x")).wrote_after(&of("9")));
    }

    #[test]
    fn failures_are_counted_until_success_or_a_change() {
        let (now, age, resource) = (Instant::now(), Duration::ZERO, resource());
        let twice = (0..2).fold(Memory::default(), |memory, _| memory.after(&resource, &report(Reason::S3Error), Ok(None), age, now));
        assert_eq!(twice.failures, 2);
        let mut edited = resource.clone();
        edited.metadata.generation = Some(4);
        assert_eq!(twice.clone().failed(&edited).failures, 1);
        assert_eq!(twice.after(&resource, &report(Reason::RulesApplied), Ok(None), age, now).failures, 0);
    }
}
