//! What the program does beside serving, one command a file. `main` calls them; below are `lifecycle` and the crate `picture`.

pub mod follow;
pub mod once;
pub mod sweep;
