//! The Kubernetes API: how derivatives are kept true to their originals, and what became of it. A part of `endpoint` and `status`;
//! below is `sweep`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{secret::SecretRef, sweep::SweepReport};

/// How derivatives are kept true to their originals. Whoever does it may delete derivatives, so it runs apart from the pods that serve.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Derivatives {
    /// Compare the whole bucket on a schedule: a CronJob, `NAME-sweep`, deletes derivatives whose original changed or is gone, that were made with other settings, or whose resolution or variant is no longer listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,

    /// Resolutions, of those in `allowedResolutions`, that a sweep and an event make at once where they are missing, in the original's own format and in each of `output.variants`; the others are made for the first visitor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 11)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(r, r.matches('^(0|[1-9][0-9]{0,4})x(0|[1-9][0-9]{0,4})$') && r != '0x0')")
            .message("want a resolution such as 300x300")
    )]
    pub warm: Vec<String>,

    /// Follow the bucket's notifications: a Deployment, `NAME-follow`, deletes the derivatives of an original that changed within seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Events>,

    /// ServiceAccount of the pods that sweep, follow and purge. Default: `workload.serviceAccountName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,

    /// Secret in the same namespace with their credentials, as in `bucket.credentialsSecretRef`, which is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,

    /// What happens to the derivatives when this object is deleted. `Keep`: they stay in the bucket. `Delete`: a Job, `NAME-purge`, deletes them before the object goes. It may still be changed while the object is being deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
}

/// A sweep of the whole bucket.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// When, in the five fields of cron: `17 3 * * *` is every night at 3:17.
    #[schemars(length(max = 100))]
    #[x_kube(validation = Rule::new("self.matches('^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4})$')")
        .message("want five fields of cron such as 17 3 * * *, or @hourly, @daily, @weekly, @monthly, @yearly"))]
    pub schedule: String,

    /// Time zone of the schedule, such as `Europe/Berlin`. Default: that of the cluster's controllers, mostly UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'")
        .message("want the name of a time zone such as Europe/Berlin"))]
    pub time_zone: Option<String>,

    /// Most derivatives that one sweep may delete: a number, or a percentage of those in the bucket, which counts as 100 at least. If more would go, nothing is deleted and the condition says so.
    #[serde(default = "default_max_deletions")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,9}|(100|[0-9]{1,2})%)$')")
        .message("want a number, or a percentage up to 100%, such as 10%"))]
    pub max_deletions: String,

    /// Only say what would go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,

    /// Start no further sweep.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

fn default_max_deletions() -> String {
    "10%".to_owned()
}

/// Where notifications come from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.sqs) || has(self.webhook)").message("want sqs or webhook: where notifications come from"))]
pub struct Events {
    /// From a queue: S3 sends there, by itself, through SNS or through EventBridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs: Option<Sqs>,

    /// By HTTP: Ceph and MinIO post to `http://NAME-follow.NAMESPACE.svc/events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// A queue of SQS.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sqs {
    /// URL of the queue.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@]+/[^?#]+$') && isURL(self)")
        .message("want the URL of a queue, such as https://sqs.eu-central-1.amazonaws.com/111122223333/photos"))]
    pub queue_url: String,
}

/// Notifications by HTTP.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The token that each notification must carry, of at least 16 characters.
    pub token_secret_ref: SecretKeyRef,
}

/// A key of a Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,

    /// Key in the Secret.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_key() -> String {
    "token".to_owned()
}

/// What deletion does to derivatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    /// They stay in the bucket.
    #[default]
    Keep,
    /// They are deleted, by a Job, `NAME-purge`, before this object goes.
    Delete,
}

/// What became of it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DerivativesStatus {
    /// The last sweep that came to an end, whatever its end.
    // absent fields are written as null: a merge patch would leave them as they were
    #[serde(default)]
    pub last_sweep: Option<LastSweep>,

    /// When the last complete sweep began: what had changed before then is settled.
    #[serde(default)]
    pub last_complete: Option<Time>,

    /// When the next sweep is due.
    #[serde(default)]
    pub next_sweep: Option<Time>,

    /// How long a derivative may stay in the bucket after its original changed: the longest pause between two sweeps, and what the last one took. Absent where nothing bounds it: without complete sweeps, and while they fail.
    #[serde(default)]
    pub stale_after_seconds: Option<i64>,

    /// Fingerprint of the settings that shape pictures, and of the list of resolutions.
    #[serde(default)]
    pub settings: Option<String>,

    /// Since when these are the only settings, as far as is known: pods of others may have run until then.
    #[serde(default)]
    pub settings_since: Option<Time>,
}

/// A sweep that came to an end.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastSweep {
    /// Its Job.
    #[serde(default)]
    pub job: String,

    /// When it ended.
    pub finished: Time,

    /// Its numbers.
    #[serde(flatten)]
    pub report: SweepReport,
}
