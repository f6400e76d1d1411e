//! Whole pictures, drawn here, through plan and execute.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "sides and sizes are small")]

mod animations;
mod avif;
mod bad_input;
mod colours;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod counter;
pub(crate) mod drawing;
mod faults;
mod formats;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory;
mod rows;
mod stopping;
mod tiff;
mod traps;
