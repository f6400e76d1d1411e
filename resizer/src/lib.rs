//! The resizer: makes a missing size of a picture once, stores it beside the original, and redirects to it.
//!
//! [`handler`] and its `flight` read as the whole flow: key → policy → fetch → plan → admit → resize →
//! store → redirect. Around them stand [`coalesce`] (one flight per key), [`admission`] (what may run
//! at once), [`negative`] and [`loop_guard`]. Only [`store::s3`], [`server`] and [`traces`] touch the network.

pub mod admin;
pub mod admission;
pub mod answer;
pub mod capacity;
pub mod coalesce;
pub mod connection;
pub mod derivative;
pub mod error;
mod flight;
pub mod handler;
pub mod loop_guard;
pub mod metrics;
pub mod negative;
pub mod once;
pub mod record;
pub mod request_id;
pub mod resize;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod traces;
