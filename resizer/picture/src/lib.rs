//! Bytes of a picture → probe → plan → decode → scale → colour → encode → bytes.
//!
//! No network, no clock, no settings of the service: a library that anybody can call.

mod animation;
mod budget;
mod colour;
mod error;
mod format;
mod geometry;
mod orientation;
mod plan;
mod probe;
mod profile;
mod raster;
mod scale;
mod stop;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use plan::Plan;
pub use probe::{HEAD, sniff};
use resize_api::{Limits, Recipe, Resolution, picture::Animation};
pub use stop::Stop;

use crate::{
    budget::Budget,
    raster::{Channels, Raster},
};

/// What to make of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// Size of the output.
    pub resolution: Resolution,
    /// What may come in and go out.
    pub limits: Limits,
    /// How it is made.
    pub recipe: Recipe,
}

impl Request {
    /// A request for `resolution` within `limits` by the default recipe.
    pub fn new(resolution: Resolution, limits: Limits) -> Self {
        Self { resolution, limits, recipe: Recipe::default() }
    }
}

/// A finished picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// Format of `bytes`.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A picture file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// image/jpeg
    Jpeg,
    /// image/png
    Png,
    /// image/webp
    WebP,
    /// image/gif
    Gif,
    /// image/avif
    Avif,
}

impl Format {
    /// Every format that is written.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::Png, Self::WebP, Self::Gif, Self::Avif];

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
        }
    }
}

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
    if frames > 1 && probe.container == probe::Container::WebP {
        probe.working = format::webp::working_of_frames(source, (probe.width, probe.height), frames.min(request.limits.max_frames));
    }
    Plan::new(probe, frames, request)
}

/// A part of [`execute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// File → pixels.
    Decode,
    /// Pixels → as many as wanted, with their colour, orientation and canvas.
    Scale,
    /// Pixels → file.
    Encode,
}

impl Step {
    /// All steps, in their order.
    pub const ALL: [Self; 3] = [Self::Decode, Self::Scale, Self::Encode];
}

/// Makes the picture that was planned for the same `source`, unless it is to `stop`.
pub fn execute(source: &[u8], plan: &Plan, stop: &Stop) -> Result<Picture, Error> {
    execute_in_steps(source, plan, stop, |_| {})
}

/// As [`execute`]; `done` is told of each step as it ends, in an animation for every frame.
pub fn execute_in_steps(source: &[u8], plan: &Plan, stop: &Stop, done: impl FnMut(Step)) -> Result<Picture, Error> {
    let budget = plan.budget(stop);
    let made = if plan.frames > 1 { animation::execute(source, plan, &budget, done) } else { still(source, plan, &budget, done) };
    // whatever a library makes of being stopped
    made.map_err(|error| if stop.is_stopped() { Error::Stopped } else { error })
}

fn still(source: &[u8], plan: &Plan, budget: &Budget, mut done: impl FnMut(Step)) -> Result<Picture, Error> {
    let format::Decoded { raster, profile } = format::decode(source, plan, budget)?;
    done(Step::Decode);
    let finished = finish(raster, profile.as_deref(), plan)?;
    done(Step::Scale);
    let (width, height) = (finished.width, finished.height);
    let bytes = format::encode(finished, plan)?;
    done(Step::Encode);
    Ok(Picture { bytes, format: plan.format, width, height })
}

/// Decoded pixels → pixels as they are written.
fn finish(raster: Raster, profile: Option<&[u8]>, plan: &Plan) -> Result<Raster, Error> {
    let orientation = plan.probe.orientation;
    let scaled = scale::scale(&raster, plan.region(), orientation.turn(plan.geometry.scaled), plan.how())?;
    drop(raster);
    place(orientation.apply(colour::to_srgb(scaled, profile)?)?, plan)
}

/// Puts the picture on its canvas, if that is larger.
fn place(raster: Raster, plan: &Plan) -> Result<Raster, Error> {
    let ((width, height), (left, top)) = (plan.geometry.canvas, plan.geometry.offset);
    if (raster.width, raster.height) == (width, height) {
        return Ok(raster);
    }
    let background = plan.recipe.background.0;
    let [red, green, blue] = background;
    let gray = matches!(raster.channels, Channels::Gray | Channels::GrayAlpha);
    let raster = match (gray && (red, green) != (green, blue), raster.channels.has_alpha()) {
        (true, false) => raster.into_channels(Channels::Rgb)?,
        (true, true) => raster.into_channels(Channels::Rgba)?,
        _ => raster,
    };
    let mut canvas = raster.another(width, height, raster.channels)?;
    canvas.fill(background);
    canvas.draw(&raster, left, top);
    Ok(canvas)
}
