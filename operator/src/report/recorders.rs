//! Events → the cluster.
//!
//! A recorder looks through all that it published in the last minutes whenever it publishes, to count what comes again. With one for
//! 5,000 endpoints that was a quarter of the operator's work; with many, each has its share of them.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, Recorder, Reporter},
};

use crate::kubernetes::explain;

const RECORDERS: u64 = 64;

/// As many recorders as keep each other's Events out of the way.
#[derive(Clone)]
pub struct Recorders(Arc<[Recorder]>);

impl Recorders {
    /// All of them, who call themselves `reporter`.
    pub fn new(client: &Client, reporter: &Reporter) -> Self {
        Self((0..RECORDERS).map(|_| Recorder::new(client.clone(), reporter.clone())).collect())
    }

    /// Publishes an Event about `object`, by the recorder of all that is about it. A failure is logged.
    pub async fn publish(&self, event: &Event, object: &ObjectReference) {
        let mut hasher = DefaultHasher::new();
        (&object.namespace, &object.name).hash(&mut hasher);
        let recorder = usize::try_from(hasher.finish() % RECORDERS).ok().and_then(|at| self.0.get(at));
        if let Some(recorder) = recorder
            && let Err(error) = recorder.publish(event, object).await
        {
            tracing::warn!(error = explain(&error), "cannot publish an event");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex};

    use http::{Method, Request, Response};
    use kube::{client::Body, runtime::events::EventType};

    use super::*;

    #[tokio::test]
    async fn what_comes_again_is_counted_and_not_made_again() {
        let calls: Arc<Mutex<Vec<Method>>> = Arc::default();
        let seen = Arc::clone(&calls);
        let service = tower::service_fn(move |request: Request<Body>| {
            let seen = Arc::clone(&seen);
            async move {
                let (parts, body) = request.into_parts();
                seen.lock().unwrap().push(parts.method);
                Ok::<_, Infallible>(Response::new(Body::from(body.collect_bytes().await.unwrap())))
            }
        });
        let reporter = Reporter { controller: "tests".into(), instance: None };
        let recorders = Recorders::new(&Client::new(service, "demo"), &reporter);
        let event = Event { type_: EventType::Normal, reason: "Serving".into(), note: None, action: "Ready".into(), secondary: None };
        for name in ["cats", "dogs", "cats"] {
            let object = ObjectReference { name: Some(name.into()), namespace: Some("demo".into()), ..ObjectReference::default() };
            recorders.publish(&event, &object).await;
        }
        assert_eq!(*calls.lock().unwrap(), [Method::POST, Method::POST, Method::PATCH]);
    }
}
