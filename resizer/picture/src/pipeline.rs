//! One picture, as planned: file → decode → scale → colour → orientation → canvas → encode → file.
//!
//! Below the root and `animation`, which finishes each of its frames by it; above the `codec` and what
//! changes pixels.

use crate::{
    Error, Picture, Plan, Step,
    budget::Budget,
    channels::Channels,
    codec::{self, Pixels},
    colour,
    raster::Raster,
    scale,
};

/// Makes a picture of `source`; `done` is told of each step as it ends.
pub(crate) fn still(source: &[u8], plan: &Plan, budget: &Budget, mut done: impl FnMut(Step)) -> Result<Picture, Error> {
    let decoded = codec::decode(source, plan, budget)?;
    done(Step::Decode);
    let scaled = match decoded.pixels {
        Pixels::Whole(raster) => scaled(raster, plan)?,
        Pixels::Rows(rows) => scale::scale_rows(rows, plan.region(), plan.stored_size(), plan.recipe.kernel)?,
    };
    let finished = coloured(scaled, decoded.profile.as_deref(), plan)?;
    done(Step::Scale);
    let (width, height) = (finished.width, finished.height);
    let bytes = codec::encode(finished, plan)?;
    done(Step::Encode);
    Ok(Picture { bytes, format: plan.format, width, height })
}

/// Decoded pixels → pixels as they are written.
pub(crate) fn finish(raster: Raster, profile: Option<&[u8]>, plan: &Plan) -> Result<Raster, Error> {
    coloured(scaled(raster, plan)?, profile, plan)
}

fn scaled(raster: Raster, plan: &Plan) -> Result<Raster, Error> {
    scale::scale(&raster, plan.region(), plan.stored_size(), plan.recipe.kernel)
}

/// Scaled pixels, with all that is left to do before they are written.
fn coloured(scaled: Raster, profile: Option<&[u8]>, plan: &Plan) -> Result<Raster, Error> {
    place(plan.probe.orientation.apply(colour::to_srgb(scaled, profile)?)?, plan)
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
