//! All endpoints, as they come and go → who has a host and path. What a visitor writes leads to one endpoint, cluster-wide.
//!
//! Whoever has an address keeps it as long as it asks for it. A free one goes to the endpoint that was accepted with its
//! present spec, else to the older one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    settings::DEFAULT_PATH,
};

/// A host and the path below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    path: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {} with path {}", self.host, self.path)
    }
}

impl Address {
    /// A path that goes on like a key is one with the path before that: `/img/300x300` would take requests of `/img`.
    fn new(host: &str, path: &str) -> Self {
        let is_size = |segment: &&str| {
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            segment.split_once('x').is_some_and(|(width, height)| is_number(width) && is_number(height))
        };
        let path: Vec<_> = path.split('/').take_while(|segment| !is_size(segment)).collect();
        Self { host: host.to_owned(), path: path.join("/") }
    }

    /// What `resource` claims: nothing without a bucket, for then it has no pods either.
    fn claimed(resource: &ResizeEndpoint) -> BTreeSet<Self> {
        let has_rules = resource.status.as_ref().is_some_and(|status| !status.routing_rules.is_empty());
        let lost = accepted(resource).is_some_and(|said| said.reason == Reason::BucketClaimed.to_string());
        if lost && !has_rules { BTreeSet::new() } else { Self::of(resource) }
    }

    /// Where `resource` wants to be found.
    fn of(resource: &ResizeEndpoint) -> BTreeSet<Self> {
        let (ingress, gateway) = (&resource.spec.ingress, &resource.spec.gateway);
        let path = ingress.as_ref().map_or(DEFAULT_PATH, |ingress| &ingress.path);
        let hosts = ingress.iter().map(|ingress| &ingress.host).chain(gateway.iter().map(|gateway| &gateway.hostname));
        hosts.map(|host| Self::new(host, path)).collect()
    }
}

/// The smallest gets a free address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    standing: Standing,
    created: Option<Timestamp>,
    namespace: Option<String>,
    name: String,
}

/// What was said of an endpoint's present spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Accepted,
    NotLookedAt,
    Refused,
}

/// What was said last of the bucket and addresses of `resource`, if that is about its present spec.
fn accepted(resource: &ResizeEndpoint) -> Option<&Condition> {
    let type_ = ConditionType::Accepted.to_string();
    let mut conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|said| said.type_ == type_ && said.observed_generation == resource.metadata.generation)
}

impl Rank {
    fn of(resource: &ResizeEndpoint) -> Self {
        Self {
            standing: match accepted(resource).map(|said| said.status.as_str()) {
                Some("True") => Standing::Accepted,
                Some("False") => Standing::Refused,
                _ => Standing::NotLookedAt,
            },
            created: resource.creation_timestamp().map(|time| time.0),
            namespace: resource.namespace(),
            name: resource.name_any(),
        }
    }
}

/// Who asks for an address, by uid, and who has it.
#[derive(Debug, Default)]
struct Place {
    claims: BTreeMap<String, Rank>,
    holder: Option<String>,
}

impl Place {
    fn first(&self) -> Option<&String> {
        let best = || self.claims.iter().min_by_key(|(_, rank)| *rank).map(|(uid, _)| uid);
        self.holder.as_ref().or_else(best)
    }
}

#[derive(Debug, Default)]
struct Index {
    places: HashMap<Address, Place>,
    /// What each endpoint asks for, by uid.
    wanted: HashMap<String, BTreeSet<Address>>,
}

/// Who has which host and path. Looking costs the same however many endpoints there are.
#[derive(Debug, Default)]
pub struct Hosts(Mutex<Index>);

impl Hosts {
    /// Notes an endpoint as it is now. Returns those that ask for an address that changed hands.
    pub fn put(&self, resource: &ResizeEndpoint) -> Vec<ObjectRef<ResizeEndpoint>> {
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index.change(&resource.uid().unwrap_or_default(), Address::claimed(resource), Some(&Rank::of(resource)))
    }

    /// Forgets an endpoint that is gone. Returns those that ask for an address that it had.
    pub fn remove(&self, uid: &str) -> Vec<ObjectRef<ResizeEndpoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).change(uid, BTreeSet::new(), None)
    }

    /// Gives `resource` every address that it asks for, or says which of them another has.
    pub fn take(&self, resource: &ResizeEndpoint) -> Result<(), Address> {
        let uid = resource.uid().unwrap_or_default();
        let wanted = Address::of(resource);
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index.change(&uid, wanted.clone(), Some(&Rank::of(resource)));
        let is_taken = |address: &&Address| index.places.get(*address).and_then(Place::first) != Some(&uid);
        if let Some(taken) = wanted.iter().find(is_taken) {
            return Err(taken.clone());
        }
        for address in &wanted {
            index.places.entry(address.clone()).or_default().holder = Some(uid.clone());
        }
        Ok(())
    }
}

