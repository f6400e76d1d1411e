//! Bytes of a picture → probe → plan → decode → scale → colour → encode → bytes.
//!
//! No network, no clock, no settings of the service: a library that anybody can call.

mod colour;
mod decode;
mod encode;
mod error;
mod geometry;
mod gif;
mod huffman;
mod jpeg;
mod libwebp;
mod orientation;
mod other;
mod plan;
mod png;
mod probe;
mod progressive;
mod raster;
mod scale;
#[cfg(test)]
mod tests;
mod webp;

pub use error::Error;
pub use geometry::{Fit, Position};
pub use plan::Plan;
use resize_api::{Limits, Resolution};

use self::raster::{Channels, Raster};

/// What to make of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Size of the output.
    pub resolution: Resolution,
    /// What may come in and go out.
    pub limits: Limits,
    /// How the picture fills the size.
    pub fit: Fit,
    /// What is kept, or where the picture lies, when it does not have the ratio of the size.
    pub position: Position,
    /// Leave a picture that is smaller than the size as it is.
    pub without_enlargement: bool,
    /// What shows around the picture, and through it in a format without transparency: red, green, blue.
    pub background: [u8; 3],
    /// Format of the output; `None` keeps the source's, or PNG for a source that browsers do not show.
    pub format: Option<Format>,
    /// Quality of JPEG and WebP, 1 to 100.
    pub quality: u8,
}

impl Request {
    /// A request for `resolution` within `limits`, all else at its default.
    pub fn new(resolution: Resolution, limits: Limits) -> Self {
        Self {
            resolution,
            limits,
            fit: Fit::default(),
            position: Position::default(),
            without_enlargement: false,
            background: [255; 3],
            format: None,
            quality: 80,
        }
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
}

impl Format {
    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }
}

/// Decides what [`execute`] will do. Reads the header only: cheap, and bounded.
pub fn plan(source: &[u8], request: &Request) -> Result<Plan, Error> {
    if source.len() as u64 > request.limits.max_source_bytes {
        return Err(Error::TooLarge(format!("{} bytes, at most {} are read", source.len(), request.limits.max_source_bytes)));
    }
    Plan::new(probe::probe(source)?, request)
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

/// Makes the picture that was planned for the same `source`.
pub fn execute(source: &[u8], plan: &Plan) -> Result<Picture, Error> {
    execute_in_steps(source, plan, |_| {})
}

/// As [`execute`]; `done` is told of each step as it ends.
pub fn execute_in_steps(source: &[u8], plan: &Plan, mut done: impl FnMut(Step)) -> Result<Picture, Error> {
    let decode::Decoded { raster, profile } = decode::decode(source, plan)?;
    done(Step::Decode);
    let orientation = plan.probe.orientation;
    let scaled = scale::scale(&raster, plan.region(), orientation.turn(plan.geometry.scaled))?;
    drop(raster);
    let upright = orientation.apply(colour::to_srgb(scaled, profile.as_deref()));
    let placed = place(upright, plan);
    done(Step::Scale);
    let (width, height) = (placed.width, placed.height);
    let bytes = encode::encode(placed, plan)?;
    done(Step::Encode);
    Ok(Picture { bytes, format: plan.format, width, height })
}

/// Puts the picture on its canvas, if that is larger.
fn place(raster: Raster, plan: &Plan) -> Raster {
    let ((width, height), (left, top)) = (plan.geometry.canvas, plan.geometry.offset);
    if (raster.width, raster.height) == (width, height) {
        return raster;
    }
    let [red, green, blue] = plan.background;
    let gray = matches!(raster.channels, Channels::Gray | Channels::GrayAlpha);
    let raster = match (gray && (red, green) != (green, blue), raster.channels.has_alpha()) {
        (true, false) => raster.into_channels(Channels::Rgb),
        (true, true) => raster.into_channels(Channels::Rgba),
        _ => raster,
    };
    let mut canvas = Raster::filled(width, height, raster.channels, plan.background);
    canvas.draw(&raster, left, top);
    canvas
}
