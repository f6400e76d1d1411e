//! The operator as a process of this machine, on an etcd and an API server of the test's own.
//!
//! Without the programs that `tests/cluster/build` builds these tests say that they were skipped.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../tests/support/control_plane.rs"]
mod control_plane;
#[path = "../../../tests/support/identity.rs"]
mod identity_source;
#[path = "../../../tests/support/port.rs"]
mod port;
#[path = "../../../tests/support/proc.rs"]
mod proc;
#[path = "../../../tests/support/s3.rs"]
#[allow(dead_code, reason = "shared with tests that push events")]
mod s3;

mod bench;
mod cut;
mod endless;
mod endpoints;
mod process;
mod store;

mod admission;
mod certificate;
mod check;
mod delivery;
mod derivatives;
mod fields;
mod identity;
mod killed;
mod leader;
mod own;
mod paced;
mod render;
mod rules;
mod scale;
mod scope;
mod taken;
mod tenancy;
mod undecodable;
mod upgrade;
mod workload;
