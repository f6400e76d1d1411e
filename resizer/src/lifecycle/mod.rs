//! What becomes of derivatives later: the bucket is compared with itself, and what is no longer true goes.
//!
//! [`sweep`](sweep::sweep) is the sentence: list → merge by original → look at what is suspect → refuse or delete → report. `merge`,
//! `pending`, `suspicion` and `brake` are pure; `lanes` lists ahead, `metered` bounds what the store is asked. `command` above starts it; below is
//! `derivative`, which says what is fresh, and the `store`.

pub mod brake;
pub mod follow;
pub mod lanes;
pub mod merge;
pub mod metered;
pub mod order;
pub mod pending;
pub mod prefix;
pub mod reader;
pub mod suspicion;
pub mod sweep;
pub mod tally;
pub mod warm;
