//! Who may have which bucket, and which host and path.

pub mod claims;
pub mod hosts;
pub mod policy;
mod ranking;
