//! The resizer as a process on the real S3, behind a proxy that injects faults.
//!
//! The S3 is that of `tests/s3/up`. `RESIZER` names another program than the one built with the tests, a release for example.
//! Without an S3 the tests say that they were skipped, or fail if `RESIZE_CLUSTER=required`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![allow(clippy::format_collect, clippy::large_stack_arrays, clippy::too_many_lines, clippy::trivially_copy_pass_by_ref)]

mod bombs;
mod cache;
mod cold;
mod direct;
mod far;
mod faults;
mod follow;
mod identity;
mod kill;
mod lab;
mod moto;
mod nginx;
#[path = "../../../tests/support/port.rs"]
mod port;
mod proxy;
mod race;
mod sweep;
