//! What the program does beside serving a bucket, one command a file. `main` calls them; below are `http`, `lifecycle` and the crate
//! `picture`.

pub mod follow;
pub mod once;
pub mod serve;
pub mod sweep;
