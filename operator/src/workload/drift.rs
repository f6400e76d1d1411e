//! An object as desired, and as it is → the differences, and what others added to fields that are ours alone. Pure.
//!
//! All else is not compared: defaults of the API server, annotations and containers of others.

use serde_json::{Map, Value, json};

use crate::{endpoint::quantity, fingerprint::fingerprint, names::PREFIX};

/// Annotation of an object that something changes again after every write of ours: the fingerprint of the difference.
/// As long as the difference is the same, nothing is written.
pub const LEFT: &str = "resize-operator.dev/left";

/// Fields whose object is ours with all its keys.
const WHOLE: [&str; 5] = ["selector", "matchLabels", "nodeSelector", "limits", "requests"];
/// Fields in which nothing of others is left beside ours: each changes the settings of the resizer, or where it runs.
const OURS_ALONE: [&str; 8] = ["command", "args", "envFrom", "value", "valueFrom", "nodeSelector", "limits", "requests"];
/// Lists that are ours with all their items.
const WHOLE_LISTS: [&str; 2] = ["env", "ports"];

/// How an object differs from what we want, as JSON pointers into it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// What is missing or has another value.
    wrong: Vec<String>,
    /// What is there beside what we want, in the order of the object.
    added: Vec<String>,
}

impl Drift {
    /// The difference between `desired` and `live`.
    pub fn between(desired: &Value, live: &Value) -> Self {
        let mut drift = Self::default();
        drift.compare("", desired, live, "");
        drift
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.wrong.is_empty() && self.added.is_empty()
    }

    /// The JSON Patch that takes out of `live` what was added, if anything was.
    pub fn removal(&self, live: &Value) -> Option<Value> {
        let test = |path: &String| json!({ "op": "test", "path": path, "value": live.pointer(path) });
        let remove = |path: &String| json!({ "op": "remove", "path": path });
        // from the end, so that the indexes of earlier entries stay valid
        let steps: Vec<_> = self.added.iter().map(test).chain(self.added.iter().rev().map(remove)).collect();
        (!steps.is_empty()).then_some(Value::Array(steps))
    }

    /// The difference in `live` as one word.
    pub fn fingerprint(&self, live: &Value) -> String {
        let values: Vec<_> = self.paths().map(|path| json!([path, live.pointer(path)])).collect();
        fingerprint(&[Value::Array(values).to_string().as_bytes()])
    }

    /// Where the object differs.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.wrong.iter().chain(&self.added)
    }

    fn compare(&mut self, field: &str, desired: &Value, live: &Value, at: &str) {
        match (desired, live) {
            (Value::Object(desired), Value::Object(live)) => self.compare_objects(field, desired, live, at),
            (Value::Array(desired), Value::Array(live)) => self.compare_lists(field, desired, live, at),
            (desired, live) if desired == live => {}
            _ => self.wrong.push(at.to_owned()),
        }
    }

    fn compare_objects(&mut self, field: &str, desired: &Map<String, Value>, live: &Map<String, Value>, at: &str) {
        let is_quantities = matches!(field, "limits" | "requests");
        for (name, wanted) in desired {
            let at = below(at, name);
            match live.get(name) {
                Some(found) if is_quantities && is_same_quantity(wanted, found) => {}
                Some(found) => self.compare(name, wanted, found, &at),
                // the server leaves out what is empty
                None if is_empty(wanted) => {}
                None => self.wrong.push(at),
            }
        }
        let is_ours = |name: &str| WHOLE.contains(&field) || OURS_ALONE.contains(&name) || name.starts_with(PREFIX) && name != LEFT;
        let added = live.iter().filter(|(name, found)| !desired.contains_key(*name) && is_ours(name) && !is_empty(found));
        self.added.extend(added.map(|(name, _)| below(at, name)));
    }

    /// Lists of things that have a name are compared by it; others item by item.
    fn compare_lists(&mut self, field: &str, desired: &[Value], live: &[Value], at: &str) {
        let names = |items: &[Value]| items.iter().map(|item| name_of(field, item)).collect::<Option<Vec<_>>>();
        let (Some(wanted), Some(found)) = (names(desired), names(live)) else {
            if desired.len() == live.len() {
                desired.iter().zip(live).enumerate().for_each(|(index, (desired, live))| {
                    self.compare("", desired, live, &below(at, &index.to_string()));
                });
            } else {
                self.wrong.push(at.to_owned());
            }
            return;
        };
        for (desired, name) in desired.iter().zip(&wanted) {
            match found.iter().position(|found| found == name) {
                Some(index) => self.compare("", desired, &live[index], &below(at, &index.to_string())),
                None => self.wrong.push(below(at, name)),
            }
        }
        if WHOLE_LISTS.contains(&field) {
            let added = found.iter().enumerate().filter(|(_, found)| !wanted.contains(found));
            self.added.extend(added.map(|(index, _)| below(at, &index.to_string())));
        }
    }
}

