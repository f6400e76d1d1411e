//! The formats: file and plan → pixels, as stored, and their colour profile; finished pixels and plan → file.

pub(crate) mod avif;
pub(crate) mod bmp;
mod essential;
pub(crate) mod gif;
pub(crate) mod jpeg;
mod jpeg_turbo;
pub(crate) mod png;
pub(crate) mod tiff;
pub(crate) mod webp;

use crate::{Error, Format, Plan, budget::Budget, probe::Container, raster::Raster};

/// From so many pixels of the source for one of the output, a WebP is decoded without smoothing.
const COARSE: f64 = 1.4;

/// Decoded pixels.
pub(crate) struct Decoded {
    pub(crate) raster: Raster,
    /// ICC profile, if the file has one.
    pub(crate) profile: Option<Vec<u8>>,
}

pub(crate) fn decode(source: &[u8], plan: &Plan, budget: &Budget) -> Result<Decoded, Error> {
    let probe = &plan.probe;
    let (raster, profile) = match probe.container {
        Container::Jpeg => (
            match &plan.reduced {
                Some(reduced) => jpeg::decode_reduced(source, reduced, budget)?,
                None => jpeg::decode(source, probe, plan.denominator, budget)?,
            },
            jpeg::profile(source),
        ),
        Container::Png => png::decode(source, plan.memory, budget)?,
        Container::WebP => webp::decode(source, probe, plan.shrink() >= COARSE, budget)?,
        Container::Gif => (gif::decode(source, probe, budget)?, None),
        Container::Tiff => tiff::decode(source, budget)?,
        Container::Bmp => (bmp::decode(source, probe, budget)?, None),
    };
    Ok(Decoded { raster, profile })
}

impl Format {
    /// Bytes that `pixels` take once they are scaled: for colour, orientation and canvas, and for what the encoder holds and writes.
    pub(crate) fn encoding(self, pixels: u64, has_alpha: bool, quality: u8) -> u64 {
        match self {
            Self::Avif => avif::encoding(pixels, quality),
            Self::WebP => webp::encoding(pixels, has_alpha),
            Self::Png => png::encoding(pixels, has_alpha),
            Self::Jpeg | Self::Gif => pixels * 16,
        }
    }
}

pub(crate) fn encode(raster: Raster, plan: &Plan) -> Result<Vec<u8>, Error> {
    raster.budget().go_on()?;
    let quality = plan.quality();
    match plan.format {
        Format::Jpeg => jpeg::encode(&raster.flatten(plan.recipe.background.0)?, quality, plan.recipe.progressive),
        Format::Png => png::encode(&raster),
        Format::WebP => webp::encode(raster, quality),
        Format::Gif => gif::encode(raster),
        Format::Avif => avif::encode(raster, quality, plan.recipe.avif_speed.get()),
    }
}
