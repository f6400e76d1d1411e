//! The Kubernetes API: what a user writes in a `ResizeEndpoint`.
//!
//! Every doc comment of a field is what `kubectl explain` shows. Rules are checked by the API server, with a message that says what
//! would be right. The top of this crate; its parts are in the modules below.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::secret::SecretRef;
use crate::{
    ca_bundle::CaBundle,
    delivery::Delivery,
    derivatives::Derivatives,
    gateway::Gateway,
    inherited::InheritedMetadata,
    picture::{Output, Resize},
    recipes::RecipeSpec,
    routing::Routing,
    settings::DEFAULT_PATH,
    source::{LimitsSpec, Source},
    status::ResizeEndpointStatus,
    workload::Workload,
};

/// The CustomResourceDefinition as it is installed, `crds/resizeendpoints.yaml`: what the types below generate, which programs would else
/// carry along.
pub fn definition() -> serde_json::Value {
    serde_yaml_ng::from_str(include_str!("../resizeendpoints.yaml")).unwrap_or_default()
}

/// Makes every picture of a bucket available in every allowed size.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "resize-operator.dev",
    version = "v1alpha1",
    kind = "ResizeEndpoint",
    namespaced,
    shortname = "rsz",
    status = "ResizeEndpointStatus",
    derive = "PartialEq",
    // Helm leaves it, and with it every endpoint, when the chart is uninstalled
    annotation("helm.sh/resource-policy", "keep"),
    doc = "A bucket whose pictures are served in every allowed size: the bucket's own website sends a missing size to the resizer, which makes it, stores it beside the original and redirects to it.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')")
        .message("metadata.name: want at most 50 lower-case letters, digits and hyphens, a letter first: it names a Service"),
    validation = Rule::new("!has(self.spec.derivatives) || !has(self.spec.derivatives.sweep) || self.metadata.name.size() <= 46")
        .message("metadata.name: with derivatives.sweep want at most 46 characters: it names a CronJob"),
    validation = Rule::new("!has(self.spec.derivatives) || !has(self.spec.derivatives.warm) || self.spec.allowedResolutions.size() == 0 || self.spec.derivatives.warm.all(r, r in self.spec.allowedResolutions)")
        .message("spec.derivatives.warm: want resolutions that are in allowedResolutions"),
    validation = Rule::new("!has(self.spec.recipes) || self.spec.recipes.all(p, p.resolutions.all(r, self.spec.allowedResolutions.size() == 0 || r in self.spec.allowedResolutions))")
        .message("spec.recipes: want resolutions that are in allowedResolutions"),
    validation = Rule::new("!has(self.spec.recipes) || self.spec.recipes.all(p, p.resolutions.all(r, self.spec.recipes.filter(q, r in q.resolutions).size() == 1))")
        .message("spec.recipes: a resolution stands in one recipe at most"),
    validation = Rule::new("!has(self.spec.delivery) || self.spec.delivery.mode != 'Direct' || !has(self.spec.bucket.publicRead) || !self.spec.bucket.publicRead")
        .message("spec.bucket.publicRead: needs delivery.mode Redirect; with Direct the bucket need not be public"),
    validation = Rule::new("!has(self.spec.delivery) || !self.spec.delivery.negotiate || has(self.spec.output.variants) && self.spec.output.variants.size() > 0")
        .message("spec.delivery.negotiate: want output.variants to choose among"),
    scale(spec_replicas_path = ".spec.workload.replicas", status_replicas_path = ".status.replicas", label_selector_path = ".status.selector"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.publicUrl"),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".spec.bucket.name"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Resolutions", type_ = "string", json_path = ".spec.allowedResolutions", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ResizeEndpointSpec {
    /// The bucket that holds the originals. Derivatives are stored in it, under a prefix such as `300x300/`.
    pub bucket: Bucket,

    /// Where visitors fetch pictures: the bucket's website endpoint, or a CDN before it; with `delivery.mode: Direct` the resizer, or a CDN before it. Absolute http or https URL without query and fragment.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@]+(/[^?#]*)?$') && isURL(self) && (url(self).getPort() == '' || int(url(self).getPort()) <= 65535)")
        .message("want an absolute http or https URL without user, query and fragment, such as https://images.example.com"))]
    pub public_url: String,

    /// Sizes that may be asked for, each WIDTHxHEIGHT in pixels; 0 in one place keeps the ratio, as in `640x0`. An empty list allows every size within the limits: then anybody may fill the bucket with sizes.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(max = 11)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(r, r.matches('^(0|[1-9][0-9]{0,4})x(0|[1-9][0-9]{0,4})$'))")
            .message("want WIDTHxHEIGHT in pixels without leading zeros, such as 300x300 or 640x0"),
        validation = Rule::new("!('0x0' in self)").message("0x0 is no size: 0 keeps the ratio, so one side must be given"),
        validation = Rule::new("self.all(r, !r.matches('^[0-9]+x[0-9]+$') || r.split('x').all(side, int(side) <= 16383))")
            .message("a side has at most 16383 pixels")
    )]
    pub allowed_resolutions: Vec<String>,

    /// Which originals may be published through this endpoint.
    #[serde(default)]
    pub source: Source,

    /// How large originals and outputs may be: a source beyond them is 413, a requested size beyond them 403.
    #[serde(default)]
    pub limits: LimitsSpec,

    /// How visitors reach the resizer from outside the cluster. Without it the routing rule leads to the Service's name inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,

    /// The same by the Gateway API: an HTTPRoute instead of the Ingress, or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,

    /// The rules that send a missing size to the resizer. With `delivery.mode: Direct` there are none.
    #[serde(default)]
    pub routing: Routing,

    /// How pictures are scaled.
    #[serde(default)]
    pub resize: Resize,

    /// How pictures are written.
    #[serde(default)]
    pub output: Output,

    /// What differs for some sizes: a thumbnail cropped and a lightbox whole, for example.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub recipes: Vec<RecipeSpec>,

    /// How visitors get pictures: from the bucket's website, or from the resizer.
    #[serde(default)]
    pub delivery: Delivery,

    /// The resizer's pods.
    #[serde(default)]
    pub workload: Workload,

    /// Labels and annotations of every object that the operator makes for this one, and of its pods. What is said closer to an object (`podLabels`, `podAnnotations`, `serviceAnnotations`, `ingress.annotations`) goes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited_metadata: Option<InheritedMetadata>,

    /// How derivatives are kept true to their originals: without it they are compared with their original only when a visitor comes to the resizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivatives: Option<Derivatives>,

    /// What happens to the bucket's routing rules when this object is deleted: `Delete` takes them out, `Retain` leaves them there. It may still be changed while the object is being deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Keep everything as it is, and change nothing until this is false again. Deletion still works.
    #[serde(default)]
    pub suspend: bool,
}

