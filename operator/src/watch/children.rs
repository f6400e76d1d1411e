//! The objects that we made, as the API has them: watched once, then looked up without a call.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::Service,
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ListParams,
    runtime::{
        Controller, WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use resize_api::ResizeEndpoint;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, watch};

use crate::{
    http_route::HTTPRoute,
    names::ENDPOINT,
    watch::scope::{api, endpoint_of, heard, ours},
};

/// How long until the Gateway API is looked for again after a failure.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A kind of object that belongs to an endpoint.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Those of this kind.
    fn store(children: &Children) -> &Store<Self>;
}

/// What is known of every kind.
pub struct Children {
    deployments: Store<Deployment>,
    services: Store<Service>,
    ingresses: Store<Ingress>,
    autoscalers: Store<HorizontalPodAutoscaler>,
    budgets: Store<PodDisruptionBudget>,
    policies: Store<NetworkPolicy>,
    cron_jobs: Store<CronJob>,
    jobs: Store<Job>,
    routes: Store<HTTPRoute>,
    gateway_api: watch::Receiver<Option<bool>>,
    gateway_api_wanted: Arc<Notify>,
}

macro_rules! child {
    ($($kind:ty: $field:ident),*) => { $(impl Child for $kind {
        fn store(children: &Children) -> &Store<Self> { &children.$field }
    })* };
}
child!(
    Deployment: deployments, Service: services, Ingress: ingresses, HorizontalPodAutoscaler: autoscalers,
    PodDisruptionBudget: budgets, NetworkPolicy: policies, CronJob: cron_jobs, HTTPRoute: routes
);

impl Children {
    /// A cluster in which nothing was made yet, without a Gateway API.
    #[cfg(test)]
    pub fn none() -> Self {
        Self {
            deployments: reflector::store().0,
            services: reflector::store().0,
            ingresses: reflector::store().0,
            autoscalers: reflector::store().0,
            budgets: reflector::store().0,
            policies: reflector::store().0,
            cron_jobs: reflector::store().0,
            jobs: reflector::store().0,
            routes: reflector::store().0,
            gateway_api: watch::channel(Some(false)).1,
            gateway_api_wanted: Arc::default(),
        }
    }

    /// The same with Deployments.
    #[cfg(test)]
    pub fn with(all: impl IntoIterator<Item = Deployment>) -> Self {
        let (deployments, mut heard) = reflector::store();
        all.into_iter().for_each(|deployment| heard.apply_watcher_event(&watcher::Event::Apply(deployment)));
        Self { deployments, ..Self::none() }
    }

    /// The same with Jobs, which the test makes known.
    #[cfg(test)]
    pub fn with_jobs() -> (Self, reflector::store::Writer<Job>) {
        let (jobs, heard) = reflector::store();
        (Self { jobs, ..Self::none() }, heard)
    }

    /// The Jobs that belong to the endpoint `name` of `namespace`, as they were last heard of.
    pub fn jobs(&self, namespace: &str, name: &str) -> Vec<Arc<Job>> {
        let is_its_own = |job: &Job| {
            job.metadata.namespace.as_deref() == Some(namespace) && job.labels().get(ENDPOINT).is_some_and(|endpoint| endpoint == name)
        };
        self.jobs.state().into_iter().filter(|job| is_its_own(job)).collect()
    }

    /// A Deployment, as it was last heard of.
    pub fn deployment(&self, named: &ObjectRef<Deployment>) -> Option<Arc<Deployment>> {
        self.deployments.get(named)
    }

    /// Whether all of the kind are known.
    pub fn knows<K: Child>(&self) -> bool {
        K::store(self).wait_until_ready().now_or_never().is_some_and(|known| known.is_ok())
    }

    /// The object `name` of `namespace` as it was last heard of; waits until all of the kind are known.
    pub async fn get<K: Child>(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let store = K::store(self);
        // an error means that the watch has ended, as at shutdown
        let _ = store.wait_until_ready().await;
        store.get(&ObjectRef::new(name).within(namespace))
    }

    /// Whether the Gateway API is installed. If it is `wanted` and is not there, it is looked for again.
    pub async fn has_gateway_api(&self, wanted: bool) -> bool {
        let mut known = self.gateway_api.clone();
        let found = known.wait_for(Option::is_some).await.is_ok_and(|known| *known == Some(true));
        if wanted && !found {
            self.gateway_api_wanted.notify_one();
        }
        found
    }
}

