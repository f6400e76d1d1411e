//! Which endpoints may roll out what the operator itself changed, after an upgrade for example: a few at a time.
//!
//! `apply` asks before it writes a Deployment, `reconcile` above calls those that wait. Only turns that were given are counted, so no Deployment
//! that somebody else starts to roll out takes a place; how far these are is known from `watch`.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::reflector::ObjectRef;
use resize_api::ResizeEndpoint;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::observe::is_rolling;
use crate::{endpoint::Endpoint, watch::Scopes};

/// Most endpoints that are called at a time and not heard yet.
const CALLED: usize = 1024;
/// How long the place of an endpoint that is called is kept for it: it may be gone, or have nothing to write any more.
const COMES: Duration = Duration::from_mins(1);
/// Longest turn after the write: how long a rollout may make no progress is for its user to say, and longer than others wait for it.
const LONGEST: Duration = Duration::from_mins(10);

type Name = ObjectRef<ResizeEndpoint>;

/// Turns to roll out.
pub struct Rollouts {
    most: usize,
    state: Mutex<State>,
    called: Sender<Name>,
}

#[derive(Default)]
struct State {
    given: Vec<Given>,
    /// Who came first is first.
    waiting: VecDeque<Name>,
}

/// A turn.
#[derive(Debug)]
struct Given {
    endpoint: Name,
    /// When it is over at the latest.
    until: Instant,
    /// The Deployment, once the endpoint came to write it.
    deployment: Option<ObjectRef<Deployment>>,
    /// Its generation, once it is written.
    generation: Option<i64>,
}

impl Given {
    fn goes_on(&self, scopes: &Scopes, now: Instant) -> bool {
        let (Some(deployment), Some(written)) = (&self.deployment, self.generation) else {
            // while it is written, this is for the one who writes to end
            return self.deployment.is_some() || now < self.until;
        };
        // one that is gone is over
        let known = scopes.deployment(deployment).filter(|known| known.metadata.uid == deployment.extra.uid);
        now < self.until && known.is_some_and(|known| known.metadata.generation < Some(written) || is_rolling(&known))
    }
}

impl State {
    /// Whether `endpoint` has one of the `most` places, or may have one: half of them are for one namespace.
    fn has_place(&self, most: usize, endpoint: &Name) -> bool {
        let taken: HashSet<_> = self.given.iter().map(|given| &given.endpoint).collect();
        let of_the_namespace = taken.iter().filter(|other| other.namespace == endpoint.namespace).count();
        taken.contains(endpoint) || taken.len() < most && of_the_namespace < most.div_ceil(2)
    }
}

impl Rollouts {
    /// Turns for `most` endpoints at a time.
    pub fn new(most: usize) -> Self {
        Self { most, state: Mutex::default(), called: broadcast::channel(CALLED).0 }
    }

    /// The endpoints whose turn is now.
    pub fn called(&self) -> Receiver<Name> {
        self.called.subscribe()
    }

    /// The turn of `endpoint` to replace the pods of its Deployment `live`, if there is a place. Otherwise it is called later.
    fn take(&self, endpoint: &Endpoint, live: &Deployment, scopes: &Scopes, now: Instant) -> Option<Turn<'_>> {
        let name = Name::new(&endpoint.name).within(&endpoint.namespace);
        let mut state = self.call_at(scopes, now);
        if !state.has_place(self.most, &name) {
            if !state.waiting.contains(&name) {
                state.waiting.push_back(name);
            }
            return None;
        }
        let deployment = ObjectRef::from_obj(live);
        state.given.retain(|given| given.endpoint != name || given.deployment.as_ref().is_some_and(|other| *other != deployment));
        state.given.push(Given { endpoint: name, until: now + LONGEST, deployment: Some(deployment.clone()), generation: None });
        Some(Turn { rollouts: self, deployment })
    }

    /// Calls as many of those that wait as may go; each has its place from now on.
    pub fn call(&self, scopes: &Scopes) {
        drop(self.call_at(scopes, Instant::now()));
    }

    fn call_at(&self, scopes: &Scopes, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.given.retain(|given| given.goes_on(scopes, now));
        for name in std::mem::take(&mut state.waiting) {
            if state.has_place(self.most, &name) {
                // an error means that no controller listens, so nothing reconciles
                let _ = self.called.send(name.clone());
                state.given.push(Given { endpoint: name, until: now + COMES, deployment: None, generation: None });
            } else {
                state.waiting.push_back(name);
            }
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn. It ends with this value, unless something was written.
pub struct Turn<'a> {
    rollouts: &'a Rollouts,
    deployment: ObjectRef<Deployment>,
}

impl Turn<'_> {
    /// Keeps the turn until what was written has rolled out.
    pub fn wrote(self, written: &Deployment) {
        let mut state = self.rollouts.state();
        if let Some(given) = state.given.iter_mut().find(|given| given.deployment.as_ref() == Some(&self.deployment)) {
            given.generation = written.metadata.generation;
            given.until = Instant::now() + LONGEST;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.rollouts.state().given.retain(|given| given.deployment.as_ref() != Some(&self.deployment) || given.generation.is_some());
    }
}

/// What decides when the Deployments of one endpoint are written.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    /// The turns.
    pub rollouts: &'a Rollouts,
    /// All that is known of Deployments.
    pub scopes: &'a Scopes,
}

impl<'a> Pace<'a> {
    /// The turn of `endpoint` to write its Deployment `live` otherwise than it was written last.
    pub fn take(&self, endpoint: &Endpoint, live: &Deployment) -> Option<Turn<'a>> {
        self.rollouts.take(endpoint, live, self.scopes, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        testing::fixtures::{config, named},
        watch::children::Children,
    };

