//! The pods of an endpoint, as listed: once in a reconcile, and no more of them than can be looked at.
//!
//! `observe` and `originals` above look at them.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};

use crate::{endpoint::Endpoint, names::selector};

/// Most pods that are looked at, so that pods which somebody else gives the endpoint's label do not make its reconcile longer.
const MOST: u32 = 500;

/// Pods of an endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// At most [`MOST`] of them.
    pub pods: Vec<Pod>,
    /// Whether there are more.
    is_cut: bool,
}

impl Listed {
    /// The pods of `endpoint`.
    pub async fn of(client: &Client, endpoint: &Endpoint) -> Result<Self, kube::Error> {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &endpoint.namespace);
        let page = pods.list(&ListParams::default().labels(&selector(&endpoint.name)).limit(MOST)).await?;
        Ok(Self { is_cut: page.metadata.continue_.is_some_and(|token| !token.is_empty()), pods: page.items })
    }

    /// What is to be said of them beside what they do.
    pub fn note(&self) -> Option<String> {
        self.is_cut.then(|| format!("more than {MOST} pods have the label of this endpoint: only {MOST} were looked at"))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::testing::fixtures::{config, resource};

    #[tokio::test]
    async fn one_page_is_asked_for_and_it_is_said_that_there_are_more() {
        let endpoint = Endpoint::new(&resource(), &config()).unwrap();
        for (token, is_cut) in [(json!(null), false), (json!(""), false), (json!("next"), true)] {
            let asked: Arc<Mutex<Vec<String>>> = Arc::default();
            let log = asked.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                log.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
                let page = json!({ "metadata": { "continue": token }, "items": [{ "metadata": { "name": "p" } }] });
                async move { Ok::<_, Infallible>(Response::new(Body::from(serde_json::to_vec(&page).unwrap()))) }
            });
            let listed = Listed::of(&Client::new(service, "demo"), &endpoint).await.unwrap();
            let asked = asked.lock().unwrap();
            assert!(asked.len() == 1 && asked[0].contains("limit=500"), "{asked:?}");
            assert_eq!((listed.pods.len(), listed.note().is_some()), (1, is_cut));
        }
    }
}
