//! Who may have which bucket, and which host and path.
//!
//! `watch` tells it of endpoints, `reconcile` asks it before anything is done. Below are `endpoint`, `config` and `store_id`.

pub mod claims;
pub mod hosts;
pub mod policy;
mod ranking;
