//! `values.yaml`, what checks it, and values of earlier releases.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::{CHART, parent::Folder, render, template};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../charts/resize-operator/values.schema.json")).unwrap()
}

pub fn defaults() -> Value {
    serde_yaml_ng::from_str(include_str!("../../../charts/resize-operator/values.yaml")).unwrap()
}

/// Faults of the schema of `path`, of which `value` is the default.
fn faults(path: &str, schema: &Value, root: &Value, value: &Value) -> Vec<String> {
    if let Some(definition) = schema["$ref"].as_str() {
        return faults(path, root.pointer(definition.trim_start_matches('#')).unwrap(), root, value);
    }
    let Some(properties) = schema["properties"].as_object() else {
        let says = ["type", "enum", "additionalProperties"].iter().any(|word| !schema[word].is_null());
        return if says { vec![] } else { vec![format!("{path}: the schema says nothing")] };
    };
    let mut faults = Vec::new();
    // other charts have globals too
    if schema["additionalProperties"] != false && path != ".global" {
        faults.push(format!("{path}: a misspelt value is not refused"));
    }
    let value = value.as_object().unwrap();
    faults.extend(value.keys().filter(|key| !properties.contains_key(*key)).map(|key| format!("{path}.{key} is not in the schema")));
    for (key, schema) in properties {
        match value.get(key) {
            Some(value) => faults.extend(self::faults(&format!("{path}.{key}"), schema, root, value)),
            None => faults.push(format!("{path}.{key} is not in values.yaml")),
        }
    }
    faults
}

#[test]
fn the_schema_has_every_value_and_no_other() {
    let (schema, mut values) = (schema(), defaults());
    assert_eq!(faults("", &schema, &schema, &values), Vec::<String>::new());
    values["s3"]["new"] = "".into();
    assert_eq!(faults("", &schema, &schema, &values), [".s3.new is not in the schema"]);
}

#[test]
fn a_value_that_is_misspelt_is_refused() {
    for (value, misspelt) in [
        ("regoin=eu-central-1", "regoin"),
        ("s3.regoin=eu-central-1", "regoin"),
        ("image.repo=a", "repo"),
        ("networkPolicy.enable=true", "enable"),
        ("admissionPolicy.hosts.Team[0]=a", "Team"),
        (r#"{ "admissionPolicy": { "hosts": { "a": ["b') || true"] } } }"#, "hosts"),
    ] {
        let Some(refused) = render(&[value]) else { return };
        let refused = refused.unwrap_err();
        assert!(refused.contains(misspelt), "{value}: {refused}");
    }
}

/// `helm upgrade --reuse-values` renders a chart with the defaults of the one that was installed.
#[test]
fn values_of_an_earlier_release_give_what_the_defaults_give() {
    let Some(today) = render(&[]) else { return };
    let today = today.unwrap();
    for release in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/upgrade")).unwrap() {
        let values = release.unwrap().path().join("values.yaml");
        if !values.is_file() {
            continue;
        }
        let folder = Folder::new();
        // the contents, also of the definition, which is a link in the repository
        assert!(Command::new("cp").args(["-rL", &format!("{CHART}/.")]).arg(&folder.0).status().unwrap().success());
        fs::copy(&values, folder.0.join("values.yaml")).unwrap();
        let reused = template(Path::new(&folder.0), "photos", "system", &[]).unwrap().unwrap();
        assert_eq!(reused.len(), today.len(), "{}", values.display());
        for (reused, today) in reused.iter().zip(&today) {
            assert_eq!(reused, today, "{}", values.display());
        }
    }
}
