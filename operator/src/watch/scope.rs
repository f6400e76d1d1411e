//! Which namespaces are watched, and with which backoff.

use futures::{Stream, StreamExt, TryStreamExt, future};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{WatchStreamExt, reflector::ObjectRef, watcher},
};
use resize_api::ResizeEndpoint;

use crate::names::{ENDPOINT, OPERATOR};

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

/// Most objects that are asked for in one go: all of them are held until the last one is read.
const PAGE: u32 = 100;

/// All that there is.
pub fn all() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// What we made.
pub fn ours() -> watcher::Config {
    all().labels(&format!("app.kubernetes.io/managed-by={OPERATOR}"))
}

/// The endpoint that an object belongs to, by its label.
pub fn endpoint_of(object: impl ResourceExt) -> Option<ObjectRef<ResizeEndpoint>> {
    let name = object.labels().get(ENDPOINT)?.clone();
    Some(ObjectRef::new(&name).within(&object.namespace()?))
}

/// A watch that waits by itself after a failure and tells of it here: a controller that heard of one would pause all its watches.
pub fn heard<T: Send>(watch: impl Stream<Item = Result<T, watcher::Error>> + Send) -> impl Stream<Item = Result<T, watcher::Error>> + Send {
    watch.default_backoff().inspect_err(|error| tracing::warn!(%error, "watch failed")).filter(|event| future::ready(event.is_ok()))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_holds_up_no_other() {
        let failing = heard(stream::repeat_with(|| Err::<&str, _>(watcher::Error::NoResourceVersion)));
        let busy = heard(stream::repeat("heard").map(Ok).take(1000));
        let mut both = stream::select_all([failing.boxed(), busy.boxed()]);
        let start = tokio::time::Instant::now();
        for _ in 0..1000 {
            assert!(matches!(both.next().await, Some(Ok("heard"))));
        }
        assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    }
}
