//! The CustomResourceDefinition in the cluster → whether it is that of this version. It touches the network.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, CustomResourceExt as _, Resource as _};
use resize_api::{ResizeEndpoint, endpoint};
use serde_json::Value;

use super::finding::{Finding, some};
use crate::kubernetes::explain;

const SUBJECT: &str = "definition";
const INSTALL: &str = "apply crds/resizeendpoints.yaml of this version, or install its chart with crds.install=true";

/// Looks at it.
pub async fn look(client: &Client) -> Finding {
    let name = ResizeEndpoint::crd_name();
    match Api::<CustomResourceDefinition>::all(client.clone()).get_opt(name).await {
        Ok(Some(live)) => judge(&live),
        Ok(None) => Finding::wrong(SUBJECT, format!("{name} is not installed"), INSTALL),
        Err(error) => Finding::unknown(SUBJECT, format!("{name} cannot be read: {}", explain(&error))),
    }
}

fn judge(live: &CustomResourceDefinition) -> Finding {
    let name = ResizeEndpoint::crd_name();
    let conditions = live.status.as_ref().and_then(|status| status.conditions.as_ref());
    if !conditions.into_iter().flatten().any(|condition| condition.type_ == "Established" && condition.status == "True") {
        let advice = "`kubectl describe crd` says why, mostly that another definition has its names";
        return Finding::wrong(SUBJECT, format!("{name} is not established"), advice);
    }
    let (ours, theirs) = (schema(&endpoint::definition()), schema(&serde_json::to_value(live).unwrap_or_default()));
    let (our_fields, their_fields) = (fields(&ours), fields(&theirs));
    let missing: Vec<_> = our_fields.difference(&their_fields).collect();
    let further: Vec<_> = their_fields.difference(&our_fields).collect();
    if !missing.is_empty() {
        Finding::wrong(SUBJECT, format!("{name} is of an earlier version: it has no {}", some(&outermost(&missing))), INSTALL)
    } else if !further.is_empty() {
        let advice = "use the program of the version that is installed, or finish the upgrade";
        Finding::wrong(SUBJECT, format!("{name} is of a later version than this program: it has {}", some(&outermost(&further))), advice)
    } else if ours != theirs {
        Finding::wrong(SUBJECT, format!("{name} has the fields of this version with other rules or texts"), INSTALL)
    } else {
        Finding::ok(SUBJECT, format!("{name} is that of version {}", env!("CARGO_PKG_VERSION")))
    }
}

/// The schema of the version that this program speaks.
fn schema(definition: &Value) -> Value {
    let spoken = ResizeEndpoint::version(&());
    let mut versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let version = versions.find(|version| version["name"] == *spoken && version["served"] == true);
    version.map(|version| version["schema"]["openAPIV3Schema"].clone()).unwrap_or_default()
}

/// The paths of all fields.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect(schema, "", &mut paths);
    paths
}

fn collect(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(schema, &path, into);
        into.insert(path);
    }
    for inner in [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|inner| inner.is_object()) {
        collect(inner, path, into);
    }
}

/// Those that are in none of the others: a field within one that is named says nothing more.
fn outermost(paths: &[&String]) -> Vec<String> {
    let within = |path: &str| paths.iter().any(|other| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('.')));
    paths.iter().filter(|path| !within(path)).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn installed(edit: fn(&mut Value)) -> Finding {
        let mut definition = endpoint::definition();
        definition["status"] = json!({ "conditions": [{ "type": "Established", "status": "True" }] });
        edit(&mut definition);
        judge(&serde_json::from_value(definition).unwrap())
    }

    #[test]
    fn another_version_is_told_by_its_fields() {
        const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        assert_eq!(
            installed(|_| {}),
            Finding::ok(SUBJECT, format!("{} is that of version {}", ResizeEndpoint::crd_name(), env!("CARGO_PKG_VERSION")))
        );
        let earlier = installed(|crd| drop(crd.pointer_mut(SPEC).unwrap().as_object_mut().unwrap().remove("gateway")));
        assert!(earlier.message.ends_with("is of an earlier version: it has no spec.gateway"), "{earlier:?}");
        let later = installed(|crd| crd.pointer_mut(SPEC).unwrap()["colour"] = json!({ "type": "string" }));
        assert!(later.message.ends_with("it has spec.colour"), "{later:?}");
        let rules = installed(|crd| crd.pointer_mut(SPEC).unwrap()["publicUrl"]["maxLength"] = json!(7));
        assert!(rules.message.ends_with("other rules or texts"), "{rules:?}");
        let unserved = installed(|crd| crd["spec"]["versions"][0]["served"] = json!(false));
        assert!(unserved.message.contains("it has no spec, status"), "{unserved:?}");
        assert!(installed(|crd| crd["status"] = json!({})).message.ends_with("is not established"));
    }
}
