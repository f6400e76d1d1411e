//! An object against the schema of the definition: unknown fields, missing ones, types, words, bounds and repetitions. Pure.
//!
//! Patterns, formats and rules in CEL are the API server's.

use std::{collections::BTreeSet, sync::LazyLock};

use resize_api::endpoint;
use serde_json::{Map, Value};

/// The schema of a spec.
pub fn spec() -> &'static Value {
    static DEFINITION: LazyLock<Value> = LazyLock::new(endpoint::definition);
    &DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
}

/// What is wrong with the spec of `object`, field by field. A null that counts as absent is taken out of it, as the API server does.
pub fn problems(object: &mut Value) -> Vec<String> {
    let mut problems = Vec::new();
    match object.get_mut("spec") {
        Some(written @ Value::Object(_)) => check(spec(), written, "spec", &mut problems),
        _ => problems.push("spec: not set".to_owned()),
    }
    problems
}

fn check(schema: &Value, value: &mut Value, path: &str, problems: &mut Vec<String>) {
    if value.is_null() && schema["nullable"] == true || schema["x-kubernetes-int-or-string"] == true {
        return;
    }
    match (schema["type"].as_str(), &mut *value) {
        (Some("object"), Value::Object(fields)) => check_object(schema, fields, path, problems),
        (Some("array"), Value::Array(items)) => check_array(schema, items, path, problems),
        (Some("string"), Value::String(text)) => {
            bounds(schema, text.chars().count(), ["minLength", "maxLength"], "characters", path, problems);
        }
        (Some("integer"), number) if number.is_i64() => numbers(schema, number, path, problems),
        (Some("number"), number) if number.is_number() => numbers(schema, number, path, problems),
        (Some("boolean"), Value::Bool(_)) | (None, _) => {}
        (Some(type_), _) => problems.push(format!("{path}: want {} {type_}", if type_.starts_with(['a', 'i', 'o']) { "an" } else { "a" })),
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        problems.push(format!("{path}: `{}`: want one of {}", value.as_str().unwrap_or_default(), words.join(", ")));
    }
}

fn check_object(schema: &Value, fields: &mut Map<String, Value>, path: &str, problems: &mut Vec<String>) {
    let others = Some(&schema["additionalProperties"]).filter(|others| others.is_object());
    let of = |name: &str| schema["properties"].get(name).or(others);
    fields.retain(|name, value| !value.is_null() || of(name).is_none_or(|schema| schema["nullable"] == true));
    bounds(schema, fields.len(), ["minProperties", "maxProperties"], "entries", path, problems);
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(required) {
            problems.push(format!("{path}.{required}: not set"));
        }
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match of(name) {
            Some(schema) => check(schema, value, &path, problems),
            None if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
            None => problems.push(format!("{path}: no field of this name")),
        }
    }
}

fn check_array(schema: &Value, items: &mut [Value], path: &str, problems: &mut Vec<String>) {
    bounds(schema, items.len(), ["minItems", "maxItems"], "entries", path, problems);
    let keys: Vec<_> = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_set = schema["x-kubernetes-list-type"] == "set";
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter_mut().enumerate() {
        let path = format!("{path}[{index}]");
        check(&schema["items"], item, &path, problems);
        let key = |key: &&str| item.get(key).unwrap_or(&schema["items"]["properties"][key]["default"]).to_string();
        let what = if is_set { vec![item.to_string()] } else { keys.iter().map(key).collect() };
        if !what.is_empty() && !seen.insert(what) {
            problems.push(format!("{path}: is there already"));
        }
    }
}

fn bounds(schema: &Value, count: usize, [least, most]: [&str; 2], of: &str, path: &str, problems: &mut Vec<String>) {
    let count = count as u64;
    if let Some(least) = schema[least].as_u64().filter(|least| count < *least) {
        problems.push(format!("{path}: want at least {least} {of}"));
    }
    if let Some(most) = schema[most].as_u64().filter(|most| count > *most) {
        problems.push(format!("{path}: want at most {most} {of}"));
    }
}

