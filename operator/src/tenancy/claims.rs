//! All endpoints, as they come and go → who has a bucket. One bucket belongs to one endpoint, cluster-wide.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::{ResourceExt, runtime::reflector::ObjectRef};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    status::ResizeEndpointStatus,
};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::{
    config::{self, S3Defaults},
    endpoint::BucketAddress,
    store_id::StoreId,
    tenancy::{
        hosts::Hosts,
        policy,
        ranking::{Rank, Ranking},
    },
};

/// How many endpoints may wait to be told that their bucket changed hands; more are found by the resync.
const WAITING: usize = 1024;

/// What is claimed: the store and the bucket's name there.
type Key = (StoreId, String);

/// How far an endpoint has come with its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It has rules there, or pods that could read it and answer visitors.
    Holds,
    /// It has asked for nothing yet, or waits.
    Asks,
    /// S3 refuses it, or it does not ask. It does not keep others from the bucket.
    Refused,
}

#[derive(Debug, Default)]
struct Index {
    ranking: Ranking<Key, Standing>,
    /// The generation, by uid, at which an endpoint was refused.
    refused: HashMap<String, Option<i64>>,
}

/// Who claims what.
#[derive(Debug)]
pub struct Claims {
    defaults: S3Defaults,
    policy: config::ClaimSettings,
    index: Mutex<Index>,
    changed_hands: Sender<ObjectRef<ResizeEndpoint>>,
    /// Who has which host and path.
    pub hosts: Hosts,
}

impl Claims {
    /// No claims yet.
    pub fn new(defaults: S3Defaults, policy: config::ClaimSettings) -> Self {
        Self { defaults, policy, index: Mutex::default(), changed_hands: broadcast::channel(WAITING).0, hosts: Hosts::default() }
    }

    /// The endpoints whose bucket, host or path changed hands.
    pub fn changed_hands(&self) -> Receiver<ObjectRef<ResizeEndpoint>> {
        self.changed_hands.subscribe()
    }

    /// Notes an endpoint as it is now.
    pub fn put(&self, resource: &ResizeEndpoint) {
        self.tell(self.hosts.put(resource));
        let uid = resource.uid().unwrap_or_default();
        let address = BucketAddress::new(resource, &self.defaults).ok().filter(|address| self.may_claim(resource, address));
        let mut index = self.index();
        let key = address.map(|address| (address.store(), address.name));
        let rank = key.as_ref().map(|(store, _)| Rank::new(resource, index.standing(resource, &uid, store)));
        let changed = index.ranking.change(&uid, key.into_iter().collect(), rank.as_ref());
        drop(index);
        self.tell(changed);
    }

    /// Forgets an endpoint that is gone.
    pub fn remove(&self, uid: &str) {
        self.tell(self.hosts.remove(uid));
        let mut index = self.index();
        index.refused.remove(uid);
        let changed = index.ranking.change(uid, BTreeSet::new(), None);
        drop(index);
        self.tell(changed);
    }

    /// Forgets the host and path of an endpoint whose Ingress and HTTPRoute are gone; it may ask for them again.
    pub fn leave_address(&self, resource: &ResizeEndpoint) {
        self.tell(self.hosts.remove(&resource.uid().unwrap_or_default()));
    }

    fn tell(&self, changed: Vec<ObjectRef<ResizeEndpoint>>) {
        for object in changed {
            // an error means that no controller listens, so nothing reconciles
            let _ = self.changed_hands.send(object);
        }
    }

    /// Whether another endpoint has the bucket of `mine`, as [`Claims::put`] noted it.
    pub fn is_taken(&self, mine: &ResizeEndpoint) -> bool {
        let Ok(address) = BucketAddress::new(mine, &self.defaults) else { return false };
        let (uid, key) = (mine.uid().unwrap_or_default(), (address.store(), address.name));
        let index = self.index();
        let rank = index.ranking.rank(&key, &uid).cloned().unwrap_or_else(|| Rank::new(mine, standing(mine, &key.0)));
        index.ranking.others(&key, &uid).any(|theirs| *theirs < rank)
    }