/// A bucket and how to reach it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Name of the bucket. It cannot be changed.
    #[schemars(length(max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$') && !self.contains('..') && !self.matches('^[0-9]+([.][0-9]+){3}$')")
            .message("want the name of an S3 bucket: 3 to 63 lower-case letters, digits, dots and hyphens, not an IP address"),
        validation = Rule::new("self == oldSelf").message("cannot be changed; create another ResizeEndpoint for the other bucket")
    )]
    pub name: String,

    /// Region of the bucket, such as `eu-central-1`; any will do where `endpoint` is set. Default: the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,

    /// Base URL of an S3-compatible store, such as `https://minio.example.com`. When it leads to another one, what is in the bucket is first taken back where it is. Default: the operator's, else AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@]+/?$') && isURL(self) && (url(self).getPort() == '' || int(url(self).getPort()) <= 65535)")
        .message("want an http or https URL without user, path, query and fragment, such as https://minio.example.com"))]
    pub endpoint: Option<String>,

    /// Address the bucket in the path instead of the host name, as some S3-compatible stores need. Default: the operator's, else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,

    /// Id of the AWS account that must own the bucket. It is sent with every call, which AWS refuses if another account owns the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{12}$')").message("want an AWS account id: 12 digits"))]
    pub expected_owner: Option<String>,

    /// Secret in the same namespace with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if there is one, AWS_SESSION_TOKEN, without blanks and newlines. Without it the pods use what their environment gives (IRSA, Pod Identity), and the operator its own identity, if those who run it let this namespace use that for the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,

    /// Certificates of authorities that the pods trust beside the public ones, and the operator for the store and `publicUrl`: for a private store. Pods are replaced when they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundle>,

    /// The pods' account pays for their requests: for a bucket of somebody else that wants it so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requester_pays: bool,

    /// Let everybody read the bucket's objects, where those who run the operator allow that and `routing.management` is Merge: the operator adds a statement for `s3:GetObject` to the bucket's policy, and lifts those parts of the bucket's public access block that forbid it. Other statements stay; false again, or deletion, takes it all back. By default the operator leaves policy and block alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public_read: bool,
}

/// An Ingress for the resizer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Host name under which visitors reach the resizer.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$') && !self.matches('^[0-9]+([.][0-9]+){3}$')")
        .message("want a lower-case host name without port, such as resize.example.com, not an IP address"))]
    pub host: String,

    /// Name of the IngressClass. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub class_name: Option<String>,

    /// Path of the resizer below the host, where the routing rules lead. With `delivery.mode: Direct` the Ingress takes every path of the host that no other Ingress has.
    #[serde(default = "default_path")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^(/[A-Za-z0-9._~-]+)+$') && !self.matches('/[.][.]?(/|$)')")
        .message("want a path such as /default/resize: letters, digits and -._~ between slashes, no slash at the end, no /. and /.."))]
    pub path: String,

    /// Secret with the certificate for the host. With it the routing rule redirects to https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub tls_secret_name: Option<String>,

    /// Annotations of the Ingress.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

fn default_path() -> String {
    DEFAULT_PATH.to_owned()
}

/// What deletion does to the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Take them out of the bucket.
    #[default]
    Delete,
    /// Leave them there.
    Retain,
}
