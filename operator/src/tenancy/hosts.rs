//! All endpoints, as they come and go → who has a host and path. What a visitor writes leads to one endpoint, cluster-wide.
//!
//! Whoever has an address keeps it as long as it asks for it. A free one goes to the endpoint that was accepted with its
//! present spec, else to the older one.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use resize_api::{ResizeEndpoint, condition::ConditionType, settings::DEFAULT_PATH};

use crate::tenancy::ranking::{Rank, Ranking};

/// A host and the path below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    path: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "host {} with path {path}", self.host)
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

    /// Where `resource` wants to be found.
    fn of(resource: &ResizeEndpoint) -> BTreeSet<Self> {
        let (ingress, gateway) = (&resource.spec.ingress, &resource.spec.gateway);
        let path = match ingress {
            // every path that no longer one is for
            _ if resource.spec.delivery.is_direct() => "",
            Some(ingress) => &ingress.path,
            None => DEFAULT_PATH,
        };
        let hosts = ingress.iter().map(|ingress| &ingress.host).chain(gateway.iter().map(|gateway| &gateway.hostname));
        hosts.map(|host| Self::new(host, path)).collect()
    }
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

impl Standing {
    fn of(resource: &ResizeEndpoint) -> Self {
        match accepted(resource).map(|said| said.status.as_str()) {
            Some("True") => Self::Accepted,
            Some("False") => Self::Refused,
            _ => Self::NotLookedAt,
        }
    }
}

/// Who has which host and path.
#[derive(Debug, Default)]
pub struct Hosts(Mutex<Ranking<Address, Standing>>);

impl Hosts {
    /// Notes an endpoint as it is now. Returns those that ask for an address that changed hands.
    pub fn put(&self, resource: &ResizeEndpoint) -> Vec<ObjectRef<ResizeEndpoint>> {
        let rank = Rank::new(resource, Standing::of(resource));
        self.ranking().change(&resource.uid().unwrap_or_default(), Address::of(resource), Some(&rank))
    }

    /// Forgets an endpoint that is gone. Returns those that ask for an address that it had.
    pub fn remove(&self, uid: &str) -> Vec<ObjectRef<ResizeEndpoint>> {
        self.ranking().change(uid, BTreeSet::new(), None)
    }

    /// Gives `resource` every address that it asks for, or says which of them another has.
    pub fn take(&self, resource: &ResizeEndpoint) -> Result<(), Address> {
        let uid = resource.uid().unwrap_or_default();
        let wanted = Address::of(resource);
        let mut ranking = self.ranking();
        ranking.change(&uid, wanted.clone(), Some(&Rank::new(resource, Standing::of(resource))));
        if let Some(taken) = wanted.iter().find(|address| ranking.first(address) != Some(&uid)) {
            return Err(taken.clone());
        }
        for address in &wanted {
            ranking.hold(address, &uid);
        }
        Ok(())
    }

    fn ranking(&self) -> MutexGuard<'_, Ranking<Address, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::named;

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
        // the one that has it may change other fields, and no other endpoint is notified
        let mut edited = said(young, "True", 3);
        edited.metadata.generation = Some(4);
        assert_eq!((hosts.put(&edited), hosts.take(&edited)), (Vec::new(), Ok(())));
    }

    #[test]
    fn a_new_leader_gives_it_to_the_one_that_was_accepted_with_it() {
        let (accepted, moved_here) = (said(young(), "True", 3), said(old(), "True", 2));
        assert!(hosts(&[&moved_here, &accepted]).take(&moved_here).is_err());
        // one that is refused for another reason does not keep others from it
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
        assert_eq!(hosts.remove("old").into_iter().map(|object| object.name).collect::<Vec<_>>(), ["young"]);
        let lost = said(lost, "False", 3);
        assert!(hosts.put(&lost).is_empty(), "it stands behind those that may have it");
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
    fn direct_asks_for_the_host_less_the_longer_paths_of_others() {
        let direct = |mut resource: ResizeEndpoint| {
            resource.spec.delivery = serde_json::from_value(serde_json::json!({ "mode": "Direct" })).unwrap();
            resource
        };
        let hosts = hosts(&[&direct(old())]);
        assert_eq!(hosts.take(&direct(old())), Ok(()));
        let refused = hosts.take(&direct(young())).unwrap_err();
        assert_eq!(refused.to_string(), "host resize.example.com with path /");
        // a size as path would take pictures away
        assert!(hosts.take(&at(young(), "resize.example.com", "/300x300")).is_err());
        assert_eq!(hosts.take(&young()), Ok(()));
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
