//! Which endpoints may roll out what the operator itself changed, after an upgrade for example: a few at a time.
//!
//! `apply` asks before it writes a Deployment, `reconcile` above calls those that wait. What rolls is known from `watch`, and of the last
//! writes from here.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use resize_api::ResizeEndpoint;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::observe::is_rolling;
use crate::{endpoint::Endpoint, names::ENDPOINT, watch::Scopes};

/// Most endpoints that are called at a time and not heard yet.
const CALLED: usize = 1024;

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
    waiting: VecDeque<Name>,
}

/// A turn whose write the watch may not tell yet.
#[derive(Debug)]
struct Given {
    endpoint: Name,
    /// Uid of the Deployment.
    uid: Option<String>,
    /// Its generation, once it is written.
    generation: Option<i64>,
}

impl State {
    /// The endpoints that roll out, as far as `known` tells, or a turn does.
    fn rolling(&mut self, known: &[Arc<Deployment>]) -> HashSet<Name> {
        self.given.retain(|given| {
            let Some(written) = given.generation else { return true };
            // one that is gone is over, one that the watch has told is counted by that
            known.iter().any(|known| known.metadata.uid == given.uid && known.metadata.generation < Some(written))
        });
        let endpoint = |known: &Arc<Deployment>| Some(Name::new(known.labels().get(ENDPOINT)?).within(&known.namespace()?));
        let told = known.iter().filter(|known| is_rolling(known)).filter_map(endpoint);
        told.chain(self.given.iter().map(|given| given.endpoint.clone())).collect()
    }
}

impl Rollouts {
    /// Turns for `most` endpoints at a time.
    pub fn new(most: usize) -> Self {
        Self { most, state: Mutex::default(), called: broadcast::channel(CALLED).0 }
    }

    /// The endpoints whose turn may be now.
    pub fn called(&self) -> Receiver<Name> {
        self.called.subscribe()
    }

    /// The turn of `endpoint` to replace the pods of its Deployment `live`, if `known` lets it. Otherwise it is called later.
    fn take(&self, endpoint: &Endpoint, live: &Deployment, known: &[Arc<Deployment>]) -> Option<Turn<'_>> {
        let (name, uid) = (Name::new(&endpoint.name).within(&endpoint.namespace), live.uid());
        let mut state = self.state();
        state.waiting.retain(|waiting| *waiting != name);
        let rolling = state.rolling(known);
        if rolling.len() >= self.most && !rolling.contains(&name) {
            state.waiting.push_back(name);
            return None;
        }
        state.given.retain(|given| given.uid != uid);
        state.given.push(Given { endpoint: name, uid: uid.clone(), generation: None });
        Some(Turn { rollouts: self, uid })
    }

    /// Calls as many of those that wait as may go.
    pub fn call(&self, scopes: &Scopes) {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return;
        }
        let free = self.most.saturating_sub(state.rolling(&scopes.deployments()).len()).min(state.waiting.len());
        for name in state.waiting.drain(..free) {
            // an error means that no controller listens, so nothing reconciles
            let _ = self.called.send(name);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn. It ends with this value, unless something was written.
pub struct Turn<'a> {
    rollouts: &'a Rollouts,
    uid: Option<String>,
}

impl Turn<'_> {
    /// Keeps the turn until the watch tells of what was written.
    pub fn wrote(self, written: &Deployment) {
        let mut state = self.rollouts.state();
        if let Some(given) = state.given.iter_mut().find(|given| given.uid == self.uid) {
            given.generation = written.metadata.generation;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.rollouts.state().given.retain(|given| given.uid != self.uid || given.generation.is_some());
    }
}

/// What decides when the Deployments of one endpoint are written.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    /// The turns.
    pub rollouts: &'a Rollouts,
    /// All that is known of Deployments.
    pub scopes: &'a Scopes,
    /// Whether the user changed the spec since it was last looked at: that is never held back.
    pub is_edited: bool,
}