    /// Whether others than `mine` claim its bucket.
    pub fn is_contested(&self, mine: &ResizeEndpoint) -> bool {
        let Ok(address) = BucketAddress::new(mine, &self.defaults) else { return false };
        let (uid, key) = (mine.uid().unwrap_or_default(), (address.store(), address.name));
        self.index().ranking.others(&key, &uid).next().is_some()
    }

    /// An endpoint that may not use the bucket does not keep others from it.
    fn may_claim(&self, resource: &ResizeEndpoint, address: &BucketAddress) -> bool {
        let namespace = resource.namespace().unwrap_or_default();
        policy::may_reach(&self.policy, &self.defaults, &namespace, address, resource.spec.delivery).is_ok()
            && !said(resource, ConditionType::Accepted, Reason::BucketNotAllowed)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// The standing of `resource`. One that was refused and has lost the bucket is refused until its spec changes:
    /// otherwise it would win again, be refused again, and lose again.
    fn standing(&mut self, resource: &ResizeEndpoint, uid: &str, store: &StoreId) -> Standing {
        let generation = resource.metadata.generation;
        let mut standing = standing(resource, store);
        let has_lost = said(resource, ConditionType::Accepted, Reason::BucketClaimed);
        if has_lost && standing == Standing::Asks && self.refused.get(uid) == Some(&generation) {
            standing = Standing::Refused;
        }
        if standing == Standing::Refused {
            self.refused.insert(uid.to_owned(), generation);
        } else {
            self.refused.remove(uid);
        }
        standing
    }
}

/// What S3 says to those who have no access to a bucket, or name none that it has.
const REFUSALS: [Reason; 8] = [
    Reason::AccessDenied,
    Reason::BucketNotFound,
    Reason::InvalidCredentials,
    Reason::NotSupported,
    Reason::S3Error,
    Reason::S3Unreachable,
    Reason::SecretInvalid,
    Reason::WrongRegion,
];

/// Pods that ask S3 for nothing: with `Direct` nobody else does.
const SILENT: [(ConditionType, Reason); 4] = [
    (ConditionType::WorkloadAvailable, Reason::ScaledToZero),
    (ConditionType::WorkloadAvailable, Reason::PodsFailing),
    (ConditionType::WorkloadAvailable, Reason::Forbidden),
    (ConditionType::OriginalsReadable, Reason::PodsUnreachable),
];

fn standing(resource: &ResizeEndpoint, store: &StoreId) -> Standing {
    let status = resource.status.as_ref();
    let is_direct = resource.spec.delivery.is_direct();
    let is_recorded_here = |status: &ResizeEndpointStatus| match &status.store {
        Some(recorded) => (is_direct || !status.routing_rules.is_empty()) && StoreId::from(recorded) == *store,
        // a record of an older version does not name the store
        None => !status.routing_rules.is_empty(),
    };
    if status.is_some_and(is_recorded_here) && !said(resource, ConditionType::RoutingRuleApplied, Reason::WaitingForExternalWriter) {
        return Standing::Holds;
    }
    // with Direct only the pods speak with S3
    let told_by = if is_direct { ConditionType::OriginalsReadable } else { ConditionType::RoutingRuleApplied };
    let is_refused = REFUSALS.iter().any(|reason| said(resource, told_by, *reason))
        || [Reason::InvalidSpec, Reason::NameTaken, Reason::GatewayApiMissing]
            .iter()
            .any(|reason| said(resource, ConditionType::Accepted, *reason))
        || said(resource, ConditionType::WorkloadAvailable, Reason::KubernetesError)
        || is_direct && SILENT.iter().any(|(type_, reason)| said(resource, *type_, *reason));
    if resource.spec.suspend || is_refused { Standing::Refused } else { Standing::Asks }
}

fn said(resource: &ResizeEndpoint, type_: ConditionType, reason: Reason) -> bool {
    let mut conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == type_.to_string() && condition.reason == reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures;
    use resize_api::status::Store;

    /// Without a host to claim.
    fn named(name: &str, created: &str) -> ResizeEndpoint {
        let mut resource = fixtures::named(name, created);
        resource.spec.ingress = None;
        resource
    }

    fn claims(all: &[&ResizeEndpoint]) -> Claims {
        let claims = Claims::new(S3Defaults::default(), fixtures::claims());
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
        // with Observe the status lists the rules before they are in the bucket
        let waiting = with_condition(young, "RoutingRuleApplied", "WaitingForExternalWriter");
        claims.put(&waiting);
        assert!(!claims.is_taken(&old));
    }

    #[test]
    fn the_same_name_in_another_store_is_another_bucket_and_another_spelling_makes_none() {
        let with_secret = |mut resource: ResizeEndpoint| {
            resource.spec.bucket.credentials_secret_ref = Some(resize_api::endpoint::SecretRef { name: "s3".into() });
            resource
        };
        let (mine, other) = (named("mine", "2026-01-02T00:00:00Z"), named("other", "2026-01-01T00:00:00Z"));
        let (mut mine, mut other) = (with_secret(mine), with_secret(other));
        assert!(claims(&[&other]).is_taken(&mine));
        for spelling in ["https://s3.eu-central-1.amazonaws.com", "https://s3.amazonaws.com:443", "https://S3.us-east-1.amazonaws.com/"] {
            other.spec.bucket.endpoint = Some(spelling.into());
            assert!(claims(&[&other]).is_taken(&mine), "{spelling}");
        }
        other.spec.bucket.endpoint = Some("http://minio.example.com".into());
        assert!(!claims(&[&other]).is_taken(&mine));
        for spelling in ["http://minio.example.com/", "http://MinIO.example.com", "http://minio.example.com:80"] {
            mine.spec.bucket.endpoint = Some(spelling.into());
            assert!(claims(&[&other]).is_taken(&mine), "{spelling}");
        }
    }

    #[test]
    fn whom_s3_refuses_keeps_nobody_from_the_bucket_and_does_not_win_it_back_by_losing_it() {
        let (squatter, owner) = (named("squatter", "2026-01-01T00:00:00Z"), named("owner", "2026-01-02T00:00:00Z"));
        let claims = claims(&[&squatter, &owner]);
        assert!(claims.is_taken(&owner), "nobody has asked S3 yet");
        for (type_, reason) in [
            ("RoutingRuleApplied", "AccessDenied"),
            ("RoutingRuleApplied", "BucketNotFound"),
            ("RoutingRuleApplied", "SecretInvalid"),
            ("RoutingRuleApplied", "S3Unreachable"),
            ("Accepted", "InvalidSpec"),
            ("Accepted", "NameTaken"),
            ("WorkloadAvailable", "KubernetesError"),
        ] {
            claims.put(&with_condition(squatter.clone(), type_, reason));
            assert!(!claims.is_taken(&owner), "{reason}");
            let lost = with_condition(squatter.clone(), "Accepted", "BucketClaimed");
            claims.put(&lost);
            assert!(claims.is_taken(&lost) && !claims.is_taken(&owner), "{reason}: it lost the bucket for it");
            let mut corrected = lost;
            corrected.metadata.generation = Some(4);
            claims.put(&corrected);
            assert!(claims.is_taken(&owner), "a new spec is a new attempt");
        }
        let mut suspended = squatter.clone();
        suspended.spec.suspend = true;
        claims.put(&suspended);
        assert!(!claims.is_taken(&owner), "it does not ask");
        // if all are refused, the older one is it
        claims.put(&with_condition(squatter, "RoutingRuleApplied", "AccessDenied"));
        let owner = with_condition(owner, "RoutingRuleApplied", "AccessDenied");
        claims.put(&owner);
        assert!(claims.is_taken(&owner));
    }

    #[test]
    fn with_direct_it_is_the_one_whose_pods_could_read_the_bucket() {
        let direct = |mut resource: ResizeEndpoint| {
            resource.spec.delivery = serde_json::from_value(serde_json::json!({ "mode": "Direct" })).unwrap();
            resource
        };
        let (squatter, mut owner) = (direct(named("squatter", "2026-01-01T00:00:00Z")), direct(named("owner", "2026-01-02T00:00:00Z")));
        assert!(claims(&[&squatter, &owner]).is_taken(&owner), "nobody has asked S3 yet");
        for reason in ["AccessDenied", "BucketNotFound", "InvalidCredentials"] {
            let refused = with_condition(squatter.clone(), "OriginalsReadable", reason);
            assert!(!claims(&[&refused, &owner]).is_taken(&owner), "{reason}");
        }
        // who never asks S3 is not refused there, and keeps nobody out all the same
        for (type_, reason) in [
            ("WorkloadAvailable", "ScaledToZero"),
            ("WorkloadAvailable", "PodsFailing"),
            ("WorkloadAvailable", "Forbidden"),
            ("OriginalsReadable", "PodsUnreachable"),
        ] {
            let silent = with_condition(squatter.clone(), type_, reason);
            assert!(!claims(&[&silent, &owner]).is_taken(&owner), "{reason}");
            let lost = with_condition(silent.clone(), "Accepted", "BucketClaimed");
            let all = claims(&[&silent, &owner]);
            all.put(&lost);
            assert!(all.is_taken(&lost) && !all.is_taken(&owner), "{reason}: it does not win it back by losing it");
            // with Redirect the operator asks, whatever the pods do
            let redirect = with_condition(named("squatter", "2026-01-01T00:00:00Z"), type_, reason);
            assert!(claims(&[&redirect, &owner]).is_taken(&owner), "{reason}");
        }
        let recorded = |endpoint: Option<&str>| {
            let store = Store { endpoint: endpoint.map(Into::into), region: "eu-central-1".into(), ..Store::default() };
            Some(ResizeEndpointStatus { store: Some(store), ..ResizeEndpointStatus::default() })
        };
        owner.status = recorded(None);
        let all = claims(&[&squatter, &owner]);
        assert!(all.is_taken(&squatter) && !all.is_taken(&owner), "an older one that comes later does not take it");
        owner.status = recorded(Some("http://of-my-own.example.com"));
        assert!(claims(&[&squatter, &owner]).is_taken(&owner), "what it could read elsewhere is no rank here");
    }

    #[test]
    fn rules_in_one_store_are_no_rank_in_another() {
        let (old, mut young) = (named("old", "2026-01-01T00:00:00Z"), with_rules(named("young", "2026-01-02T00:00:00Z")));
        let recorded =
            |endpoint: Option<&str>| Store { endpoint: endpoint.map(Into::into), region: "eu-central-1".into(), ..Store::default() };
        young.status.as_mut().unwrap().store = Some(recorded(None));
        assert!(!claims(&[&old, &young]).is_taken(&young));
        young.status.as_mut().unwrap().store = Some(recorded(Some("http://of-my-own.example.com")));
        assert!(claims(&[&old, &young]).is_taken(&young));
    }

    #[test]
    fn whoever_may_not_have_the_bucket_keeps_nobody_from_it() {
        let (mine, other) = (named("mine", "2026-01-02T00:00:00Z"), named("other", "2026-01-01T00:00:00Z"));
        let refused = with_condition(other.clone(), "Accepted", "BucketNotAllowed");
        assert!(!claims(&[&mine, &refused]).is_taken(&mine));
        let allow = r#"{ "demo": ["other-*"] }"#.parse().unwrap();
        let strict = Claims::new(
            S3Defaults::default(),
            config::ClaimSettings { policy: config::ClaimsPolicy::AllowList, allow, ..fixtures::claims() },
        );
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
        assert_eq!(heard(), ["old", "young"]);
    }
}
