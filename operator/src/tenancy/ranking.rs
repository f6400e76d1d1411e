//! Endpoints that claim the same things (a bucket; a host and path) → which of them is first. Pure, below claims and hosts.
//!
//! A look-up costs the same however many endpoints there are.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use resize_api::ResizeEndpoint;

/// The smallest is first: standing, then age, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<S> {
    standing: S,
    created: Option<Timestamp>,
    namespace: Option<String>,
    name: String,
}

impl<S> Rank<S> {
    /// The rank of `resource` with this standing.
    pub fn new(resource: &ResizeEndpoint, standing: S) -> Self {
        Self {
            standing,
            created: resource.creation_timestamp().map(|time| time.0),
            namespace: resource.namespace(),
            name: resource.name_any(),
        }
    }

    fn object(&self) -> ObjectRef<ResizeEndpoint> {
        ObjectRef::new(&self.name).within(self.namespace.as_deref().unwrap_or_default())
    }
}

/// Who claims one thing, sorted by uid, and who holds it whatever the ranks say. Nearly always there is one.
#[derive(Debug)]
struct Claimants<S> {
    ranks: Vec<(String, Rank<S>)>,
    holder: Option<String>,
}

impl<S> Default for Claimants<S> {
    fn default() -> Self {
        Self { ranks: Vec::new(), holder: None }
    }
}

impl<S: Ord> Claimants<S> {
    fn at(&self, uid: &str) -> Result<usize, usize> {
        self.ranks.binary_search_by(|(other, _)| other.as_str().cmp(uid))
    }

    fn rank(&self, uid: &str) -> Option<&Rank<S>> {
        self.ranks.get(self.at(uid).ok()?).map(|(_, rank)| rank)
    }

    fn put(&mut self, uid: &str, rank: Rank<S>) {
        match self.at(uid) {
            Ok(at) => self.ranks[at].1 = rank,
            Err(at) => {
                if self.ranks.is_empty() {
                    self.ranks.reserve_exact(1);
                }
                self.ranks.insert(at, (uid.to_owned(), rank));
            }
        }
    }

    fn remove(&mut self, uid: &str) {
        if let Ok(at) = self.at(uid) {
            self.ranks.remove(at);
        }
    }

    fn first(&self) -> Option<&String> {
        let best = || self.ranks.iter().min_by_key(|(_, rank)| rank).map(|(uid, _)| uid);
        self.holder.as_ref().or_else(best)
    }
}

/// All claims on things of the kind `K`.
#[derive(Debug)]
pub struct Ranking<K, S> {
    things: HashMap<K, Claimants<S>>,
    /// What each endpoint claims, by uid.
    claimed: HashMap<String, Box<[K]>>,
}

impl<K, S> Default for Ranking<K, S> {
    fn default() -> Self {
        Self { things: HashMap::new(), claimed: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, S: Clone + Ord> Ranking<K, S> {
    /// Notes what the endpoint `uid` claims by now. Returns all that claim something which thereby changed hands.
    pub fn change(&mut self, uid: &str, claimed: BTreeSet<K>, rank: Option<&Rank<S>>) -> Vec<ObjectRef<ResizeEndpoint>> {
        let before: BTreeSet<K> = self.claimed.remove(uid).unwrap_or_default().into_iter().collect();
        let mut told = Vec::new();
        for thing in before.union(&claimed) {
            let claimants = self.things.entry(thing.clone()).or_default();
            let first = claimants.first().cloned();
            if let Some(rank) = rank.filter(|_| claimed.contains(thing)) {
                claimants.put(uid, rank.clone());
            } else {
                claimants.remove(uid);
                claimants.holder.take_if(|holder| holder.as_str() == uid);
            }
            if claimants.first() != first.as_ref() {
                told.extend(claimants.ranks.iter().map(|(_, rank)| rank.object()));
            }
            if claimants.ranks.is_empty() {
                self.things.remove(thing);
            }
        }
        if !claimed.is_empty() {
            self.claimed.insert(uid.to_owned(), claimed.into_iter().collect());
        }
        told
    }

    /// The uid of the endpoint that has `thing`.
    pub fn first(&self, thing: &K) -> Option<&str> {
        self.things.get(thing)?.first().map(String::as_str)
    }

    /// The rank that was noted of the endpoint `uid` for `thing`.
    pub fn rank(&self, thing: &K, uid: &str) -> Option<&Rank<S>> {
        self.things.get(thing)?.rank(uid)
    }

    /// The ranks of all others than `uid` that claim `thing`.
    pub fn others(&self, thing: &K, uid: &str) -> impl Iterator<Item = &Rank<S>> {
        let ranks = self.things.get(thing).into_iter().flat_map(|claimants| &claimants.ranks);
        ranks.filter(move |(other, _)| other != uid).map(|(_, rank)| rank)
    }

    /// The endpoint `uid`, which claims `thing`, keeps it from now on as long as it does.
    pub fn hold(&mut self, thing: &K, uid: &str) {
        if let Some(claimants) = self.things.get_mut(thing) {
            claimants.holder = Some(uid.to_owned());
        }
    }
}
