//! The contract between the operator and the resizer.
//!
//! What both must agree on stands here once: what a [`Resolution`] is, how a
//! [`ResizedKey`] is read and written, and which [`Settings`] the resizer takes
//! from its environment. With the default feature `kube` the Kubernetes API,
//! `ResizeEndpoint`, stands here too; the resizer is built without it.

#[cfg(feature = "kube")]
pub mod condition;
#[cfg(feature = "kube")]
pub mod endpoint;
pub mod key;
pub mod resolution;
pub mod settings;
#[cfg(feature = "kube")]
pub mod status;
#[cfg(feature = "kube")]
pub mod workload;

#[cfg(feature = "kube")]
pub use endpoint::ResizeEndpoint;
pub use key::{KeyError, ResizedKey};
pub use resolution::{Limits, Resolution};
pub use settings::Settings;
