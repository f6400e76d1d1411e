//! Probe and request → [`Plan`]: pure arithmetic on sizes.
//!
//! Below the root and what executes; above the formats, each of which says what it takes itself, and the geometry.

use resize_api::{
    Limits, Recipe,
    picture::{OutputFormat, UpTo},
    resolution::MAX_SIDE,
};
use scaled_jpeg::Scale;

use crate::{
    Error, Format, Request, Stop,
    budget::Budget,
    format::{self, jpeg},
    geometry::{Geometry, Region, Rounding, as_reduced, geometry},
    header::{Container, Probe},
    scale::{self, KERNEL},
};

/// A decoder that reduces by itself leaves at least this much for the scaler: less costs sharpness.
const MARGIN: f64 = 1.5;

/// What to do with one source, and what it costs, decided from its header alone.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) probe: Probe,
    pub(crate) geometry: Geometry,
    /// At which size the decoder gives it: [`Scale::Full`], except of JPEGs.
    pub(crate) scale: Scale,
    /// How a JPEG is decoded at that size, if scaled-jpeg can.
    pub(crate) reduced: Option<scaled_jpeg::Plan>,
    /// Its rows are scaled while they are read.
    pub(crate) rows: bool,
    pub(crate) format: Format,
    /// More than one makes an animation.
    pub(crate) frames: u32,
    pub(crate) recipe: Recipe,
    pub(crate) memory: u64,
}

impl Plan {
    /// Upper bound on the memory that [`execute`](crate::execute) takes beside the source, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// What the pixels of one execution may take.
    pub(crate) fn budget(&self, stop: &Stop) -> Budget {
        Budget::new(self.memory, decoded(&self.probe, self.scale, self.reduced.as_ref()), self.probe.channels, stop)
    }

    /// Quality that is wanted, or else what looks about the same in every format.
    pub(crate) fn quality(&self) -> u8 {
        quality(self.format, &self.recipe)
    }

    /// See [`shrink`].
    pub(crate) fn shrink(&self) -> f64 {
        shrink(&self.geometry)
    }

    /// What [`Plan::region`] is scaled to, before it is turned.
    pub(crate) fn stored_size(&self) -> (u32, u32) {
        self.probe.orientation.turn(self.geometry.scaled)
    }

    /// What to scale, in pixels as the decoder gives them.
    pub(crate) fn region(&self) -> Region {
        let region = stored_region(&self.probe, &self.geometry, self.scale);
        let (left, top) = self.reduced.as_ref().map_or((0, 0), |plan| (plan.region().left, plan.region().top));
        Region { left: region.left - f64::from(left), top: region.top - f64::from(top), ..region }
    }

    pub(crate) fn new(probe: Probe, frames: u32, request: &Request) -> Result<Self, Error> {
        let Request { resolution, limits, recipe } = *request;
        let source_pixels = u64::from(probe.width) * u64::from(probe.height);
        if source_pixels > limits.max_source_pixels {
            return Err(Error::TooLarge(format!(
                "{} by {} pixels, at most {} are read",
                probe.width, probe.height, limits.max_source_pixels
            )));
        }
        let displayed = probe.orientation.turn((probe.width, probe.height));
        let measured = match probe.container {
            Container::Jpeg => as_reduced(displayed, resolution, recipe.fit),
            _ => displayed,
        };
        let rounding = if probe.container == Container::WebP { Rounding::Reduced } else { Rounding::Scaled };
        let geometry = geometry(displayed, measured, resolution, recipe.fit, recipe.position, recipe.without_enlargement, rounding);
        let (width, height) = geometry.canvas;
        if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > limits.max_output_pixels {
            return Err(Error::TooLarge(format!("an output of {width} by {height} pixels, at most {} are made", limits.max_output_pixels)));
        }
        let format = match recipe.format {
            OutputFormat::Jpeg => Format::Jpeg,
            OutputFormat::Png => Format::Png,
            OutputFormat::WebP => Format::WebP,
            OutputFormat::Gif => Format::Gif,
            OutputFormat::Avif => Format::Avif,
            OutputFormat::Source => match probe.container {
                Container::Jpeg => Format::Jpeg,
                Container::WebP => Format::WebP,
                Container::Gif => Format::Gif,
                Container::Avif => Format::Avif,
                Container::Png | Container::Tiff | Container::Bmp => Format::Png,
            },
        };
        let frames = if matches!(format, Format::Gif | Format::WebP) { frames } else { 1 };
        let quality = quality(format, &recipe);
        let has_alpha = probe.channels.has_alpha() || frames > 1;
        format::admit(format, u64::from(width) * u64::from(height), has_alpha, quality)?;
        within_limits(frames, source_pixels.max(u64::from(width) * u64::from(height)), limits)?;
        let scale = if probe.container == Container::Jpeg { reduction(&geometry) } else { Scale::Full };
        let reduced = probe.scaled.as_ref().and_then(|header| {
            let region = stored_region(&probe, &geometry, scale);
            let (width, height) = probe.orientation.turn(geometry.scaled);
            let reach = |length: f64, scaled: u32| KERNEL * (length / f64::from(scaled)).max(1.0) + 1.0;
            jpeg::plan_reduced(header, scale, region, (reach(region.width, width), reach(region.height, height)))
        });
        let region = stored_region(&probe, &geometry, scale);
        let size = probe.orientation.turn(geometry.scaled);
        let rows = frames < 2 && probe.rows && scale::takes_rows(region, size, recipe.kernel, probe.channels);
        let memory = memory(&probe, &geometry, (scale, reduced.as_ref(), rows), format, frames);
        Ok(Self { probe, geometry, scale, reduced, rows, format, frames, recipe, memory })
    }
}

