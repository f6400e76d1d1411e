//! What the program does beside serving, one command a file.

pub mod once;