    /// `NAME` of the namespace `demo`, or `NAMESPACE/NAME`.
    fn parts(name: &str) -> (&str, &str) {
        name.split_once('/').unwrap_or(("demo", name))
    }

    fn endpoint(name: &str) -> Endpoint {
        let (namespace, name) = parts(name);
        let mut resource = named(name, "2026-01-02T03:04:05Z");
        resource.metadata.namespace = Some(namespace.into());
        Endpoint::new(&resource, &config()).unwrap()
    }

    fn deployment(name: &str, generation: i64, status: Value) -> Deployment {
        let (namespace, name) = parts(name);
        let metadata = json!({ "name": format!("{name}-resizer"), "namespace": namespace, "uid": name, "generation": generation });
        let spec = json!({ "replicas": 2, "selector": {}, "template": {} });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
    }

    /// All pods of this generation serve.
    fn done(name: &str, generation: i64) -> Deployment {
        let status = json!({ "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        deployment(name, generation, status)
    }

    fn rolling(name: &str, generation: i64) -> Deployment {
        let status = json!({ "observedGeneration": generation, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2 });
        deployment(name, generation, status)
    }

    fn known(all: impl IntoIterator<Item = Deployment>) -> Scopes {
        Scopes::of(Children::with(all))
    }

    /// The same rollouts from here on: who takes a turn writes the second generation.
    fn takes(rollouts: &Rollouts, name: &str, scopes: &Scopes, now: Instant) -> bool {
        let turn = rollouts.take(&endpoint(name), &done(name, 1), scopes, now);
        turn.map(|turn| turn.wrote(&deployment(name, 2, json!({})))).is_some()
    }

    #[test]
    fn so_many_at_a_time_also_before_the_watch_tells_of_them() {
        let (rollouts, now) = (Rollouts::new(2), Instant::now());
        let take = |name: &str, scopes: &Scopes| takes(&rollouts, name, scopes, now);
        let before = known(["a", "2/b", "3/c"].map(|name| done(name, 1)));
        assert_eq!(["a", "2/b", "3/c"].map(|name| take(name, &before)), [true, true, false]);
        assert!(take("a", &before), "what is on its way may be corrected");
        assert!(!take("3/c", &known([rolling("a", 2), rolling("2/b", 2), done("3/c", 1)])));
        let a_is_done = known([done("a", 2), rolling("2/b", 2), done("3/c", 1)]);
        assert!(take("3/c", &a_is_done));
        assert!(!take("a", &a_is_done), "c has the place, though nothing was heard of it");
    }

    #[test]
    fn a_namespace_has_half_of_the_places_and_what_its_users_roll_out_takes_none() {
        let (rollouts, now) = (Rollouts::new(5), Instant::now());
        let names = ["a", "b", "c", "d", "2/e", "3/f", "4/g"];
        let scopes = known(names.map(|name| rolling(name, 1)));
        assert_eq!(names.map(|name| takes(&rollouts, name, &scopes, now)), [true, true, true, false, true, true, false]);
    }

    #[test]
    fn what_wrote_nothing_or_is_gone_or_does_not_end_is_over() {
        let (rollouts, now) = (Rollouts::new(1), Instant::now());
        let take = |name: &str, scopes: &Scopes| rollouts.take(&endpoint(name), &done(name, 1), scopes, now);
        let scopes = known([done("a", 1), done("b", 1)]);
        drop(take("a", &scopes));
        let turn = take("b", &scopes).expect("the turn of a has ended");
        assert!(take("a", &scopes).is_none());
        turn.wrote(&deployment("b", 2, json!({})));
        assert!(take("a", &scopes).is_none());
        let overdue = json!({
            "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
            "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }],
        });
        let mut another = rolling("b", 2);
        another.metadata.uid = Some("another".into());
        for (what, b, later) in [
            ("deleted", None, now),
            ("another one of that name", Some(another), now),
            ("overdue", Some(deployment("b", 2, overdue)), now),
            ("without end", Some(rolling("b", 2)), now + LONGEST * 2),
        ] {
            let rollouts = Rollouts::new(1);
            assert!(takes(&rollouts, "b", &scopes, now) && !takes(&rollouts, "a", &scopes, now + LONGEST / 2));
            let scopes = known(b.into_iter().chain([done("a", 1)]));
            assert!(takes(&rollouts, "a", &scopes, later), "{what}");
        }
    }

    #[test]
    fn who_waits_is_called_in_turn_when_there_is_a_place_which_is_kept_for_it() {
        let (rollouts, now) = (Rollouts::new(1), Instant::now());
        let mut called = rollouts.called();
        let mut heard = || std::iter::from_fn(|| called.try_recv().ok()).map(|name| name.name).collect::<Vec<_>>();
        let scopes = |a| known([a, done("b", 1), done("c", 1), done("d", 1)]);
        assert!(takes(&rollouts, "a", &scopes(done("a", 1)), now));
        for name in ["b", "c", "b"] {
            assert!(!takes(&rollouts, name, &scopes(rolling("a", 2)), now));
        }
        rollouts.call(&scopes(rolling("a", 2)));
        assert!(heard().is_empty());
        let free = scopes(done("a", 2));
        rollouts.call(&free);
        assert_eq!(heard(), ["b"], "a second look does not cost the first place in the row");
        assert!(!takes(&rollouts, "d", &free, now) && !takes(&rollouts, "c", &free, now));
        drop(rollouts.take(&endpoint("b"), &done("b", 1), &free, now).expect("its place was kept"));
        rollouts.call(&free);
        assert_eq!(heard(), ["c"]);
        // it never comes
        assert!(!takes(&rollouts, "b", &free, now + COMES / 2));
        drop(rollouts.call_at(&free, now + COMES * 2));
        assert_eq!(heard(), ["d"]);
    }
}
