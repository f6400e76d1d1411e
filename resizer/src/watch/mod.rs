//! What is seen from outside: log lines, metrics, traces.

pub mod logs;
pub mod metrics;
pub mod record;
pub mod traces;
