//! What the tests share: a Kubernetes API and an S3 in memory, and endpoints to try.

pub mod fake;
pub mod fixtures;
pub mod store;