fn quality(format: Format, recipe: &Recipe) -> u8 {
    let default = if format == Format::Avif { 60 } else { 80 };
    recipe.quality.map_or(default, UpTo::get)
}

/// What to scale of the whole picture, as it is stored, at `scale`.
fn stored_region(probe: &Probe, geometry: &Geometry, scale: Scale) -> Region {
    let (width, height) = probe.orientation.turn((probe.width, probe.height));
    let stored = probe.orientation.stored(geometry.region, f64::from(width), f64::from(height));
    let scale = f64::from(scale.eighths()) / 8.0;
    Region { left: stored.left * scale, top: stored.top * scale, width: stored.width * scale, height: stored.height * scale }
}

/// Of an animation, all frames together, as they come in and as they go out, are bounded like a picture that comes in.
pub(crate) fn within_limits(frames: u32, pixels: u64, limits: Limits) -> Result<(), Error> {
    if frames > limits.max_frames {
        return Err(Error::TooLarge(format!("an animation of more than {} frames", limits.max_frames)));
    }
    if frames > 1 && u64::from(frames).saturating_mul(pixels) > limits.max_source_pixels {
        return Err(Error::TooLarge(format!("{frames} frames of {pixels} pixels, at most {} in all", limits.max_source_pixels)));
    }
    Ok(())
}

/// Pixels of the source for one of the output, along the side where they are fewer.
fn shrink(geometry: &Geometry) -> f64 {
    (geometry.region.width / f64::from(geometry.scaled.0)).min(geometry.region.height / f64::from(geometry.scaled.1))
}

/// The smallest that leaves [`MARGIN`].
fn reduction(geometry: &Geometry) -> Scale {
    let shrink = shrink(geometry) / 8.0;
    Scale::ALL.into_iter().find(|scale| shrink * f64::from(scale.eighths()) >= MARGIN).unwrap_or(Scale::Full)
}

/// Width and height of what the decoder gives.
fn decoded(probe: &Probe, scale: Scale, reduced: Option<&scaled_jpeg::Plan>) -> (u32, u32) {
    let whole = scale.size_of((probe.width, probe.height));
    reduced.map_or(whole, scaled_jpeg::Plan::size)
}

/// For a colour profile of so many bytes: itself, what it is read to, and the tables of its conversion.
fn colour(profile: usize) -> u64 {
    if profile == 0 { 0 } else { profile as u64 * 7 + (2 << 20) }
}

/// How much of a picture is decoded: at which size, which part, and whether row by row.
type Decoding<'a> = (Scale, Option<&'a scaled_jpeg::Plan>, bool);

/// Decoded, in the scaler, and scaled; then once more for colour, orientation, canvas and file.
fn memory(probe: &Probe, geometry: &Geometry, (scale, reduced, rows): Decoding, format: Format, frames: u32) -> u64 {
    let (width, height) = decoded(probe, scale, reduced);
    let (width, height) = (u64::from(width), u64::from(height));
    let decoded = width * height;
    let working = reduced.map_or(probe.working, scaled_jpeg::Plan::memory);
    let output = u64::from(geometry.canvas.0) * u64::from(geometry.canvas.1);
    let region = stored_region(probe, geometry, scale);
    // of rows that are scaled while they are read there are two
    let held = if rows { width * 2 } else { decoded };
    let still = held * probe.channels.count() as u64
        + scale::memory((width, height), region, probe.orientation.turn(geometry.scaled), probe.channels)
        + format::encoding(format, geometry.canvas, probe.channels.has_alpha())
        + working
        + colour(probe.profile)
        + (1 << 20);
    if frames < 2 {
        return still;
    }
    // canvases of reader and writer, and the file as it grows
    still + (decoded + output) * 4 * 4 + u64::from(frames) * output * 3
}
