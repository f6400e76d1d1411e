//! All endpoints → who has a bucket. One bucket belongs to one endpoint, cluster-wide.

use kube::ResourceExt;
use resize_api::ResizeEndpoint;

use crate::{config::S3Defaults, validate::BucketAddress};

/// Whether another endpoint of `all` has the bucket of `mine`.
///
/// The endpoint whose rules are in the bucket has it, else the oldest, else the first by name.
pub fn is_taken<'a>(mine: &ResizeEndpoint, all: impl IntoIterator<Item = &'a ResizeEndpoint>, defaults: &S3Defaults) -> bool {
    let Some(bucket) = claimed(mine, defaults) else { return false };
    all.into_iter()
        .filter(|other| other.uid() != mine.uid() && claimed(other, defaults).as_ref() == Some(&bucket))
        .any(|other| rank(other) < rank(mine))
}

/// What is claimed: the store and the bucket's name there. AWS names are unique in all regions.
fn claimed(resource: &ResizeEndpoint, defaults: &S3Defaults) -> Option<(Option<String>, String)> {
    let address = BucketAddress::new(resource, defaults).ok()?;
    Some((address.endpoint, address.name))
}

fn rank(resource: &ResizeEndpoint) -> impl Ord {
    let has_rules = resource.status.as_ref().is_some_and(|status| !status.routing_rules.is_empty());
    let created = resource.creation_timestamp().map(|time| time.0);
    (!has_rules, created, resource.namespace(), resource.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{resource, time};
    use resize_api::status::ResizeEndpointStatus;

    fn named(name: &str, created: &str) -> ResizeEndpoint {
        let mut resource = resource();
        resource.metadata.name = Some(name.into());
        resource.metadata.uid = Some(name.into());
        resource.metadata.creation_timestamp = Some(time(created));
        resource
    }

    #[test]
    fn the_older_has_it_and_then_the_first_by_name() {
        let (old, young, twin) =
            (named("z", "2026-01-01T00:00:00Z"), named("a", "2026-01-02T00:00:00Z"), named("b", "2026-01-02T00:00:00Z"));
        let all = [old.clone(), young.clone(), twin.clone()];
        let defaults = S3Defaults::default();
        assert!(!is_taken(&old, &all, &defaults));
        assert!(is_taken(&young, &all, &defaults));
        assert!(!is_taken(&young, &all[1..], &defaults));
        assert!(is_taken(&twin, &all[1..], &defaults));
    }

    #[test]
    fn who_has_rules_in_the_bucket_keeps_it() {
        let (old, mut young) = (named("old", "2026-01-01T00:00:00Z"), named("young", "2026-01-02T00:00:00Z"));
        let rule = crate::validate::Endpoint::new(&young, &crate::fixtures::config()).unwrap().wanted.catch_all;
        young.status = Some(ResizeEndpointStatus { routing_rules: vec![rule], ..ResizeEndpointStatus::default() });
        let all = [old.clone(), young.clone()];
        assert!(is_taken(&old, &all, &S3Defaults::default()));
        assert!(!is_taken(&young, &all, &S3Defaults::default()));
    }

    #[test]
    fn the_same_name_in_another_store_is_another_bucket() {
        let (mine, mut other) = (named("mine", "2026-01-02T00:00:00Z"), named("other", "2026-01-01T00:00:00Z"));
        let taken = |other: &ResizeEndpoint| is_taken(&mine, [other], &S3Defaults::default());
        assert!(taken(&other));
        other.spec.bucket.endpoint = Some("http://minio.example.com".into());
        assert!(!taken(&other));
    }

    #[test]
    fn a_slash_at_the_end_makes_no_other_store() {
        let (mut mine, mut other) = (named("mine", "2026-01-02T00:00:00Z"), named("other", "2026-01-01T00:00:00Z"));
        mine.spec.bucket.endpoint = Some("http://minio.example.com".into());
        other.spec.bucket.endpoint = Some("http://minio.example.com/".into());
        assert!(is_taken(&mine, [&other], &S3Defaults::default()));
    }
}
