//! What an endpoint would come to, as it is told.

use resize_api::routing::RoutingRule;
use serde::Serialize;
use serde_json::Value;

use crate::report::Verdict;

/// What an endpoint would come to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Condition Accepted.
    pub accepted: Accepted,
    /// What would be applied, in its order.
    pub objects: Vec<Value>,
    /// Name of its bucket.
    pub bucket: String,
    /// The rules that would be in the bucket.
    pub routing_rules: Vec<RoutingRule>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// What would change in the bucket, if it was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Difference>,
}

/// What would change in a bucket's website configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Whether the operator would write.
    pub changes: bool,
    /// The configuration; each line begins with a space, with `+` or with `-`.
    pub lines: Vec<String>,
    /// Why it cannot be said, or why nothing can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Rendered {
    /// An endpoint of which no more than this can be said.
    pub fn refused(namespace: &str, name: &str, verdict: Verdict) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            accepted: verdict.into(),
            objects: Vec::new(),
            bucket: String::new(),
            routing_rules: Vec::new(),
            notes: Vec::new(),
            website: None,
        }
    }
}

/// Condition Accepted, as far as it can be known.
#[derive(Debug, Serialize)]
pub struct Accepted {
    /// Whether it is.
    pub status: bool,
    /// Why.
    pub reason: String,
    /// The same in words.
    pub message: String,
}

impl From<Verdict> for Accepted {
    fn from(verdict: Verdict) -> Self {
        Self { status: verdict.holds == Some(true), reason: verdict.reason.to_string(), message: verdict.message }
    }
}
