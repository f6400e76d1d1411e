//! The whole service, on a store in memory or a made-up S3, without a network beyond loopback.
#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/identity.rs"]
mod identity_source;
#[path = "../../../tests/support/port.rs"]
mod port;
#[path = "../../../tests/support/proc.rs"]
#[allow(dead_code, reason = "shared with tests that measure")]
mod proc;

mod bucket;
mod cheap;
mod contract;
mod direct;
mod flights;
mod folder;
mod follow;
mod gallery;
mod identity;
mod memory;
mod originals;
mod process;
mod races;
mod s3;
mod sites;
mod streams;
mod sweep;
mod traces;
mod transport;
mod truth;
mod unread;
mod variants;
mod visible;
