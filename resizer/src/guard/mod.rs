//! What keeps many from harming all.

pub mod admission;
pub mod capacity;
pub mod coalesce;
pub mod loop_guard;
pub mod negative;
pub mod pool;
pub mod visible;
