//! All endpoints, as they come and go → who has a bucket. One bucket belongs to one endpoint, cluster-wide.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::{
    config::{self, S3Defaults},
    endpoint::BucketAddress,
};

/// How many endpoints may wait to be told that their bucket changed hands; more are found by the resync.
const WAITING: usize = 1024;

/// What is claimed: the store and the bucket's name there. AWS names are unique in all regions.
type Key = (Option<String>, String);

/// The smallest has the bucket: rules that are live, then age, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    has_no_rules: bool,
    created: Option<Timestamp>,
    namespace: Option<String>,
    name: String,
}

#[derive(Debug, Default)]
struct Index {
    /// Ranks by bucket and uid.
    claims: HashMap<Key, BTreeMap<String, Rank>>,
    /// Buckets by uid.
    keys: HashMap<String, Key>,
}

/// Who claims what. Looking costs the same however many endpoints there are.
#[derive(Debug)]
pub struct Claims {
    defaults: S3Defaults,
    policy: config::Claims,
    index: Mutex<Index>,
    changed_hands: Sender<ObjectRef<ResizeEndpoint>>,
}

impl Claims {
    /// No claims yet.
    pub fn new(defaults: S3Defaults, policy: config::Claims) -> Self {
        Self { defaults, policy, index: Mutex::default(), changed_hands: broadcast::channel(WAITING).0 }
    }

    /// The endpoints whose bucket changed hands.
    pub fn changed_hands(&self) -> Receiver<ObjectRef<ResizeEndpoint>> {
        self.changed_hands.subscribe()
    }

    /// Notes an endpoint as it is now.
    pub fn put(&self, resource: &ResizeEndpoint) {
        let claim = self.key(resource).filter(|_| self.may_claim(resource)).map(|key| (key, rank(resource)));
        self.change(&resource.uid().unwrap_or_default(), claim);
    }

    /// Forgets an endpoint that is gone.
    pub fn remove(&self, uid: &str) {
        self.change(uid, None);
    }

    /// Whether another endpoint has the bucket of `mine`.
    pub fn is_taken(&self, mine: &ResizeEndpoint) -> bool {
        let Some(key) = self.key(mine) else { return false };
        let (uid, rank) = (mine.uid().unwrap_or_default(), rank(mine));
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.claims.get(&key).into_iter().flatten().any(|(other, theirs)| *other != uid && *theirs < rank)
    }

    fn key(&self, resource: &ResizeEndpoint) -> Option<Key> {
        let address = BucketAddress::new(resource, &self.defaults).ok()?;
        Some((address.endpoint, address.name))
    }

    /// Whoever may not have the bucket keeps nobody else from it.
    fn may_claim(&self, resource: &ResizeEndpoint) -> bool {
        self.policy.allow(&resource.namespace().unwrap_or_default(), &resource.spec.bucket.name)
            && !said(resource, ConditionType::Accepted, Reason::BucketNotAllowed)
    }

    fn change(&self, uid: &str, claim: Option<(Key, Rank)>) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let before = index.keys.remove(uid);
        let keys: Vec<_> = before.iter().chain(claim.as_ref().map(|(key, _)| key)).cloned().collect();
        let winners: Vec<_> = keys.iter().map(|key| index.winner(key)).collect();
        if let Some(key) = &before
            && let Some(claims) = index.claims.get_mut(key)
        {
            claims.remove(uid);
            if claims.is_empty() {
                index.claims.remove(key);
            }
        }
        if let Some((key, rank)) = claim {
            index.claims.entry(key.clone()).or_default().insert(uid.to_owned(), rank);
            index.keys.insert(uid.to_owned(), key);
        }
        for (key, winner) in keys.iter().zip(winners) {
            if index.winner(key) != winner {
                for rank in index.claims.get(key).into_iter().flat_map(BTreeMap::values) {
                    let object = ObjectRef::new(&rank.name).within(rank.namespace.as_deref().unwrap_or_default());
                    // nobody listens: nothing reconciles
                    let _ = self.changed_hands.send(object);
                }
            }
        }
    }
}

impl Index {
    fn winner(&self, key: &Key) -> Option<String> {
        let (uid, _) = self.claims.get(key)?.iter().min_by_key(|(_, rank)| *rank)?;
        Some(uid.clone())
    }
}

fn rank(resource: &ResizeEndpoint) -> Rank {
    let has_rules = resource.status.as_ref().is_some_and(|status| !status.routing_rules.is_empty())
        && !said(resource, ConditionType::RoutingRuleApplied, Reason::WaitingForExternalWriter);
    Rank {
        has_no_rules: !has_rules,
        created: resource.creation_timestamp().map(|time| time.0),
        namespace: resource.namespace(),
        name: resource.name_any(),
    }
}

