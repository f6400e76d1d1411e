//! Whole pictures, drawn here, through plan and execute.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "sides and sizes are small")]

mod animations;
mod bad_input;
mod drawing;
mod formats;
mod memory;
mod traps;
