//! Who may have which bucket.

pub mod claims;
pub mod policy;
