//! Watches → reconciles. Everything is watched in all namespaces, or in each of those that the settings name.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::{self, Error as ControllerError},
        predicates,
        reflector::{ObjectRef, Store},
        utils::PredicateConfig,
        watcher,
    },
};
use resize_api::ResizeEndpoint;

use crate::{
    children::{self, Children},
    claim::Claims,
    desired::OPERATOR,
    metrics::Metrics,
    reconcile::{Context, on_error, reconcile},
    recorders::Recorders,
    watch,
};

/// Most reconciles at a time.
const CONCURRENCY: u16 = 16;

/// What is watched: one namespace, or all.
struct Scope {
    endpoints: Store<ResizeEndpoint>,
    children: Children,
}

/// All that is watched.
pub struct Scopes(BTreeMap<Option<String>, Scope>);

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

/// Prepares a controller for each of `namespaces`, or one for all of them if there are none.
pub fn new(
    client: &Client,
    namespaces: &[String],
    claims: &Arc<Claims>,
    recorders: &Recorders,
    metrics: &Metrics,
) -> (Vec<Controller<ResizeEndpoint>>, Scopes) {
    let scopes = if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let parts = scopes.into_iter().map(|namespace| {
        let (endpoints, changed) = watch::endpoints(api(client, namespace.as_deref()), claims.clone(), recorders.clone(), metrics.clone());
        // not those of the status: we make them
        let filter = predicates::generation.combine(predicates::annotations).combine(predicates::finalizers);
        let controller = Controller::for_stream(changed.predicate_filter(filter, PredicateConfig::default()), endpoints.clone())
            .reconcile_on(watch::changed_hands(claims))
            .with_config(controller::Config::default().concurrency(CONCURRENCY));
        let (controller, children) = children::watch(client, namespace.as_deref(), controller);
        // the Deployment does not tell why its pods fail, nor when the last old one is gone
        let pods = watcher(api::<PartialObjectMeta<Pod>>(client, namespace.as_deref()), ours()).touched_objects();
        (controller.watches_stream(pods, endpoint_of), (namespace, Scope { endpoints, children }))
    });
    let (controllers, scopes): (Vec<_>, Vec<_>) = parts.unzip();
    (controllers, Scopes(scopes.into_iter().collect()))
}

/// The objects of a kind in one namespace, or in all.
pub fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// What we made.
pub fn ours() -> watcher::Config {
    watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={OPERATOR}"))
}

/// The endpoint that a pod belongs to.
fn endpoint_of(pod: impl ResourceExt) -> Option<ObjectRef<ResizeEndpoint>> {
    let name = pod.labels().get("app.kubernetes.io/instance")?.clone();
    Some(ObjectRef::new(&name).within(&pod.namespace()?))
}

/// Reconciles until `stop`, then finishes what runs.
pub async fn run(
    controllers: Vec<Controller<ResizeEndpoint>>,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    let each = controllers.into_iter().map(|controller| {
        let results = controller.graceful_shutdown_on(stop.clone()).run(reconcile, on_error, context.clone());
        results.for_each(async |result| match result {
            // these are reported where they happen, or tell of an object that is gone by now
            Ok(_) | Err(ControllerError::ReconcilerFailed(..) | ControllerError::ObjectNotFound(_)) => {}
            Err(error) => tracing::warn!(%error, "watch failed"),
        })
    });
    futures::future::join_all(each).await;
}