impl Index {
    fn change(&mut self, uid: &str, wanted: BTreeSet<Address>, rank: Option<&Rank>) -> Vec<ObjectRef<ResizeEndpoint>> {
        let before = self.wanted.remove(uid).unwrap_or_default();
        let mut told = Vec::new();
        for address in before.union(&wanted) {
            let place = self.places.entry(address.clone()).or_default();
            let first = place.first().cloned();
            if let Some(rank) = rank.filter(|_| wanted.contains(address)) {
                place.claims.insert(uid.to_owned(), rank.clone());
            } else {
                place.claims.remove(uid);
                place.holder.take_if(|holder| holder.as_str() == uid);
            }
            if place.first() != first.as_ref() {
                let object = |rank: &Rank| ObjectRef::new(&rank.name).within(rank.namespace.as_deref().unwrap_or_default());
                told.extend(place.claims.values().map(object));
            }
            if place.claims.is_empty() {
                self.places.remove(address);
            }
        }
        if !wanted.is_empty() {
            self.wanted.insert(uid.to_owned(), wanted);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{resource, time};

    fn named(name: &str, created: &str) -> ResizeEndpoint {
        let mut resource = resource();
        resource.metadata.name = Some(name.into());
        resource.metadata.uid = Some(name.into());
        resource.metadata.creation_timestamp = Some(time(created));
        resource
    }

    fn old() -> ResizeEndpoint {
        named("old", "2026-01-01T00:00:00Z")
    }

    fn young() -> ResizeEndpoint {
        named("young", "2026-01-02T00:00:00Z")
    }

    fn at(mut resource: ResizeEndpoint, host: &str, path: &str) -> ResizeEndpoint {
        let ingress = resource.spec.ingress.as_mut().unwrap();
        (ingress.host, ingress.path) = (host.into(), path.into());
        resource
    }

    fn said(mut resource: ResizeEndpoint, status: &str, generation: i64) -> ResizeEndpoint {
        let condition = serde_json::json!({
            "type": "Accepted", "status": status, "reason": "A", "message": "", "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        resource.status.get_or_insert_default().conditions = vec![serde_json::from_value(condition).unwrap()];
        resource
    }

    fn hosts(all: &[&ResizeEndpoint]) -> Hosts {
        let hosts = Hosts::default();
        for resource in all {
            hosts.put(resource);
        }
        hosts
    }

    #[test]
    fn the_younger_is_refused_until_the_older_goes() {
        let (old, young) = (old(), young());
        let hosts = hosts(&[&young, &old]);
        let refused = hosts.take(&young).unwrap_err();
        assert_eq!(refused.to_string(), "host resize.example.com with path /default/resize");
        assert_eq!((hosts.take(&old), hosts.take(&young).is_err()), (Ok(()), true));
        assert_eq!(hosts.remove("old").into_iter().map(|object| object.name).collect::<Vec<_>>(), ["young"]);
        assert_eq!(hosts.take(&young), Ok(()));
    }

    #[test]
    fn whoever_has_it_keeps_it_also_when_an_older_one_asks_for_it_later() {
        let (elsewhere, young) = (at(old(), "other.example.com", "/img"), young());
        let hosts = hosts(&[&elsewhere, &young]);
        assert_eq!((hosts.take(&elsewhere), hosts.take(&young)), (Ok(()), Ok(())));
        assert!(hosts.take(&old()).is_err());
        // the one that has it may change other things, and nobody is told
        let mut edited = said(young, "True", 3);
        edited.metadata.generation = Some(4);
        assert_eq!((hosts.put(&edited), hosts.take(&edited)), (Vec::new(), Ok(())));
    }

    #[test]
    fn a_new_leader_gives_it_to_the_one_that_was_accepted_with_it() {
        let (accepted, moved_here) = (said(young(), "True", 3), said(old(), "True", 2));
        assert!(hosts(&[&moved_here, &accepted]).take(&moved_here).is_err());
        // one that is refused for something else keeps nobody from it
        let (refused, new) = (said(old(), "False", 3), young());
        assert_eq!(hosts(&[&refused, &new]).take(&new), Ok(()));
    }

    #[test]
    fn one_that_moves_away_leaves_the_address_to_the_next() {
        let (old, young) = (old(), young());
        let hosts = hosts(&[&old, &young]);
        assert_eq!((hosts.take(&old), hosts.take(&young).is_err()), (Ok(()), true));
        let told = hosts.put(&at(old, "other.example.com", "/default/resize"));
        assert!(told.iter().any(|object| object.name == "young"), "{told:?}");
        assert_eq!(hosts.take(&young), Ok(()));
    }

    #[test]
    fn one_that_lost_its_bucket_leaves_its_address_until_it_has_one_again() {
        let (lost, young) = (old(), young());
        let hosts = hosts(&[&lost, &young]);
        assert_eq!(hosts.take(&lost), Ok(()));
        let mut lost = said(lost, "False", 3);
        lost.status.as_mut().unwrap().conditions[0].reason = "BucketClaimed".into();
        assert_eq!(hosts.put(&lost).into_iter().map(|object| object.name).collect::<Vec<_>>(), ["young"]);
        assert_eq!((hosts.take(&young), hosts.take(&lost).is_err()), (Ok(()), true));
        hosts.remove("young");
        assert_eq!(hosts.take(&lost), Ok(()), "it has the bucket again");
    }

    #[test]
    fn another_path_is_another_address_unless_it_goes_on_like_a_key() {
        for (path, is_taken) in [("/img", false), ("/default/resize/more", false), ("/default", false), ("/default/resize/300x300", true)] {
            let hosts = hosts(&[&old()]);
            assert_eq!(hosts.take(&old()), Ok(()));
            assert_eq!(hosts.take(&at(young(), "resize.example.com", path)).is_err(), is_taken, "{path}");
        }
        let hosts = hosts(&[&old()]);
        assert_eq!(hosts.take(&at(young(), "other.example.com", "/default/resize")), Ok(()));
    }

    #[test]
    fn a_gateway_and_an_ingress_do_not_share_an_address_either() {
        let mut by_gateway = young();
        by_gateway.spec.ingress = None;
        by_gateway.spec.gateway =
            serde_json::from_value(serde_json::json!({ "parentRefs": [{ "name": "public" }], "hostname": "resize.example.com" })).unwrap();
        let hosts = hosts(&[&old(), &by_gateway]);
        assert_eq!(hosts.take(&old()), Ok(()));
        assert!(hosts.take(&by_gateway).is_err());
    }
}