/// Watches every kind for `controller`.
pub fn watch(client: &Client, namespace: Option<&str>, controller: Controller<ResizeEndpoint>) -> (Controller<ResizeEndpoint>, Children) {
    let (controller, deployments) = owns(client, namespace, controller);
    let (controller, services) = owns(client, namespace, controller);
    let (controller, ingresses) = owns(client, namespace, controller);
    let (controller, autoscalers) = owns(client, namespace, controller);
    let (controller, budgets) = owns(client, namespace, controller);
    let (controller, policies) = owns(client, namespace, controller);
    let (controller, cron_jobs) = owns(client, namespace, controller);
    // Jobs belong to the CronJob, also those that somebody starts by hand
    let (jobs, writer) = reflector::store();
    let events = heard(watcher(api::<Job>(client, namespace), ours())).modify(slim_job).reflect(writer);
    let controller = controller.watches_stream(events.touched_objects(), endpoint_of);

    // where there is no Gateway API, a watch would do nothing but fail
    let (found, gateway_api) = watch::channel(None);
    let gateway_api_wanted = Arc::<Notify>::default();
    let (routes, writer) = reflector::store();
    let all: Api<HTTPRoute> = api(client, namespace);
    let installed = {
        let (all, wanted) = (all.clone(), gateway_api_wanted.clone());
        let look = move || is_installed(all.clone());
        async move { wait_for_gateway_api(look, found, &wanted).await }
    };
    let events = heard(futures::stream::once(installed).flat_map(move |()| watcher(all.clone(), ours()))).modify(slim).reflect(writer);
    let controller = controller.owns_stream(events.touched_objects());
    let children = Children {
        deployments,
        services,
        ingresses,
        autoscalers,
        budgets,
        policies,
        cron_jobs,
        jobs,
        routes,
        gateway_api,
        gateway_api_wanted,
    };
    (controller, children)
}

fn owns<K: Child>(
    client: &Client,
    namespace: Option<&str>,
    controller: Controller<ResizeEndpoint>,
) -> (Controller<ResizeEndpoint>, Store<K>) {
    let (store, writer) = reflector::store();
    let events = heard(watcher(api::<K>(client, namespace), ours())).modify(slim).reflect(writer);
    (controller.owns_stream(events.touched_objects()), store)
}

/// Drops the fields that are not read.
fn slim(object: &mut impl ResourceExt) {
    object.managed_fields_mut().clear();
}

/// The same of a Job, of which only its end is read.
fn slim_job(job: &mut Job) {
    slim(job);
    job.spec = None;
}

/// Returns when the Gateway API is there; `found` says meanwhile that it is not. It is looked for again when somebody wants it,
/// and where that cannot be said because the API failed, after a while too.
async fn wait_for_gateway_api<F>(look: impl Fn() -> F, found: watch::Sender<Option<bool>>, wanted: &Notify)
where
    F: Future<Output = Result<bool, kube::Error>>,
{
    loop {
        let again = match look().await {
            Ok(true) => break,
            Ok(false) => Duration::MAX,
            Err(error) => {
                tracing::warn!(%error, "cannot see whether the Gateway API is installed; it is taken to be absent");
                LOOK_AGAIN
            }
        };
        found.send_replace(Some(false));
        // looks again when it is wanted or when the time is over
        let _ = tokio::time::timeout(again, wanted.notified()).await;
    }
    found.send_replace(Some(true));
}

async fn is_installed(routes: Api<HTTPRoute>) -> Result<bool, kube::Error> {
    match routes.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(true),
        // the answer for a kind that is not there is plain text, without a reason
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::testing::fake::refused;

    /// Forbidden, or a server that is not there yet, is no Gateway API: a watch of it would never be ready, and all endpoints wait for that.
    #[tokio::test(start_paused = true)]
    async fn a_gateway_api_that_cannot_be_seen_is_absent_until_it_can() {
        let (found, known) = watch::channel(None);
        let answers = Mutex::new(vec![Ok(true), Err(refused(503)), Ok(false), Err(refused(403))]);
        let look = || std::future::ready(answers.lock().unwrap().pop().unwrap());
        let wanted = Notify::new();
        let waiting = wait_for_gateway_api(look, found, &wanted);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(LOOK_AGAIN / 2, &mut waiting).await.is_err());
        assert_eq!((*known.borrow(), answers.lock().unwrap().len()), (Some(false), 3));
        // absent: looked for only when it is wanted
        assert!(tokio::time::timeout(LOOK_AGAIN * 100, &mut waiting).await.is_err());
        assert_eq!(answers.lock().unwrap().len(), 2);
        wanted.notify_one();
        waiting.await;
        assert_eq!(*known.borrow(), Some(true));
    }
}
