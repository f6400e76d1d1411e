//! The contract between the operator and the resizer.
//!
//! What both must agree on stands here once: what a [`Resolution`] is, how a
//! [`ResizedKey`] is read and written, by which [`Recipe`] pictures are made, and
//! which [`Settings`] the resizer takes from its environment. With the default feature `kube` the Kubernetes API,
//! `ResizeEndpoint`, stands here too; the resizer is built without it.

pub mod bounds;
#[cfg(feature = "kube")]
pub mod ca_bundle;
#[cfg(feature = "kube")]
pub mod condition;
pub mod delivery;
#[cfg(feature = "kube")]
pub mod derivatives;
#[cfg(feature = "kube")]
pub mod endpoint;
pub mod environment;
#[cfg(feature = "kube")]
pub mod gateway;
#[cfg(feature = "kube")]
pub mod inherited;
pub mod key;
pub mod listen;
pub mod picture;
#[cfg(feature = "metrics")]
pub mod process;
pub mod recipes;
pub mod resolution;
#[cfg(feature = "kube")]
pub mod routing;
#[cfg(feature = "kube")]
pub mod secret;
pub mod self_check;
pub mod settings;
pub mod source;
#[cfg(feature = "kube")]
pub mod status;
pub mod stored;
pub mod sweep;
pub mod text;
pub mod variant;
mod words;
#[cfg(feature = "kube")]
pub mod workload;

pub use bounds::Bounds;
pub use delivery::Delivery;
#[cfg(feature = "kube")]
pub use endpoint::ResizeEndpoint;
pub use key::{KeyError, ResizedKey};
pub use picture::Recipe;
pub use recipes::Recipes;
pub use resolution::{Limits, Resolution};
pub use settings::Settings;
pub use source::Source;
pub use stored::Storage;
pub use variant::Variant;
