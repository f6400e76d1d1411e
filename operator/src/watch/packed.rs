//! An object as it is kept between two looks: what is read of it, as JSON in one piece. As the type that it has, it takes several times as much.
//!
//! `children` above keeps them; nothing is below.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

use kube::{
    Resource, ResourceExt,
    runtime::{reflector::Lookup, watcher::Event},
};
use serde::{Serialize, de::DeserializeOwned};

/// An object, small.
pub struct Packed<K> {
    name: String,
    namespace: Option<String>,
    json: Arc<[u8]>,
    of: PhantomData<fn() -> K>,
}

impl<K: Resource + Serialize + DeserializeOwned> Packed<K> {
    /// `object` as it is.
    fn new(object: &K) -> Self {
        // an object of the API always has a text
        let json = serde_json::to_vec(object).unwrap_or_default().into();
        Self { name: object.name_any(), namespace: ResourceExt::namespace(object), json, of: PhantomData }
    }

    /// What was packed.
    pub fn unpack(&self) -> Option<K> {
        serde_json::from_slice(&self.json).ok()
    }
}

impl<K> Clone for Packed<K> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), namespace: self.namespace.clone(), json: Arc::clone(&self.json), of: PhantomData }
    }
}

impl<K> fmt::Debug for Packed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.json))
    }
}

impl<K: Resource<DynamicType = ()>> Lookup for Packed<K> {
    type DynamicType = ();

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.namespace.as_deref().map(Cow::Borrowed)
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// The same event of a packed object.
pub fn packed<K: Resource + Serialize + DeserializeOwned>(event: &Event<K>) -> Event<Packed<K>> {
    match event {
        Event::Apply(object) => Event::Apply(Packed::new(object)),
        Event::Delete(object) => Event::Delete(Packed::new(object)),
        Event::InitApply(object) => Event::InitApply(Packed::new(object)),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::runtime::reflector;

    use super::*;
    use crate::{
        endpoint::Endpoint,
        testing::fixtures::{config, resource},
        workload::desired::Objects,
    };

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let endpoint = Endpoint::new(&resource(), &config()).unwrap();
        let deployment = Objects::new(&endpoint, None).deployment;
        let (store, mut writer) = reflector::store::<Packed<Deployment>>();
        writer.apply_watcher_event(&packed(&Event::Apply(deployment.clone())));
        let key = reflector::ObjectRef::new("photos-resizer").within("demo");
        assert_eq!(store.get(&key).unwrap().unpack(), Some(deployment.clone()));
        writer.apply_watcher_event(&packed(&Event::Delete(deployment)));
        assert!(store.get(&key).is_none());
    }
}
