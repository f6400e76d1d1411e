//! The chart as a part of another one.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

use super::{CHART, environment, one, pod, template};

/// A folder with a chart, removed with this.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("resize-chart-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A chart `shop` that depends on this one.
    fn shop(values: &str) -> Self {
        let folder = Self::new();
        fs::create_dir(folder.0.join("charts")).unwrap();
        symlink(CHART, folder.0.join("charts/resize-operator")).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let chart = format!(
            "{{apiVersion: v2, name: shop, version: 1.0.0, \
             dependencies: [{{name: resize-operator, version: {version}, condition: resize-operator.enabled}}]}}"
        );
        fs::write(folder.0.join("Chart.yaml"), chart).unwrap();
        fs::write(folder.0.join("values.yaml"), values).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shop(file: &str, values: &[&str]) -> Option<Result<Vec<Value>, String>> {
    template(&Folder::shop(file).0, "summer", "system", values)
}

#[test]
fn its_objects_are_not_named_as_the_parents_are() {
    let Some(objects) = shop("", &[]) else { return };
    let objects = objects.unwrap();
    assert_eq!(one(&objects, "Deployment")["metadata"]["name"], "summer-resize-operator");
    assert!(environment(&objects).contains(&("LEASE_NAME".to_owned(), "summer-resize-operator".to_owned())));
    assert_eq!(one(&objects, "CustomResourceDefinition")["metadata"]["name"], "resizeendpoints.resize-operator.dev");
}

#[test]
fn a_parent_leaves_it_out() {
    let (Some(file), Some(option)) = (shop("resize-operator: { enabled: false }", &[]), shop("", &["resize-operator.enabled=false"]))
    else {
        return;
    };
    assert_eq!((file.unwrap(), option.unwrap()), (vec![], vec![]));
}

#[test]
fn values_of_the_parent_arrive_and_are_checked() {
    let file = "{global: {imageRegistry: r.example.com}, resize-operator: {securityContext: {readOnlyRootFilesystem: null}}}";
    let Some(objects) = shop(file, &["resize-operator.podSecurityContext.runAsUser=null"]) else { return };
    let objects = objects.unwrap();
    let container = &pod(&objects)["containers"][0];
    assert_eq!(container["image"], concat!("r.example.com/resize-operator:", env!("CARGO_PKG_VERSION")));
    assert!(container["securityContext"]["readOnlyRootFilesystem"].is_null() && !container["securityContext"]["capabilities"].is_null());
    assert!(pod(&objects)["securityContext"]["runAsUser"].is_null() && !pod(&objects)["securityContext"].is_null());
    assert!(shop("resize-operator: { s3: { regoin: a } }", &[]).unwrap().unwrap_err().contains("regoin"));
}
