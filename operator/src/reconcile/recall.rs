//! What was found in a bucket, for as long as it is not worth another look: what happens to pods is no reason to ask S3.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::ResourceExt;
use resize_api::ResizeEndpoint;

/// Findings, by the endpoint's uid.
#[derive(Debug)]
pub struct Looked<T>(Mutex<HashMap<String, Finding<T>>>);

#[derive(Debug)]
struct Finding<T> {
    of: Version,
    at: Instant,
    what: T,
}

/// What a user writes; a change of either is a reason to look, an annotation the way to ask for it.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    generation: Option<i64>,
    annotations: BTreeMap<String, String>,
}

impl Version {
    fn of(resource: &ResizeEndpoint) -> Self {
        Self { generation: resource.metadata.generation, annotations: resource.annotations().clone() }
    }
}

impl<T> Default for Looked<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Looked<T> {
    /// What was found for `resource` as it is, no longer than `age` before `now`.
    pub fn recently(&self, resource: &ResizeEndpoint, age: Duration, now: Instant) -> Option<T> {
        let findings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let finding = findings.get(&resource.uid()?)?;
        (finding.of == Version::of(resource) && now < finding.at + age).then(|| finding.what.clone())
    }

    /// Notes what was found at `now`.
    pub fn note(&self, resource: &ResizeEndpoint, what: T, now: Instant) {
        let finding = Finding { of: Version::of(resource), at: now, what };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(resource.uid().unwrap_or_default(), finding);
    }

    /// Looks again the next time.
    pub fn forget(&self, resource: &ResizeEndpoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&resource.uid().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::resource;

    #[test]
    fn a_change_and_time_are_reasons_to_look_again() {
        let (looked, now, age) = (Looked::default(), Instant::now(), Duration::from_mins(1));
        let resource = resource();
        looked.note(&resource, "there", now);
        assert_eq!(looked.recently(&resource, age, now + age / 2), Some("there"));
        assert_eq!(looked.recently(&resource, age, now + age), None);

        let mut edited = resource.clone();
        edited.metadata.generation = Some(4);
        let mut asked = resource.clone();
        asked.annotations_mut().insert("look".into(), "again".into());
        assert_eq!((looked.recently(&edited, age, now), looked.recently(&asked, age, now)), (None, None));

        looked.forget(&resource);
        assert_eq!(looked.recently(&resource, age, now), None);
    }
}
