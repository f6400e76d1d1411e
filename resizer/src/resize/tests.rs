//! Whole pictures, drawn here, through plan and execute.

mod bad_input;
mod drawing;
mod formats;
mod traps;
