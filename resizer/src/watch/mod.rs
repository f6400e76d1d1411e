//! What is seen from outside: log lines, metrics and traces.
//!
//! In flow the facts that the rooms above tell; out flow text and spans. Nothing of this crate is below, so all may tell what they do.

pub mod logs;
pub mod metrics;
pub mod record;
pub mod stage;
pub mod traces;
