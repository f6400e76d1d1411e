//! What is seen from outside: log lines, metrics, traces, and what the service finds out about itself.

pub mod logs;
pub mod metrics;
pub mod record;
pub mod self_check;
pub mod traces;
