//! The watch of ResizeEndpoints → a store and the claims; objects that cannot be decoded are reported.

use std::{collections::HashSet, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        events::{Event, EventType},
        reflector::{self, ObjectRef, Store},
        watcher::{self, watcher},
    },
};
use resize_api::{ResizeEndpoint, condition::Reason};
use tokio::sync::{
    Notify,
    broadcast::{Receiver, error::RecvError},
};

use crate::{
    admin::metrics::Metrics,
    heard::{Heard, unreadable},
    report::recorder::Recorder,
    tenancy::claims::Claims,
    watch::scope::{all, heard},
};

/// The whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The endpoints behind `api`: a store, and a stream of those that changed. Claims know of each before the store does.
/// When the watch fails, `failed` is notified.
pub fn endpoints(
    api: Api<Heard>,
    claims: Arc<Claims>,
    recorder: Recorder,
    metrics: Metrics,
    failed: Arc<Notify>,
) -> (Store<ResizeEndpoint>, impl Stream<Item = Result<ResizeEndpoint, watcher::Error>>) {
    let (store, writer) = reflector::store();
    let mut known = Known { claims, all: HashSet::new(), listed: HashSet::new() };
    let events = heard(watcher(api, all()).inspect_err(move |_| failed.notify_one()));
    let noted = events.map_ok(read).inspect_ok(move |event| {
        tell(event, &recorder, &metrics);
        known.note(event);
    });
    (store, reflector::reflector(writer, noted).applied_objects())
}

/// The endpoints that somebody in here calls: their bucket changed hands, for example.
pub fn called(receiver: Receiver<ObjectRef<ResizeEndpoint>>) -> impl Stream<Item = ObjectRef<ResizeEndpoint>> {
    stream::unfold(receiver, async |mut receiver| {
        loop {
            match receiver.recv().await {
                Ok(object) => return Some((object, receiver)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
    .boxed()
}

/// What happens to an endpoint of which only a part could be read happens to that part. What nobody reads is dropped: who wrote which field,
/// which is most of an object, and what `kubectl apply` keeps for itself.
fn read(event: watcher::Event<Heard>) -> watcher::Event<ResizeEndpoint> {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    let slim = |Heard(mut object)| {
        object.metadata.managed_fields = None;
        object.annotations_mut().remove(LAST_APPLIED);
        object
    };
    match event {
        Apply(object) => Apply(slim(object)),
        Delete(object) => Delete(slim(object)),
        InitApply(object) => InitApply(slim(object)),
        Init => Init,
        InitDone => InitDone,
    }
}

/// The others go on; one that cannot be read gets a log line and an Event.
fn tell(event: &watcher::Event<ResizeEndpoint>, recorder: &Recorder, metrics: &Metrics) {
    let (watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { return };
    let Some(error) = unreadable(object) else { return };
    tracing::error!(namespace = object.namespace(), name = object.name_any(), error, "an endpoint cannot be read");
    metrics.reconciled(Reason::Undecodable);
    let event = Event {
        type_: EventType::Warning,
        reason: Reason::Undecodable.to_string(),
        note: Some(
            format!("the object cannot be read ({error}): apply it again as this version of the API wants it").chars().take(1000).collect(),
        ),
        action: "Read".to_owned(),
        secondary: None,
    };
    let (object, recorder) = (object.object_ref(&()), recorder.clone());
    tokio::spawn(async move { recorder.publish(&event, &object).await });
}

/// The endpoints of one watch, as the claims have them.
struct Known {
    claims: Arc<Claims>,
    all: HashSet<String>,
    listed: HashSet<String>,
}

impl Known {
    fn note(&mut self, event: &watcher::Event<ResizeEndpoint>) {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        match event {
            Init => self.listed.clear(),
            InitApply(object) => {
                self.listed.extend(object.uid());
                self.claims.put(object);
            }
            InitDone => {
                self.all.difference(&self.listed).for_each(|gone| self.claims.remove(gone));
                self.all = std::mem::take(&mut self.listed);
            }
            Apply(object) => {
                self.all.extend(object.uid());
                self.claims.put(object);
            }
            Delete(object) => {
                let uid = object.uid().unwrap_or_default();
                self.all.remove(&uid);
                self.claims.remove(&uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config,
        testing::fixtures::{self, resource},
    };

    #[test]
    fn one_that_cannot_be_read_still_claims_its_bucket() {
        let claims = Arc::new(Claims::new(config::S3Defaults::default(), fixtures::claims()));
        let mut known = Known { claims: claims.clone(), all: HashSet::new(), listed: HashSet::new() };
        let mut bad = serde_json::to_value(resource()).unwrap();
        bad["spec"]["workload"] = json!({ "replicas": "two" });
        known.note(&read(watcher::Event::Apply(serde_json::from_value(bad).unwrap())));
        let mut mine = resource();
        (mine.metadata.name, mine.metadata.uid) = (Some("z".into()), Some("z".into()));
        assert!(claims.is_taken(&mine));
    }

    #[test]
    fn what_a_new_list_lacks_is_gone() {
        let claims = Arc::new(Claims::new(config::S3Defaults::default(), fixtures::claims()));
        let mut known = Known { claims: claims.clone(), all: HashSet::new(), listed: HashSet::new() };
        let (mut mine, other) = (resource(), resource());
        (mine.metadata.name, mine.metadata.uid) = (Some("z".into()), Some("z".into()));
        known.note(&watcher::Event::Apply(other.clone()));
        assert!(claims.is_taken(&mine));
        known.note(&watcher::Event::Init);
        known.note(&watcher::Event::InitDone);
        assert!(!claims.is_taken(&mine));
        known.note(&watcher::Event::Apply(other.clone()));
        known.note(&watcher::Event::Delete(other));
        assert!(!claims.is_taken(&mine));
    }
}
