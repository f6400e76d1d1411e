//! Files → ResizeEndpoints, or what is wrong with them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use kube::Resource as _;
use resize_api::ResizeEndpoint;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{document, schema};

/// The uid of an endpoint that no API server has seen.
pub const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// An object of our kind.
#[derive(Debug)]
pub struct Found {
    /// Its namespace, or the one for those that name none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The endpoint, or what is wrong with it, field by field.
    pub resource: Result<ResizeEndpoint, Vec<String>>,
}

/// The endpoints in all `files`, in their order.
pub fn endpoints(files: &[PathBuf], namespace: &str) -> anyhow::Result<Vec<Found>> {
    let mut all = Vec::new();
    for file in files {
        let shown = file.display();
        let text = text(file).with_context(|| format!("{shown}: cannot be read"))?;
        let objects = objects(&text).with_context(|| format!("{shown}: neither YAML nor JSON"))?;
        all.extend(objects.into_iter().filter(is_ours).map(|object| found(object, namespace)));
    }
    anyhow::ensure!(!all.is_empty(), "no ResizeEndpoint in what was given: want objects of kind ResizeEndpoint");
    Ok(all)
}

fn text(file: &Path) -> io::Result<String> {
    let source: Box<dyn io::Read> = if file.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut text = String::new();
    // one byte more than may be parsed tells that it is too long
    source.take(document::MOST as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// All objects of all documents; those of a list one by one.
fn objects(text: &str) -> Result<Vec<Value>, serde_yaml_ng::Error> {
    let mut all = Vec::new();
    for document in document::documents(text)? {
        match document {
            Value::Null => {}
            Value::Object(mut list) if list.get("items").is_some_and(Value::is_array) => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    all.extend(items);
                }
            }
            object => all.push(object),
        }
    }
    Ok(all)
}

fn is_ours(object: &Value) -> bool {
    object["kind"] == *ResizeEndpoint::kind(&())
}

fn found(mut object: Value, namespace: &str) -> Found {
    let metadata = &mut object["metadata"];
    let is_object = metadata.is_object() || metadata.is_null();
    if !is_object {
        let problem = "metadata: want an object".to_owned();
        return Found { namespace: namespace.to_owned(), name: String::new(), resource: Err(vec![problem]) };
    }
    for (field, default) in [("namespace", namespace), ("uid", NO_UID)] {
        if !metadata[field].is_string() {
            metadata[field] = json!(default);
        }
    }
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    Found { namespace: text("namespace"), name: text("name"), resource: endpoint(object) }
}

fn endpoint(mut object: Value) -> Result<ResizeEndpoint, Vec<String>> {
    let version = ResizeEndpoint::api_version(&());
    if object["apiVersion"] != *version {
        return Err(vec![format!("apiVersion: `{}`: want {version}", object["apiVersion"].as_str().unwrap_or_default())]);
    }
    let mut problems = schema::problems(&mut object);
    if !object["metadata"]["name"].is_string() {
        problems.push("metadata.name: not set".to_owned());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    ResizeEndpoint::deserialize(object).map_err(|error| vec![error.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_something_else_is_no_fault_of_the_program() {
        for (object, says) in [
            (json!({ "kind": "ResizeEndpoint", "metadata": "hello" }), "metadata: want an object"),
            (json!({ "kind": "ResizeEndpoint", "metadata": [7] }), "metadata: want an object"),
            (json!({ "kind": "ResizeEndpoint", "metadata": null }), "apiVersion: "),
            (json!({ "kind": "ResizeEndpoint", "apiVersion": ResizeEndpoint::api_version(&()), "spec": 7 }), "spec: not set"),
        ] {
            let problems = found(object, "default").resource.unwrap_err();
            assert!(problems[0].starts_with(says), "{says}: {problems:?}");
        }
        assert!(objects("[text, {items: [text]}, 7]").unwrap().iter().all(|object| !is_ours(object)));
    }

    fn read_with(field: &str, value: Value) -> Result<ResizeEndpoint, Vec<String>> {
        let mut object = serde_json::to_value(crate::testing::fixtures::resource()).unwrap();
        object["spec"][field] = value;
        found(object, "default").resource
    }

    #[test]
    fn a_null_counts_as_absent_wherever_the_api_server_takes_it() {
        let names = |schema: &Value| schema["properties"].as_object().into_iter().flat_map(|all| all.keys()).cloned().collect::<Vec<_>>();
        let mut absent = 0;
        for field in names(schema::spec()) {
            let schema = &schema::spec()["properties"][&field];
            let inner = if schema["required"].is_array() { Vec::new() } else { names(schema) };
            for value in inner.into_iter().map(|inner| json!({ inner: null })).chain([Value::Null]) {
                match read_with(&field, value.clone()) {
                    Ok(_) => absent += 1,
                    Err(problems) => assert!(problems[0].ends_with(": not set"), "{field} {value}: {problems:?}"),
                }
            }
        }
        assert!(absent > 60, "{absent}");
        let labels = read_with("workload", json!({ "podLabels": { "a": null, "b": "c" } })).unwrap().spec.workload.pod_labels;
        assert_eq!(labels.into_keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(read_with("allowedResolutions", json!([null])).unwrap_err(), ["spec.allowedResolutions[0]: want a string"]);
    }
}