impl<'a> Pace<'a> {
    /// The turn of `endpoint` to write its Deployment `live` otherwise than it was written last.
    pub fn take(&self, endpoint: &Endpoint, live: &Deployment) -> Option<Turn<'a>> {
        self.rollouts.take(endpoint, live, &self.scopes.deployments())
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

    fn endpoint(name: &str) -> Endpoint {
        Endpoint::new(&named(name, "2026-01-02T03:04:05Z"), &config()).unwrap()
    }

    fn deployment(name: &str, generation: i64, status: Value) -> Arc<Deployment> {
        let metadata = json!({
            "name": format!("{name}-resizer"), "namespace": "demo", "uid": name, "generation": generation, "labels": { ENDPOINT: name },
        });
        let spec = json!({ "replicas": 2, "selector": {}, "template": {} });
        Arc::new(serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap())
    }

    /// All pods of this generation serve.
    fn done(name: &str, generation: i64) -> Arc<Deployment> {
        let status = json!({ "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        deployment(name, generation, status)
    }

    fn rolling(name: &str, generation: i64) -> Arc<Deployment> {
        deployment(
            name,
            generation,
            json!({ "observedGeneration": generation, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2 }),
        )
    }

    #[test]
    fn so_many_at_a_time_also_before_the_watch_tells_of_them() {
        let rollouts = Rollouts::new(2);
        let before = ["a", "b", "c"].map(|name| done(name, 1));
        let take = |name: &str, known: &[Arc<Deployment>]| {
            let turn = rollouts.take(&endpoint(name), &done(name, 1), known)?;
            turn.wrote(&deployment(name, 2, json!({})));
            Some(())
        };
        assert_eq!(["a", "b", "c"].map(|name| take(name, &before)), [Some(()), Some(()), None]);
        // what is on its way may be corrected
        assert_eq!(take("a", &before), Some(()));
        assert_eq!(take("c", &[rolling("a", 2), rolling("b", 2), done("c", 1)]), None);
        assert_eq!(take("c", &[done("a", 2), rolling("b", 2), done("c", 1)]), Some(()));
        assert_eq!(take("a", &[done("a", 2), rolling("b", 2), done("c", 1)]), None, "c has the place, though nothing was heard of it");
    }

    #[test]
    fn what_wrote_nothing_or_is_gone_or_never_ends_is_over() {
        let rollouts = Rollouts::new(1);
        let take = |name: &str, known: &[Arc<Deployment>]| rollouts.take(&endpoint(name), &done(name, 1), known);
        let known = [done("a", 1), done("b", 1)];
        drop(take("a", &known));
        let turn = take("b", &known).expect("the turn of a has ended");
        assert!(take("a", &known).is_none());
        turn.wrote(&deployment("b", 2, json!({})));
        assert!(take("a", &known).is_none());
        // deleted
        assert!(take("a", &[done("a", 1)]).is_some());
        let overdue = json!({
            "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
            "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }],
        });
        assert!(take("a", &[done("a", 1), deployment("b", 2, overdue)]).is_some());
    }

    #[test]
    fn who_waits_is_called_in_turn_when_there_is_a_place() {
        let rollouts = Rollouts::new(1);
        let mut called = rollouts.called();
        let mut heard = || std::iter::from_fn(|| called.try_recv().ok()).map(|name| name.name).collect::<Vec<_>>();
        let known = [rolling("a", 2), done("b", 1), done("c", 1)];
        for name in ["b", "c", "b"] {
            assert!(rollouts.take(&endpoint(name), &done(name, 1), &known).is_none());
        }
        rollouts.call(&Scopes::of(Children::with((*rolling("a", 2)).clone())));
        assert!(heard().is_empty());
        for next in ["c", "b"] {
            rollouts.call(&Scopes::of(Children::with((*done("a", 2)).clone())));
            assert_eq!(heard(), [next]);
        }
        rollouts.call(&Scopes::empty());
        assert!(heard().is_empty(), "nobody waits");
    }
}
