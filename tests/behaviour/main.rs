//! The whole on a real Kubernetes with a real S3: one file per behaviour.
//!
//! `make test` runs all of it. With a cluster running (`make up`), `cargo test -p resize-tests NAME`
//! runs one; without, they say that they were skipped.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod lab;

mod alerts;
mod api;
mod autoscale;
mod bombs;
mod chart;
mod claim;
mod delete;
mod delivery;
mod derivatives;
mod drift;
mod edit;
mod failing;
mod gateway;
mod identity;
mod policies;
mod public;
mod releases;
mod rolling;
mod store;
mod tenants;
mod visitor;
