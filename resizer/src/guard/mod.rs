//! What keeps many from harming all: how much runs at once, once per key, and what is remembered of keys and of the public URL.
//!
//! In flow the needs of a request; out flows a permit, a wait, a refusal or an earlier result. `service` above holds one of each;
//! below are `store`, for the public URL, and `watch`, for the numbers.

pub mod admission;
pub mod capacity;
pub mod loop_guard;
pub mod negative;
pub mod pool;
pub mod singleflight;
pub mod visible;
