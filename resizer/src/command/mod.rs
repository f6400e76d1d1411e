//! What the program does beside serving, one command a file. `main` calls them; below is the crate `picture`.

pub mod once;
