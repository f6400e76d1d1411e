//! An object against the schema of the definition: unknown fields, missing ones, types, words and bounds. Pure.
//!
//! Patterns, formats and rules in CEL are the API server's.

use kube::CustomResourceExt as _;
use resize_api::ResizeEndpoint;
use serde_json::Value;

/// What is wrong with the spec of `object`, field by field.
pub fn problems(object: &Value) -> Vec<String> {
    let definition = serde_json::to_value(ResizeEndpoint::crd()).unwrap_or_default();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut problems = Vec::new();
    if object["spec"].is_object() {
        check(schema, &object["spec"], "spec", &mut problems);
    } else {
        problems.push("spec: not set".to_owned());
    }
    problems
}

fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    // a field that is null counts as absent, and so it does for the API server
    if value.is_null() || schema["x-kubernetes-int-or-string"] == true {
        return;
    }
    match (schema["type"].as_str(), value) {
        (Some("object"), Value::Object(_)) => check_object(schema, value, path, problems),
        (Some("array"), Value::Array(items)) => {
            bounds(schema, items.len(), ["minItems", "maxItems"], "entries", path, problems);
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), problems);
            }
        }
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

fn check_object(schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value[required].is_null() {
            problems.push(format!("{path}.{required}: not set"));
        }
    }
    let keeps_unknown = schema["x-kubernetes-preserve-unknown-fields"] == true;
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => check(schema, value, &path, problems),
            (None, Value::Object(_)) => check(&schema["additionalProperties"], value, &path, problems),
            (None, _) if !keeps_unknown => problems.push(format!("{path}: no field of this name")),
            (None, _) => {}
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
        ] {
            let mut object = serde_json::to_value(resource()).unwrap();
            let (Value::Object(change), spec) = (spec, &mut object["spec"]) else { panic!("no object") };
            for (field, value) in change {
                spec[field] = value;
            }
            let told = problems(&object);
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
        assert_eq!(problems(&object), Vec::<String>::new());
    }
}
