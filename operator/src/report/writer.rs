//! Writes a status, and only on top of the object that was read.

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use resize_api::{ResizeEndpoint, status::ResizeEndpointStatus};
use serde_json::{Value, json};

use super::Report;
use crate::heard::Heard;

/// Fields that a status may lack; a merge patch would leave them.
const OPTIONAL: [&str; 11] = [
    "redirectUrl",
    "routingRules",
    "routingRulesPending",
    "routingRulesRemoved",
    "routingRulesLeft",
    "websiteCreated",
    "store",
    "publicRead",
    "derivatives",
    "replicas",
    "selector",
];

/// Writes the status of one object. A write fails with a conflict if somebody else has
/// changed the object since it was read: the cache it was read from may be behind, and
/// then its record of our rules is too.
pub struct StatusWriter {
    api: Api<Heard>,
    name: String,
    version: Option<String>,
    generation: Option<i64>,
    /// The status as it is there.
    status: ResizeEndpointStatus,
}

impl StatusWriter {
    /// A writer for `resource` as it was read.
    pub fn new(client: &Client, resource: &ResizeEndpoint) -> Self {
        let api = Api::namespaced(client.clone(), &resource.namespace().unwrap_or_default());
        Self {
            api,
            name: resource.name_any(),
            version: resource.resource_version(),
            generation: resource.metadata.generation,
            status: resource.status.clone().unwrap_or_default(),
        }
    }

    /// The version of the object with what was written last.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Says that nobody looked yet, if nothing was said so far: before what may take its time.
    pub async fn begin(&mut self, now: Timestamp) {
        if self.status.conditions.is_empty() {
            let unseen = Report::unseen("not looked at yet", &self.status);
            let first = super::status(&self.status, self.generation, &unseen, now);
            // if it fails, so does the next write, and that is told
            let _ = self.replace(&first).await;
        }
    }

    /// Whether the object has this status already.
    pub fn holds(&self, status: &ResizeEndpointStatus) -> bool {
        self.status == *status
    }

    /// Replaces the whole status.
    pub async fn replace(&mut self, status: &ResizeEndpointStatus) -> Result<(), kube::Error> {
        let mut status = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
        if let Some(fields) = status.as_object_mut() {
            for field in OPTIONAL {
                fields.entry(field).or_insert(Value::Null);
            }
        }
        self.merge(status).await
    }

    /// Merges `fields` into the status.
    pub async fn merge(&mut self, fields: Value) -> Result<(), kube::Error> {
        let patch = json!({ "metadata": { "resourceVersion": self.version }, "status": fields });
        let written = self.api.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.version = written.resource_version();
        self.status = written.0.status.unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_of_an_older_status_stays() {
        let crd = resize_api::endpoint::definition();
        let fields = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
        // these two are always written
        let rest = fields.as_object().unwrap().keys().filter(|name| !matches!(name.as_str(), "conditions" | "observedGeneration"));
        let (mut rest, mut optional): (Vec<_>, Vec<_>) = (rest.map(String::as_str).collect(), OPTIONAL.into());
        rest.sort_unstable();
        optional.sort_unstable();
        assert_eq!(rest, optional);
    }
}