fn numbers(schema: &Value, number: &Value, path: &str, problems: &mut Vec<String>) {
    let number = number.as_f64().unwrap_or_default();
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        problems.push(format!("{path}: want at least {least}"));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        problems.push(format!("{path}: want at most {most}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::fixtures::resource;

    #[test]
    fn each_fault_is_told_by_its_path() {
        let many: Map<_, _> = (0..33).map(|n| (format!("l{n}"), json!("a"))).collect();
        for (spec, says) in [
            (json!({ "bucket": null }), "spec.bucket: not set"),
            (json!({ "bucket": { "region": "eu-central-1" } }), "spec.bucket.name: not set"),
            (json!({ "allowedResolution": ["1x1"] }), "spec.allowedResolution: no field of this name"),
            (json!({ "resize": { "fit": "Covers" } }), "spec.resize.fit: `Covers`: want one of Cover, "),
            (json!({ "workload": { "replicas": "2" } }), "spec.workload.replicas: want an integer"),
            (json!({ "workload": { "replicas": -1 } }), "spec.workload.replicas: want at least 0"),
            (json!({ "output": { "quality": 101 } }), "spec.output.quality: want at most 100"),
            (json!({ "suspend": "yes" }), "spec.suspend: want a boolean"),
            (json!({ "routing": { "hostName": "a".repeat(260) } }), "spec.routing.hostName: want at most 259 characters"),
            (json!({ "workload": { "env": [{ "value": "a" }] } }), "spec.workload.env[0].name: not set"),
            (
                json!({ "workload": { "env": [{ "name": "A" }, { "name": "B" }, { "name": "A" }] } }),
                "spec.workload.env[2]: is there already",
            ),
            (json!({ "allowedResolutions": ["1x1", "2x2", "1x1"] }), "spec.allowedResolutions[2]: is there already"),
            (json!({ "inheritedMetadata": { "labels": many } }), "spec.inheritedMetadata.labels: want at most 32 entries"),
        ] {
            let mut object = serde_json::to_value(resource()).unwrap();
            let (Value::Object(change), spec) = (spec, &mut object["spec"]) else { panic!("no object") };
            for (field, value) in change {
                spec[field] = value;
            }
            let told = problems(&mut object);
            assert!(told.len() == 1 && told[0].starts_with(says), "{says}: {told:?}");
        }
    }

    #[test]
    fn what_is_right_stays_untold() {
        let mut object = serde_json::to_value(resource()).unwrap();
        object["spec"]["workload"] = json!({
            "resources": { "limits": { "cpu": 1, "memory": "1Gi" } }, "nodeSelector": { "disk": "fast" }, "podLabels": { "a": "b" },
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{}] } } },
        });
        object["spec"]["ingress"]["className"] = Value::Null;
        assert_eq!(problems(&mut object), Vec::<String>::new());
    }

    /// What a schema may say, here and in all that is in it.
    fn words(schema: &Value, into: &mut BTreeSet<String>) {
        let Some(fields) = schema.as_object() else { return };
        into.extend(fields.keys().cloned());
        let inner = fields.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
        inner.chain([&schema["items"], &schema["additionalProperties"]]).for_each(|inner| words(inner, into));
    }

    #[test]
    fn all_that_the_schema_says_is_checked_or_left_to_the_api_server() {
        let checked = [
            "type",
            "properties",
            "additionalProperties",
            "items",
            "required",
            "nullable",
            "default",
            "enum",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "x-kubernetes-int-or-string",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-preserve-unknown-fields",
        ];
        let others = ["description", "pattern", "format", "x-kubernetes-validations"];
        let mut said = BTreeSet::new();
        words(spec(), &mut said);
        let unknown: Vec<_> = said.iter().filter(|word| !checked.iter().chain(&others).any(|known| known == word)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
