//! What is heard: every endpoint, and every object that belongs to one.
//!
//! `controller`, `reconcile` and `workload` above read the stores; below are `tenancy`, whose claims follow the watch, and `heard`.

pub mod children;
pub mod endpoints;
mod packed;
pub mod scope;
pub mod waiting;

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::reflector::{ObjectRef, Store};
use resize_api::ResizeEndpoint;

use self::children::Children;

/// What is watched: one namespace, or all.
pub struct Scope {
    /// The endpoints.
    pub endpoints: Store<ResizeEndpoint>,
    /// What belongs to them.
    pub children: Children,
}

/// All that is watched.
pub struct Scopes(pub BTreeMap<Option<String>, Scope>);

impl Scopes {
    /// All namespaces, and nothing in them.
    #[cfg(test)]
    pub fn empty() -> Self {
        Self::of(Children::none())
    }

    /// All namespaces, and these in them.
    #[cfg(test)]
    pub fn of(children: Children) -> Self {
        let scope = Scope { endpoints: kube::runtime::reflector::store().0, children };
        Self([(None, scope)].into())
    }

    /// What is known in `namespace`.
    pub fn children(&self, namespace: &str) -> Option<&Children> {
        self.scope(namespace).map(|scope| &scope.children)
    }

    fn scope(&self, namespace: &str) -> Option<&Scope> {
        self.0.get(&Some(namespace.to_owned())).or_else(|| self.0.get(&None))
    }

    /// A Deployment, as it was last heard of.
    pub fn deployment(&self, named: &ObjectRef<Deployment>) -> Option<Deployment> {
        let namespace = named.namespace.as_deref()?;
        self.children(namespace)?.deployment(namespace, &named.name)
    }

    /// `resource`, as it was last heard of.
    pub fn endpoint(&self, resource: &ResizeEndpoint) -> Option<Arc<ResizeEndpoint>> {
        self.scope(resource.metadata.namespace.as_deref()?)?.endpoints.get(&ObjectRef::from_obj(resource))
    }

    /// Whether there is an endpoint of this name.
    pub fn know(&self, name: &ObjectRef<ResizeEndpoint>) -> bool {
        let scope = name.namespace.as_deref().and_then(|namespace| self.scope(namespace));
        scope.is_some_and(|scope| scope.endpoints.get(name).is_some())
    }

    /// Waits until every endpoint of every scope is known.
    pub async fn wait_until_ready(&self) {
        for scope in self.0.values() {
            // an error means that the watch has ended, as at shutdown
            let _ = scope.endpoints.wait_until_ready().await;
        }
    }

    /// The store of every scope.
    pub fn endpoints(&self) -> Vec<Store<ResizeEndpoint>> {
        self.0.values().map(|scope| scope.endpoints.clone()).collect()
    }
}
