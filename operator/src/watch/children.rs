//! The objects that we made, as the API has them: watched once, then looked up without a call. Kept is what is read, packed.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
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
    watch::{
        packed::{Packed, packed},
        scope::{api, endpoint_of, heard, ours},
        waiting::Waiting,
    },
};

/// How long until the Gateway API is looked for again after a failure.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A kind of object that belongs to an endpoint.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Those of this kind.
    fn store(children: &Children) -> &Store<Packed<Self>>;

    /// Drops what is not read.
    fn slim(&mut self);
}

/// What is known of every kind.
pub struct Children {
    deployments: Store<Packed<Deployment>>,
    services: Store<Packed<Service>>,
    ingresses: Store<Packed<Ingress>>,
    autoscalers: Store<Packed<HorizontalPodAutoscaler>>,
    budgets: Store<Packed<PodDisruptionBudget>>,
    policies: Store<Packed<NetworkPolicy>>,
    cron_jobs: Store<Packed<CronJob>>,
    jobs: Store<Job>,
    routes: Store<Packed<HTTPRoute>>,
    gateway_api: watch::Receiver<Option<bool>>,
    gateway_api_wanted: Arc<Notify>,
}

macro_rules! child {
    ($($kind:ty: $field:ident $(without $unread:ident)?),*) => { $(impl Child for $kind {
        fn store(children: &Children) -> &Store<Packed<Self>> { &children.$field }

        fn slim(&mut self) {
            self.meta_mut().managed_fields = None;
            $(self.$unread = None;)?
        }
    })* };
}
child!(
    Deployment: deployments, Ingress: ingresses, NetworkPolicy: policies, HTTPRoute: routes, Service: services without status,
    HorizontalPodAutoscaler: autoscalers without status, PodDisruptionBudget: budgets without status, CronJob: cron_jobs without status
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
        all.into_iter().for_each(|deployment| heard.apply_watcher_event(&packed(&watcher::Event::Apply(deployment))));
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
    pub fn deployment(&self, namespace: &str, name: &str) -> Option<Deployment> {
        self.deployments.get(&ObjectRef::new(name).within(namespace))?.unpack()
    }

    /// Whether all of the kind are known.
    pub fn knows<K: Child>(&self) -> bool {
        K::store(self).wait_until_ready().now_or_never().is_some_and(|known| known.is_ok())
    }

    /// The object `name` of `namespace` as it was last heard of; waits until all of the kind are known.
    pub async fn get<K: Child>(&self, namespace: &str, name: &str) -> Option<Box<K>> {
        let store = K::store(self);
        // an error means that the watch has ended, as at shutdown
        let _ = store.wait_until_ready().await;
        // boxed: objects are large, and held while others are asked
        store.get(&ObjectRef::new(name).within(namespace))?.unpack().map(Box::new)
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

/// Watches every kind for `controller`, which is not called for those who are `waiting`.
pub fn watch(
    client: &Client,
    namespace: Option<&str>,
    controller: Controller<ResizeEndpoint>,
    waiting: &Waiting,
) -> (Controller<ResizeEndpoint>, Children) {
    let (controller, deployments) = owns(client, namespace, controller, waiting);
    let (controller, services) = owns(client, namespace, controller, waiting);
    let (controller, ingresses) = owns(client, namespace, controller, waiting);
    let (controller, autoscalers) = owns(client, namespace, controller, waiting);
    let (controller, budgets) = owns(client, namespace, controller, waiting);
    let (controller, policies) = owns(client, namespace, controller, waiting);
    let (controller, cron_jobs) = owns(client, namespace, controller, waiting);
    // Jobs belong to the CronJob, also those that somebody starts by hand
    let (jobs, writer) = reflector::store();
    let events = heard(watcher(api::<Job>(client, namespace), ours())).modify(slim_job).reflect(writer);
    let called = waiting.clone();
    let controller =
        controller.watches_stream(events.touched_objects(), move |job| endpoint_of(job).filter(|endpoint| called.lets(endpoint)));

    // where there is no Gateway API, a watch would do nothing but fail
    let (found, gateway_api) = watch::channel(None);
    let gateway_api_wanted = Arc::<Notify>::default();
    let all: Api<HTTPRoute> = api(client, namespace);
    let installed = {
        let (all, wanted) = (all.clone(), gateway_api_wanted.clone());
        let look = move || is_installed(all.clone());
        async move { wait_for_gateway_api(look, found, &wanted).await }
    };
    let (controller, routes) = keep(futures::stream::once(installed).flat_map(move |()| watcher(all.clone(), ours())), controller, waiting);
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
    waiting: &Waiting,
) -> (Controller<ResizeEndpoint>, Store<Packed<K>>) {
    keep(watcher(api::<K>(client, namespace), ours()), controller, waiting)
}

/// Keeps what `watched` tells, and calls `controller` for the owner.
fn keep<K: Child>(
    watched: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    controller: Controller<ResizeEndpoint>,
    waiting: &Waiting,
) -> (Controller<ResizeEndpoint>, Store<Packed<K>>) {
    let (store, mut writer) = reflector::store();
    let events = heard(watched).modify(K::slim).inspect_ok(move |event| writer.apply_watcher_event(&packed(event)));
    let waiting = waiting.clone();
    let owners = move |object: K| {
        let owner = |reference| ObjectRef::from_owner_ref(object.meta().namespace.as_deref(), reference, ());
        let owners = object.owner_references().iter().filter_map(owner);
        owners.filter(|owner| waiting.lets(owner)).collect::<Vec<_>>()
    };
    (controller.watches_stream(events.touched_objects(), owners), store)
}

/// Of a Job only its end is read.
fn slim_job(job: &mut Job) {
    job.metadata.managed_fields = None;
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
