//! Files → ResizeEndpoints, or what is wrong with them.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use kube::Resource as _;
use resize_api::ResizeEndpoint;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::schema;

/// The uid of an endpoint that no API server has seen.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

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
    if file.as_os_str() != "-" {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// All objects of all documents; those of a list one by one.
fn objects(text: &str) -> Result<Vec<Value>, serde_yaml_ng::Error> {
    let mut all = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        match Value::deserialize(document)? {
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
    for (field, default) in [("namespace", namespace), ("uid", NO_UID)] {
        if !metadata[field].is_string() {
            metadata[field] = json!(default);
        }
    }
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    Found { namespace: text("namespace"), name: text("name"), resource: endpoint(&object) }
}

fn endpoint(object: &Value) -> Result<ResizeEndpoint, Vec<String>> {
    let version = ResizeEndpoint::api_version(&());
    if object["apiVersion"] != *version {
        return Err(vec![format!("apiVersion: `{}`: want {version}", object["apiVersion"].as_str().unwrap_or_default())]);
    }
    let mut problems = schema::problems(object);
    if !object["metadata"]["name"].is_string() {
        problems.push("metadata.name: not set".to_owned());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    ResizeEndpoint::deserialize(object).map_err(|error| vec![error.to_string()])
}
