//! File and plan → the format's decoder → pixels, as stored, and their colour profile; pixels and plan → the format's encoder →
//! file.
//!
//! Below the [`pipeline`](crate::pipeline), above the [formats](crate::format), which know no plan.

use crate::{
    Error, Format, Plan,
    budget::Budget,
    format::{avif, bmp, gif, jpeg, png, tiff, webp},
    header::Container,
    raster::Raster,
    rows::Rows,
};

/// From so many pixels of the source for one of the output, a WebP is decoded without smoothing.
const COARSE: f64 = 1.4;

/// Pixels, and the ICC profile, if the file has one.
pub(crate) struct Decoded<'a> {
    pub(crate) pixels: Pixels<'a>,
    pub(crate) profile: Option<Vec<u8>>,
}

/// All of them, or those that the scaler reads while it works.
pub(crate) enum Pixels<'a> {
    Whole(Raster),
    Rows(Rows<'a>),
}

/// Reads pixels as the plan says.
pub(crate) fn decode<'a>(source: &'a [u8], plan: &Plan, budget: &Budget) -> Result<Decoded<'a>, Error> {
    let probe = &plan.probe;
    if plan.rows {
        let (rows, profile) = match probe.container {
            Container::Tiff => tiff::rows(source, budget)?,
            _ => png::rows(source, plan.memory, budget)?,
        };
        return Ok(Decoded { pixels: Pixels::Rows(rows), profile });
    }
    let (raster, profile) = match probe.container {
        Container::Jpeg => (
            match &plan.reduced {
                Some(reduced) => jpeg::decode_reduced(source, reduced, budget)?,
                None => jpeg::decode(source, probe, plan.scale, budget)?,
            },
            jpeg::profile(source),
        ),
        Container::Png => png::decode(source, plan.memory, budget)?,
        Container::WebP => webp::decode(source, probe, plan.shrink() >= COARSE, budget)?,
        Container::Gif => (gif::decode(source, probe, budget)?, None),
        Container::Tiff => tiff::decode(source, budget)?,
        Container::Bmp => (bmp::decode(source, probe, budget)?, None),
        Container::Avif => avif::decode(source, budget)?,
    };
    Ok(Decoded { pixels: Pixels::Whole(raster), profile })
}

/// Writes pixels as the plan says, without an alpha or colours that say nothing.
pub(crate) fn encode(raster: Raster, plan: &Plan) -> Result<Vec<u8>, Error> {
    raster.budget().go_on()?;
    let (quality, effort) = (plan.quality(), plan.recipe.effort);
    // a GIF is made of pixels with alpha, whatever they are
    let raster = if plan.format == Format::Gif { raster } else { raster.without_opaque_alpha()? };
    match plan.format {
        Format::Jpeg => {
            jpeg::encode(&raster.flatten(plan.recipe.background.0)?.without_grays_as_colours()?, quality, plan.recipe.progressive, effort)
        }
        Format::Png => png::encode(&raster.without_grays_as_colours()?, effort),
        Format::WebP => webp::encode(raster, quality, effort),
        Format::Gif => gif::encode(raster),
        Format::Avif => avif::encode(raster, quality, plan.recipe.speed()),
    }
}
