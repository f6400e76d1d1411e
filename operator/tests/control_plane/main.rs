//! The operator as a process of this machine, on an etcd and an API server of the test's own.
//!
//! Without the programs that `tests/cluster/build` builds these tests say that they were skipped.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../tests/support/control_plane.rs"]
#[allow(dead_code, reason = "each test takes what it needs")]
mod control_plane;

mod cut;
#[allow(dead_code, reason = "each test takes what it needs")]
mod endpoints;
#[allow(dead_code, reason = "each test takes what it needs")]
mod process;
#[allow(dead_code, reason = "each test takes what it needs")]
mod store;

mod killed;
mod own;
mod undecodable;
