//! The resizer: makes a missing size of a picture once, stores it beside the original, and redirects to it.
//!
//! [`handler`] reads as the whole flow: key → policy → fetch → plan → admit → resize →
//! store → redirect. Around it stand [`coalesce`] (one flight per key), [`admission`]
//! (what may run at once) and [`loop_guard`]. Only [`store::s3`] and [`server`] touch the network.

pub mod admin;
pub mod admission;
pub mod answer;
pub mod capacity;
pub mod coalesce;
pub mod derivative;
pub mod error;
pub mod handler;
pub mod loop_guard;
pub mod metrics;
pub mod once;
pub mod record;
pub mod resize;
pub mod server;
pub mod store;
pub mod telemetry;
