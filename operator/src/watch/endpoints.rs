//! The watch of ResizeEndpoints → those that can be read, in a store and in the claims; the others are told of.

use std::{collections::HashSet, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, future, stream};
use kube::{
    Api, Resource, ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt,
        events::{Event, EventType},
        reflector::{self, ObjectRef, Store},
        watcher::{self, watcher},
    },
};
use resize_api::{ResizeEndpoint, condition::Reason};
use tokio::sync::{Notify, broadcast::error::RecvError};

use crate::{admin::metrics::Metrics, report::recorders::Recorders, tenancy::claims::Claims, watch::scope::heard};

/// What happens to objects that may not be readable.
type Seen = watcher::Event<DeserializeGuard<ResizeEndpoint>>;

/// The endpoints behind `api`: a store, and a stream of those that changed. Claims know of each before the store does.
/// When the watch fails, `failed` is notified.
pub fn endpoints(
    api: Api<DeserializeGuard<ResizeEndpoint>>,
    claims: Arc<Claims>,
    recorders: Recorders,
    metrics: Metrics,
    failed: Arc<Notify>,
) -> (Store<ResizeEndpoint>, impl Stream<Item = Result<ResizeEndpoint, watcher::Error>>) {
    let (store, writer) = reflector::store();
    let mut known = Known { claims, all: HashSet::new(), listed: HashSet::new() };
    let readable = heard(watcher(api, watcher::Config::default()).inspect_err(move |_| failed.notify_one())).try_filter_map(move |event| {
        let event = read(event).map_err(|invalid| tell(invalid, &recorders, &metrics)).ok();
        future::ok(event)
    });
    let noted = readable.inspect_ok(move |event| known.note(event));
    (store, reflector::reflector(writer, noted).applied_objects())
}

/// The endpoints whose bucket changed hands.
pub fn changed_hands(claims: &Claims) -> impl Stream<Item = ObjectRef<ResizeEndpoint>> + use<> {
    stream::unfold(claims.changed_hands(), async |mut receiver| {
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

fn read(event: Seen) -> Result<watcher::Event<ResizeEndpoint>, Box<InvalidObject>> {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    Ok(match event {
        Apply(object) => Apply(object.0?),
        Delete(object) => Delete(object.0?),
        InitApply(object) => InitApply(object.0?),
        Init => Init,
        InitDone => InitDone,
    })
}

/// The others go on; this one gets a log line and an Event. It is left as it is: what cannot be read cannot be kept.
fn tell(invalid: Box<InvalidObject>, recorders: &Recorders, metrics: &Metrics) {
    let InvalidObject { error, metadata } = *invalid;
    tracing::error!(namespace = metadata.namespace, name = metadata.name, error, "an endpoint cannot be read");
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
    let object = DeserializeGuard::<ResizeEndpoint>(Err(InvalidObject { error, metadata })).object_ref(&());
    let recorders = recorders.clone();
    tokio::spawn(async move { recorders.publish(&event, &object).await });
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
    fn one_that_cannot_be_read_is_told_from_the_others() {
        let guard = |object| serde_json::from_value::<DeserializeGuard<ResizeEndpoint>>(object).unwrap();
        let good = serde_json::to_value(resource()).unwrap();
        assert!(matches!(read(watcher::Event::InitApply(guard(good.clone()))), Ok(watcher::Event::InitApply(_))));
        let mut bad = good;
        bad["spec"]["workload"] = json!({ "replicas": "two" });
        let invalid = read(watcher::Event::Apply(guard(bad))).unwrap_err();
        assert_eq!(invalid.metadata.name.as_deref(), Some("photos"));
        assert!(invalid.error.contains("two"), "{}", invalid.error);
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