fn said(resource: &ResizeEndpoint, type_: ConditionType, reason: Reason) -> bool {
    let mut conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == type_.to_string() && condition.reason == reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{resource, time};
    use resize_api::status::ResizeEndpointStatus;

    fn named(name: &str, created: &str) -> ResizeEndpoint {
        let mut resource = resource();
        resource.metadata.name = Some(name.into());
        resource.metadata.uid = Some(name.into());
        resource.metadata.creation_timestamp = Some(time(created));
        resource
    }

    fn claims(all: &[&ResizeEndpoint]) -> Claims {
        let claims = Claims::new(S3Defaults::default(), config::Claims::default());
        for resource in all {
            claims.put(resource);
        }
        claims
    }

    fn with_rules(mut resource: ResizeEndpoint) -> ResizeEndpoint {
        let rule = crate::endpoint::Endpoint::new(&resource, &crate::testing::fixtures::config()).unwrap().wanted.catch_all;
        resource.status = Some(ResizeEndpointStatus { routing_rules: vec![rule], ..ResizeEndpointStatus::default() });
        resource
    }

    fn with_condition(mut resource: ResizeEndpoint, type_: &str, reason: &str) -> ResizeEndpoint {
        let condition = serde_json::json!({ "type": type_, "status": "False", "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        resource.status.get_or_insert_default().conditions = vec![serde_json::from_value(condition).unwrap()];
        resource
    }

    #[test]
    fn the_older_has_it_and_then_the_first_by_name() {
        let (old, young, twin) =
            (named("z", "2026-01-01T00:00:00Z"), named("a", "2026-01-02T00:00:00Z"), named("b", "2026-01-02T00:00:00Z"));
        let claims = claims(&[&old, &young, &twin]);
        assert!(!claims.is_taken(&old));
        assert!(claims.is_taken(&young));
        claims.remove("z");
        assert!(!claims.is_taken(&young));
        assert!(claims.is_taken(&twin));
    }

    #[test]
    fn who_has_rules_in_the_bucket_keeps_it() {
        let (old, young) = (named("old", "2026-01-01T00:00:00Z"), with_rules(named("young", "2026-01-02T00:00:00Z")));
        let claims = claims(&[&old, &young]);
        assert!(claims.is_taken(&old));
        assert!(!claims.is_taken(&young));
        // with Observe they stand in the status before they are in the bucket
        let waiting = with_condition(young, "RoutingRuleApplied", "WaitingForExternalWriter");
        claims.put(&waiting);
        assert!(!claims.is_taken(&old));
    }

    #[test]
    fn the_same_name_in_another_store_is_another_bucket_and_a_slash_at_the_end_makes_none() {
        let (mut mine, mut other) = (named("mine", "2026-01-02T00:00:00Z"), named("other", "2026-01-01T00:00:00Z"));
        assert!(claims(&[&other]).is_taken(&mine));
        other.spec.bucket.endpoint = Some("http://minio.example.com".into());
        assert!(!claims(&[&other]).is_taken(&mine));
        mine.spec.bucket.endpoint = Some("http://minio.example.com/".into());
        assert!(claims(&[&other]).is_taken(&mine));
    }

    #[test]
    fn whoever_may_not_have_the_bucket_keeps_nobody_from_it() {
        let (mine, other) = (named("mine", "2026-01-02T00:00:00Z"), named("other", "2026-01-01T00:00:00Z"));
        let refused = with_condition(other.clone(), "Accepted", "BucketNotAllowed");
        assert!(!claims(&[&mine, &refused]).is_taken(&mine));
        let allow = r#"{ "demo": ["other-*"] }"#.parse().unwrap();
        let strict = Claims::new(S3Defaults::default(), config::Claims { policy: config::ClaimsPolicy::AllowList, allow });
        strict.put(&other);
        assert!(!strict.is_taken(&mine));
    }

    #[test]
    fn everybody_hears_when_the_bucket_changes_hands_and_nobody_when_not() {
        let (old, young) = (named("old", "2026-01-01T00:00:00Z"), named("young", "2026-01-02T00:00:00Z"));
        let claims = claims(&[&old]);
        let mut changed = claims.changed_hands();
        let mut heard = || std::iter::from_fn(|| changed.try_recv().ok()).map(|object| object.name).collect::<Vec<_>>();
        claims.put(&young);
        claims.put(&old);
        assert!(heard().is_empty());
        claims.remove("old");
        assert_eq!(heard(), ["young"]);
        claims.put(&old);
        assert_eq!(heard(), ["old", "young"]);
        let mut elsewhere = old;
        elsewhere.spec.bucket.name = "elsewhere".into();
        claims.put(&elsewhere);
        assert_eq!(heard(), ["young", "old"]);
    }
}
