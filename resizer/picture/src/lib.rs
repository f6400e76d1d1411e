//! Bytes of a picture → probe → plan → decode → scale → colour → encode → bytes.
//!
//! No network, no clock, no settings of the service: a library that anybody can call. This file is its interface, above all rooms; the
//! order of these is in docs/development.md.

mod animation;
mod budget;
mod channels;
mod codec;
mod colour;
mod error;
mod format;
mod frame;
mod geometry;
mod header;
mod orientation;
mod palette;
mod pipeline;
mod plan;
mod probe;
mod profile;
mod raster;
mod request;
mod rows;
mod scale;
mod stop;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use plan::Plan;
pub use probe::{HEAD, media_type, sniff};
pub use request::{Format, Picture, Request, Step};
use resize_api::picture::Animation;
pub use stop::Stop;

use crate::header::Container;

/// Decides what [`execute`] will do. Reads the header only: cheap, and bounded.
pub fn plan(source: &[u8], request: &Request) -> Result<Plan, Error> {
    if source.len() as u64 > request.limits.max_source_bytes {
        return Err(Error::TooLarge(format!("{} bytes, at most {} are read", source.len(), request.limits.max_source_bytes)));
    }
    let mut probe = probe::probe(source)?;
    let frames = match request.recipe.animation {
        Animation::First => 1,
        Animation::Keep => animation::count(source, probe.container, request.limits.max_frames),
    };
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    // the heads of more frames, or of larger ones, than are admitted are not looked into
    if frames > 1 && probe.container == Container::WebP && plan::within_limits(frames, pixels, request.limits).is_ok() {
        probe.working = format::webp::working_of_frames(source, (probe.width, probe.height), frames);
    }
    Plan::new(probe, frames, request)
}

/// Makes the picture that was planned for the same `source`, unless it is to `stop`.
pub fn execute(source: &[u8], plan: &Plan, stop: &Stop) -> Result<Picture, Error> {
    execute_in_steps(source, plan, stop, |_| {})
}

/// As [`execute`]; `done` is told of each step as it ends, in an animation for every frame.
pub fn execute_in_steps(source: &[u8], plan: &Plan, stop: &Stop, done: impl FnMut(Step)) -> Result<Picture, Error> {
    let budget = plan.budget(stop);
    let made = if plan.frames > 1 { animation::execute(source, plan, &budget, done) } else { pipeline::still(source, plan, &budget, done) };
    // a library that was stopped reports an error of its own
    made.map_err(|error| if stop.is_stopped() { Error::Stopped } else { error })
}
