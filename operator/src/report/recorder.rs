//! Events → the cluster. What comes again within minutes is counted and not made again.
//!
//! Of what was published a name and a number are kept. kube's own recorder keeps whole Events, and looks through all of them whenever it
//! publishes: for 5,000 endpoints that were 70 MB and a quarter of the work.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as Published},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::events::{Event, EventType, Reporter},
};
use serde_json::json;

use crate::kubernetes::explain;

/// How long what comes again is counted.
const AGAIN: SignedDuration = SignedDuration::from_mins(6);
/// So many are kept before the first look for old ones.
const FEW: usize = 64;

/// Publishes Events.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    reporter: Reporter,
    recent: Arc<Mutex<Recent>>,
}

impl Recorder {
    /// One who calls itself `reporter`.
    pub fn new(client: &Client, reporter: &Reporter) -> Self {
        Self { client: client.clone(), reporter: reporter.clone(), recent: Arc::default() }
    }

    /// Publishes an Event about `object`. A failure is logged.
    pub async fn publish(&self, event: &Event, object: &ObjectReference) {
        if let Err(error) = self.try_to_publish(event, object).await {
            tracing::warn!(error = explain(&error), "cannot publish an event");
        }
    }

    async fn try_to_publish(&self, event: &Event, object: &ObjectReference) -> Result<(), kube::Error> {
        let (key, now) = (key(event, object), Timestamp::now());
        // those about objects without a namespace are in this one
        let events: Api<Published> = Api::namespaced(self.client.clone(), object.namespace.as_deref().unwrap_or("default"));
        let before = self.recent().get(key, now);
        if let Some(Last { name, count, .. }) = before {
            let series = json!({ "series": { "count": count + 1, "lastObservedTime": MicroTime(now) } });
            match events.patch(&name, &PatchParams::default(), &Patch::Merge(series)).await {
                // the server keeps none for ever
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    self.recent().keep(key, Last { name, count: count + 1, at: now });
                    return Ok(());
                }
            }
        }
        let name = format!("{}.{:x}", object.name.as_ref().unwrap_or(&self.reporter.controller), now.as_nanosecond());
        events.create(&PostParams::default(), &self.event(event, object, &name, now)).await?;
        self.recent().keep(key, Last { name, count: 1, at: now });
        Ok(())
    }

    fn event(&self, event: &Event, object: &ObjectReference, name: &str, now: Timestamp) -> Published {
        let Reporter { controller, instance } = &self.reporter;
        Published {
            metadata: ObjectMeta { namespace: object.namespace.clone(), name: Some(name.to_owned()), ..ObjectMeta::default() },
            type_: Some(type_of(event).to_owned()),
            action: Some(event.action.clone()),
            reason: Some(event.reason.clone()),
            note: event.note.clone(),
            event_time: Some(MicroTime(now)),
            regarding: Some(object.clone()),
            related: event.secondary.clone(),
            reporting_controller: Some(controller.clone()),
            reporting_instance: Some(instance.as_ref().unwrap_or(controller).clone()),
            ..Published::default()
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn type_of(event: &Event) -> &'static str {
    match event.type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    }
}

/// What makes two Events the same but for their time and words.
fn key(event: &Event, object: &ObjectReference) -> u64 {
    let mut hasher = DefaultHasher::new();
    (type_of(event), &event.action, &event.reason).hash(&mut hasher);
    (&object.kind, &object.namespace, &object.name, &object.uid).hash(&mut hasher);
    hasher.finish()
}

/// How often an Event came, and when last.
#[derive(Clone)]
struct Last {
    name: String,
    count: i32,
    at: Timestamp,
}

/// What was published in the last minutes.
#[derive(Default)]
struct Recent {
    events: HashMap<u64, Last>,
    /// How many there were after the last look for old ones.
    kept: usize,
}

impl Recent {
    fn get(&self, key: u64, now: Timestamp) -> Option<Last> {
        self.events.get(&key).filter(|last| now.duration_since(last.at) < AGAIN).cloned()
    }

    fn keep(&mut self, key: u64, last: Last) {
        let now = last.at;
        self.events.insert(key, last);
        // all are looked through only when they have doubled
        if self.events.len() > FEW.max(self.kept * 2) {
            self.events.retain(|_, last| now.duration_since(last.at) < AGAIN);
            self.events.shrink_to_fit();
            self.kept = self.events.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Method, Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::Value;

    use super::*;

    type Calls = Arc<Mutex<Vec<(Method, Value)>>>;

    /// A recorder, and each call's method and body; PATCH is answered with this status.
    fn recorder(patched: StatusCode) -> (Recorder, Calls) {
        let calls = Calls::default();
        let seen = Arc::clone(&calls);
        let service = tower::service_fn(move |request: Request<Body>| {
            let seen = Arc::clone(&seen);
            async move {
                let (parts, body) = request.into_parts();
                let body: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
                seen.lock().unwrap().push((parts.method.clone(), body));
                let status = if parts.method == Method::PATCH { patched } else { StatusCode::CREATED };
                let code = status.as_u16();
                let said = json!({ "status": "Failure", "reason": "NotFound", "message": "", "code": code, "metadata": {} });
                let answer = if status.is_success() { json!({ "metadata": {}, "eventTime": null }) } else { said };
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(status).body(answer).unwrap())
            }
        });
        let reporter = Reporter { controller: "tests".into(), instance: None };
        (Recorder::new(&Client::new(service, "demo"), &reporter), calls)
    }

    async fn publish(recorder: &Recorder, names: &[&str]) {
        let event = Event { type_: EventType::Normal, reason: "Serving".into(), note: None, action: "Ready".into(), secondary: None };
        for name in names {
            let object = ObjectReference { name: Some((*name).into()), namespace: Some("demo".into()), ..ObjectReference::default() };
            recorder.publish(&event, &object).await;
        }
    }

    #[tokio::test]
    async fn what_comes_again_is_counted_and_not_made_again() {
        let (recorder, calls) = recorder(StatusCode::OK);
        publish(&recorder, &["cats", "dogs", "cats", "cats"]).await;
        let calls = calls.lock().unwrap();
        let methods: Vec<_> = calls.iter().map(|(method, _)| method.clone()).collect();
        assert_eq!(methods, [Method::POST, Method::POST, Method::PATCH, Method::PATCH]);
        assert_eq!(calls[0].1["regarding"]["name"], "cats");
        assert_eq!((calls[3].1["series"]["count"].as_i64(), calls[3].1["note"].as_str()), (Some(3), None), "only the count may change");
    }

    #[tokio::test]
    async fn one_that_the_server_has_dropped_is_made_again() {
        let (recorder, calls) = recorder(StatusCode::NOT_FOUND);
        publish(&recorder, &["cats", "cats"]).await;
        let methods: Vec<_> = calls.lock().unwrap().iter().map(|(method, _)| method.clone()).collect();
        assert_eq!(methods, [Method::POST, Method::PATCH, Method::POST]);
    }

    #[test]
    fn what_is_old_is_no_more_and_is_not_kept() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut recent = Recent::default();
        for number in 0..1000 {
            recent.keep(number, Last { name: String::new(), count: 1, at: at(0) });
        }
        assert!(recent.get(7, at(300)).is_some() && recent.get(7, at(400)).is_none());
        for number in 1000..2100 {
            recent.keep(number, Last { name: String::new(), count: 1, at: at(400) });
        }
        assert!(recent.events.len() <= 1100, "{}", recent.events.len());
    }
}
