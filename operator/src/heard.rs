//! An object of the API → the endpoint that it is, or as much as can be read of one that was stored by another version of the API:
//! what claims and deletion need.
//!
//! `watch` and `report` above use it; nothing is below.

use std::borrow::Cow;

use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, ResourceExt};
use resize_api::{
    ResizeEndpoint,
    endpoint::{Bucket, DeletionPolicy},
    routing::RoutingManagement,
    status::ResizeEndpointStatus,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value, json};

/// Annotation, in memory alone, of an endpoint of which only a part could be read: why.
const UNREADABLE: &str = "resize-operator.dev/unreadable";

/// An endpoint, read as far as it can be.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Heard(pub ResizeEndpoint);

/// Why only a part of `resource` could be read, if so.
pub fn unreadable(resource: &ResizeEndpoint) -> Option<&str> {
    resource.annotations().get(UNREADABLE).map(String::as_str)
}

impl<'de> Deserialize<'de> for Heard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Value::deserialize(deserializer)?;
        match ResizeEndpoint::deserialize(&object) {
            Ok(endpoint) => Ok(Self(endpoint)),
            Err(error) => salvage(&object, &error.to_string()).map(Self).map_err(D::Error::custom),
        }
    }
}

impl Resource for Heard {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        ResizeEndpoint::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ResizeEndpoint::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ResizeEndpoint::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ResizeEndpoint::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

/// Metadata, the bucket, what happens to it on deletion, and the record in the status.
fn salvage(object: &Value, error: &str) -> Result<ResizeEndpoint, serde_json::Error> {
    let spec = &object["spec"];
    let bucket = readable::<Bucket>(&spec["bucket"], json!({ "name": spec["bucket"]["name"] }));
    let status = readable::<ResizeEndpointStatus>(&object["status"], json!({}));
    // an unreadable deletionPolicy may be a newer way to say Retain
    let policy = word::<DeletionPolicy>(&spec["deletionPolicy"], "Delete", "Retain");
    let management = word::<RoutingManagement>(&spec["routing"]["management"], "Merge", "Merge");
    let mut endpoint: ResizeEndpoint = serde_json::from_value(json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": object["metadata"],
        "spec": { "bucket": bucket, "publicUrl": "", "deletionPolicy": policy, "routing": { "management": management } },
        "status": status,
    }))?;
    endpoint.annotations_mut().insert(UNREADABLE.to_owned(), error.to_owned());
    Ok(endpoint)
}

/// `start` and those fields of `object` with which it still is a `T`.
fn readable<T: for<'de> Deserialize<'de>>(object: &Value, start: Value) -> Value {
    let fields: Map<String, Value> = object.as_object().cloned().unwrap_or_default();
    fields.into_iter().fold(start, |found, (name, value)| {
        let mut more = found.clone();
        more[name] = value;
        if T::deserialize(&more).is_ok() { more } else { found }
    })
}

/// The word of an enum, or what it is if it is absent or cannot be read.
fn word<T: for<'de> Deserialize<'de>>(value: &Value, absent: &str, other: &str) -> Value {
    match value {
        Value::Null => json!(absent),
        value if T::deserialize(value).is_ok() => value.clone(),
        _ => json!(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::resource;

    fn read(edit: impl FnOnce(&mut Value)) -> ResizeEndpoint {
        let mut object = serde_json::to_value(resource()).unwrap();
        edit(&mut object);
        serde_json::from_value::<Heard>(object).unwrap().0
    }

    #[test]
    fn what_can_be_read_is_read_whole() {
        let whole = read(|_| ());
        assert_eq!((unreadable(&whole), whole.spec.public_url.as_str()), (None, resource().spec.public_url.as_str()));
    }

    #[test]
    fn of_what_cannot_be_read_bucket_and_record_are_kept() {
        let part = read(|object| {
            object["spec"]["workload"] = json!({ "replicas": "two" });
            object["spec"]["bucket"]["endpoint"] = json!("http://minio.example.com");
            object["spec"]["bucket"]["expectedOwner"] = json!(7);
            object["status"] = json!({ "websiteCreated": true, "replicas": "two" });
        });
        assert!(unreadable(&part).is_some_and(|error| error.contains("integer")), "{part:?}");
        assert_eq!(part.metadata.uid, resource().metadata.uid);
        assert_eq!((part.spec.bucket.name.as_str(), part.spec.bucket.endpoint.as_deref()), ("photos", Some("http://minio.example.com")));
        assert!(part.status.unwrap().website_created);
        assert_eq!(part.spec.deletion_policy, DeletionPolicy::Delete);
    }

    #[test]
    fn a_policy_that_cannot_be_read_touches_no_bucket() {
        let part = read(|object| object["spec"]["deletionPolicy"] = json!("Archive"));
        assert_eq!(part.spec.deletion_policy, DeletionPolicy::Retain);
        assert!(serde_json::from_value::<Heard>(json!({ "metadata": {} })).is_err(), "no bucket at all");
    }
}
