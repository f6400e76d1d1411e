//! What is heard: every endpoint, and every object that belongs to one.

pub mod children;
pub mod endpoints;
pub mod scope;

use std::{collections::BTreeMap, sync::Arc};

use kube::runtime::reflector::Store;
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
        let scope = Scope { endpoints: kube::runtime::reflector::store().0, children: Children::none() };
        Self([(None, scope)].into())
    }

    /// What is known in `namespace`.
    pub fn children(&self, namespace: &str) -> Option<&Children> {
        self.0.get(&Some(namespace.to_owned())).or_else(|| self.0.get(&None)).map(|scope| &scope.children)
    }

    /// Every endpoint that is watched.
    pub fn endpoints(&self) -> impl Iterator<Item = Arc<ResizeEndpoint>> {
        self.0.values().flat_map(|scope| scope.endpoints.state())
    }

    /// Waits until every endpoint is known.
    pub async fn wait_until_ready(&self) {
        for scope in self.0.values() {
            // a store without a writer belongs to a process that ends
            let _ = scope.endpoints.wait_until_ready().await;
        }
    }
}