/// What tells an item of the list `field` from the others, as the API server has it.
fn name_of(field: &str, item: &Value) -> Option<String> {
    match field {
        "env" | "containers" | "imagePullSecrets" | "volumes" => item["name"].as_str().map(ToOwned::to_owned),
        "volumeMounts" => item["mountPath"].as_str().map(ToOwned::to_owned),
        "ownerReferences" => item["uid"].as_str().map(ToOwned::to_owned),
        "ports" => {
            let port = item.get("containerPort").or_else(|| item.get("port"))?;
            Some(format!("{port}-{}", item["protocol"].as_str().unwrap_or("TCP")))
        }
        _ => None,
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// `1000m` comes back as `1`.
fn is_same_quantity(desired: &Value, live: &Value) -> bool {
    let value = |value: &Value| value.as_str().and_then(quantity::parse);
    value(desired).is_some() && value(desired) == value(live)
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
    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": { "labels": { "a": "b" }, "annotations": { "resize-operator.dev/applied": "1" } },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "a": "b" } }, "template": { "spec": { "containers": [{
                "name": "resizer", "env": [{ "name": "A", "value": "" }, { "name": "B", "value": "b" }],
                "ports": [{ "containerPort": 8080, "protocol": "TCP" }], "resources": { "limits": { "cpu": "1000m" } },
            }] } } },
        })
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut live = deployment();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        match live.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.insert(name.parse().unwrap(), value),
            parent => parent[name] = value,
        }
        live
    }

    #[test]
    fn what_the_server_and_others_add_is_no_drift() {
        let live = json!({
            "metadata": {
                "uid": "1", "labels": { "a": "b", "theirs": "c" },
                "annotations": { "resize-operator.dev/applied": "1", "resize-operator.dev/left": "2", "deployment.kubernetes.io/revision": "3" },
            },
            "spec": {
                "replicas": 2, "selector": { "matchLabels": { "a": "b" } }, "revisionHistoryLimit": 10,
                "template": { "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": "now" } }, "spec": { "containers": [
                    { "name": "injected", "image": "proxy" },
                    {
                        "name": "resizer", "env": [{ "name": "B", "value": "b" }, { "name": "A" }], "imagePullPolicy": "Always",
                        "ports": [{ "containerPort": 8080, "protocol": "TCP" }], "resources": { "limits": { "cpu": "1" } },
                    },
                ] } },
            },
        });
        let drift = Drift::between(&deployment(), &live);
        assert!(drift.is_none(), "{drift:?}");
    }

    #[test]
    fn what_differs_is_wrong() {
        let container = "/spec/template/spec/containers/0";
        for (path, value, at) in [
            ("/spec/replicas", json!(3), "/spec/replicas"),
            ("/spec/template/spec/containers", json!([]), "/spec/template/spec/containers/resizer"),
            (&format!("{container}/env"), json!([{ "name": "A" }]), &format!("{container}/env/B")),
            (&format!("{container}/ports"), json!([{ "containerPort": 80 }]), &format!("{container}/ports/8080-TCP")),
            (&format!("{container}/resources/limits/cpu"), json!("2"), &format!("{container}/resources/limits/cpu")),
            ("/metadata/labels", Value::Null, "/metadata/labels"),
        ] {
            let drift = Drift::between(&deployment(), &changed(path, value));
            assert_eq!(drift.wrong, [at], "{path}");
        }
    }

    #[test]
    fn what_was_added_to_what_only_we_say_is_taken_out_again() {
        let container = "/spec/template/spec/containers/0";
        for (path, value) in [
            (format!("{container}/env/2"), json!({ "name": "RESIZE_PATH", "value": "/x" })),
            (format!("{container}/env/0"), json!({ "name": "RESIZE_PATH", "value": "/x" })),
            (format!("{container}/env/0/valueFrom"), json!({ "configMapKeyRef": { "name": "c", "key": "k" } })),
            (format!("{container}/envFrom"), json!([{ "configMapRef": { "name": "c" } }])),
            (format!("{container}/command"), json!(["sh"])),
            (format!("{container}/ports/1"), json!({ "containerPort": 1234 })),
            (format!("{container}/resources/limits/memory"), json!("1Mi")),
            ("/spec/selector/matchLabels/c".to_owned(), json!("d")),
            ("/spec/template/spec/nodeSelector".to_owned(), json!({ "disk": "fast" })),
            ("/metadata/annotations/resize-operator.dev~1other".to_owned(), json!("1")),
        ] {
            let mut live = changed(&path, value);
            let drift = Drift::between(&deployment(), &live);
            assert_eq!((&drift.wrong, &drift.added), (&Vec::new(), &vec![path.clone()]));
            let removal: json_patch::Patch = serde_json::from_value(drift.removal(&live).unwrap()).unwrap();
            json_patch::patch(&mut live, &removal).unwrap();
            assert_eq!(live, deployment(), "{path}");
        }
    }

    #[test]
    fn several_are_taken_out_of_one_list() {
        let theirs = |name: &str| json!({ "name": name, "value": "1" });
        let mut live = changed("/spec/template/spec/containers/0/env/0", theirs("X"));
        live["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().extend([theirs("Y"), theirs("Z")]);
        let drift = Drift::between(&deployment(), &live);
        let removal: json_patch::Patch = serde_json::from_value(drift.removal(&live).unwrap()).unwrap();
        json_patch::patch(&mut live, &removal).unwrap();
        assert_eq!(live, deployment());
    }

    #[test]
    fn the_fingerprint_is_of_the_difference_alone() {
        let of = |live: &Value| Drift::between(&deployment(), live).fingerprint(live);
        let (three, four) = (changed("/spec/replicas", json!(3)), changed("/spec/replicas", json!(4)));
        let mut elsewhere = three.clone();
        elsewhere["status"] = json!({ "replicas": 3 });
        assert_ne!(of(&three), of(&four));
        assert_eq!(of(&three), of(&elsewhere));
    }
}
