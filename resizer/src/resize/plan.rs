//! Probe and request → [`Plan`]: pure arithmetic on sizes.

use resize_api::resolution::MAX_SIDE;

use super::{
    Error, Format, Request,
    geometry::{Geometry, Region, as_reduced, geometry},
    probe::{Container, Probe},
};

/// A decoder that reduces by itself leaves at least this much for the scaler: less costs sharpness.
const MARGIN: f64 = 1.5;

/// What to do with one source, and what it costs, decided from its header alone.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) probe: Probe,
    pub(super) geometry: Geometry,
    /// The decoder gives 1/`denominator` of the size.
    pub(super) denominator: u32,
    pub(super) format: Format,
    pub(super) quality: u8,
    pub(super) background: [u8; 3],
    pub(super) memory: u64,
}

impl Plan {
    /// Upper bound on the memory that [`execute`](super::execute) takes beside the source, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// What to scale, in pixels as the decoder gives them.
    pub(super) fn region(&self) -> Region {
        let (width, height) = self.probe.orientation.turn((self.probe.width, self.probe.height));
        let stored = self.probe.orientation.stored(self.geometry.region, f64::from(width), f64::from(height));
        let scale = 1.0 / f64::from(self.denominator);
        Region { left: stored.left * scale, top: stored.top * scale, width: stored.width * scale, height: stored.height * scale }
    }

    pub(super) fn new(probe: Probe, request: &Request) -> Result<Self, Error> {
        let limits = request.limits;
        let source_pixels = u64::from(probe.width) * u64::from(probe.height);
        if source_pixels > limits.max_source_pixels {
            return Err(Error::TooLarge(format!(
                "{} by {} pixels, at most {} are read",
                probe.width, probe.height, limits.max_source_pixels
            )));
        }
        let displayed = probe.orientation.turn((probe.width, probe.height));
        let measured = match probe.container {
            Container::Jpeg => as_reduced(displayed, request.resolution, request.fit),
            _ => displayed,
        };
        let geometry = geometry(displayed, measured, request.resolution, request.fit, request.position, request.without_enlargement);
        let (width, height) = geometry.canvas;
        if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > limits.max_output_pixels {
            return Err(Error::TooLarge(format!("an output of {width} by {height} pixels, at most {} are made", limits.max_output_pixels)));
        }
        let format = request.format.unwrap_or(match probe.container {
            Container::Jpeg => Format::Jpeg,
            Container::WebP => Format::WebP,
            Container::Gif => Format::Gif,
            Container::Png | Container::Tiff | Container::Bmp => Format::Png,
        });
        let denominator = if probe.container == Container::Jpeg { denominator(&geometry) } else { 1 };
        let memory = memory(&probe, &geometry, denominator);
        Ok(Self { probe, geometry, denominator, format, quality: request.quality.clamp(1, 100), background: request.background, memory })
    }
}

/// The largest power of two that leaves [`MARGIN`].
fn denominator(geometry: &Geometry) -> u32 {
    let shrink_x = geometry.region.width / f64::from(geometry.scaled.0);
    let shrink_y = geometry.region.height / f64::from(geometry.scaled.1);
    let shrink = shrink_x.min(shrink_y);
    [8, 4, 2].into_iter().find(|&denominator| shrink >= MARGIN * f64::from(denominator)).unwrap_or(1)
}

/// Decoded, between the two passes of the scaler, and scaled; then once more for colour, orientation, canvas and file.
fn memory(probe: &Probe, geometry: &Geometry, denominator: u32) -> u64 {
    let decoded_width = u64::from(probe.width.div_ceil(denominator));
    let decoded_height = u64::from(probe.height.div_ceil(denominator));
    let decoded = decoded_width * decoded_height;
    let (width, height) = probe.orientation.turn(geometry.scaled);
    let between = (u64::from(width) * decoded_height).max(decoded_width * u64::from(height));
    // alpha is multiplied in on a copy
    let copies = if probe.channels.has_alpha() { 2 } else { 1 };
    // of the 64 coefficients of a block, one is kept
    let working = if denominator == 8 && probe.dc_only { probe.working / 32 } else { probe.working };
    let output = u64::from(geometry.canvas.0) * u64::from(geometry.canvas.1);
    (decoded * copies + between) * probe.channels.count() as u64 + output * 16 + working + (1 << 20)
}
