//! Whole pictures, drawn here, through plan and execute.

mod animations;
mod bad_input;
mod drawing;
mod formats;
mod memory;
mod traps;
