//! An object as we want it, and as it is → whether the one is in the other. Pure.

use serde_json::{Map, Value};

use crate::endpoint::quantity;

/// Whether `live` has everything that `desired` says; what else it has is not ours.
pub fn is_in_line(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => has_all(desired, live),
        // in the order in which we write them; the server adds fields to items, never items
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len() && desired.iter().zip(live).all(|(desired, live)| is_in_line(desired, live))
        }
        (desired, live) => desired == live,
    }
}

fn has_all(desired: &Map<String, Value>, live: &Map<String, Value>) -> bool {
    desired.iter().all(|(name, wanted)| match live.get(name) {
        Some(found) if matches!(name.as_str(), "limits" | "requests") => same_quantities(wanted, found),
        Some(found) => is_in_line(wanted, found),
        // the server leaves out what is empty
        None => is_empty(wanted),
    })
}

/// `1000m` comes back as `1`.
fn same_quantities(desired: &Value, live: &Value) -> bool {
    let (Some(desired), Some(live)) = (desired.as_object(), live.as_object()) else { return false };
    let value = |value: &Value| value.as_str().and_then(quantity::parse);
    desired.iter().all(|(name, wanted)| live.get(name).is_some_and(|found| wanted == found || value(wanted) == value(found)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_adds_is_no_drift() {
        let desired =
            json!({ "spec": { "ports": [{ "port": 80 }], "env": [{ "name": "LIST", "value": "" }], "limits": { "cpu": "1000m" } } });
        let live = json!({
            "metadata": { "uid": "1" },
            "spec": { "ports": [{ "port": 80, "protocol": "TCP" }], "env": [{ "name": "LIST" }], "limits": { "cpu": "1" }, "clusterIP": "10.0.0.1" },
        });
        assert!(is_in_line(&desired, &live));
    }

    #[test]
    fn what_differs_is_drift() {
        let desired = json!({ "replicas": 2, "ports": [{ "port": 80 }], "limits": { "memory": "1Gi" }, "labels": { "a": "b" } });
        for patch in [
            json!({ "replicas": 3 }),
            json!({ "ports": [{ "port": 81 }] }),
            json!({ "ports": [{ "port": 80 }, { "port": 81 }] }),
            json!({ "limits": { "memory": "2Gi" } }),
            json!({ "limits": {} }),
            json!({ "labels": { "c": "d" } }),
            json!({ "labels": null }),
        ] {
            let mut live = desired.clone();
            live.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
            assert!(!is_in_line(&desired, &live), "{patch}");
        }
    }
}
