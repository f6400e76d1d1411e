//! What a sweep of a bucket reports: written by the resizer, read by the operator.
//!
//! `resizer sweep --report FILE` writes one line of JSON into FILE, at most 2 KiB; in a pod that is `/dev/termination-log`, where
//! Kubernetes finds it:
//!
//! ```json
//! {"outcome":"Complete","message":"","started":"2026-01-02T03:04:05Z","seconds":7,"originals":1000,"fresh":2990,"stale":3, …}
//! ```

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};

use crate::words::want_one_of;

/// Where the container of a sweep writes its report, for Kubernetes to find.
pub const REPORT_FILE: &str = "/dev/termination-log";
/// Exit status of a sweep that refused to delete.
pub const REFUSED_STATUS: u8 = 3;

/// How a sweep ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, strum::VariantArray, Serialize, Deserialize)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
pub enum SweepOutcome {
    /// The whole bucket was compared, and what had to go is gone.
    Complete,
    /// The whole bucket was compared; it was only to be said what would go.
    DryRun,
    /// Nothing was deleted, because more would go than is allowed, or because there is no original at all.
    Refused,
    /// It was stopped before its end.
    Interrupted,
    /// Something could not be listed, looked at, deleted or made.
    #[default]
    Failed,
}

/// The numbers of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema), schemars(transform = as_kubernetes_knows))]
#[serde(rename_all = "camelCase", default)]
pub struct SweepReport {
    /// How it ended: Complete, DryRun, Refused, Interrupted or Failed.
    pub outcome: SweepOutcome,
    /// Why it did not end well, for people: at most 500 characters.
    pub message: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// How long it took.
    pub seconds: u64,
    /// Originals listed.
    pub originals: u64,
    /// Derivatives that are as they should be.
    pub fresh: u64,
    /// Derivatives whose original has changed since.
    pub stale: u64,
    /// Derivatives without an original.
    pub orphaned: u64,
    /// Derivatives made with other settings.
    pub outdated: u64,
    /// Derivatives of a resolution or a variant that is no longer listed, or of an original that is no longer published.
    pub retired: u64,
    /// Objects where derivatives lie that no resizer made. They are never touched.
    pub foreign: u64,
    /// Derivatives that were deleted.
    pub deleted: u64,
    /// Derivatives of warm resolutions that were made.
    pub made: u64,
    /// Objects that could not be looked at, deleted or made.
    pub failed: u64,
    /// LIST requests.
    pub list_calls: u64,
    /// HEAD requests.
    pub head_calls: u64,
    /// DELETE requests.
    pub delete_calls: u64,
}

/// Kubernetes knows no unsigned numbers, and what is always written needs no default.
#[cfg(feature = "kube")]
fn as_kubernetes_knows(schema: &mut schemars::Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) else { return };
    for property in properties.values_mut().filter_map(serde_json::Value::as_object_mut) {
        property.remove("default");
        if let Some(format) = property.get_mut("format").filter(|format| **format == "uint64") {
            *format = "int64".into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_reads_what_the_resizer_writes() {
        let report = SweepReport { outcome: SweepOutcome::Refused, stale: 3, list_calls: 9, ..SweepReport::default() };
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.starts_with(r#"{"outcome":"Refused","message":"""#) && text.contains(r#""listCalls":9"#), "{text}");
        assert_eq!(serde_json::from_str::<SweepReport>(&text).unwrap(), report);
        let longest = SweepReport { message: "x".repeat(500), originals: u64::MAX, fresh: u64::MAX, ..SweepReport::default() };
        assert!(serde_json::to_string(&longest).unwrap().len() < 2048);
        assert_eq!(
            serde_json::from_str::<SweepReport>("{}").unwrap().outcome,
            SweepOutcome::Failed,
            "a later version may leave fields out"
        );
    }
}
