//! Finished pixels and plan → file.

use super::{Error, Format, Plan, avif, gif, jpeg, png, raster::Raster, webp};

pub(super) fn encode(raster: Raster, plan: &Plan) -> Result<Vec<u8>, Error> {
    let quality = plan.quality();
    match plan.format {
        Format::Jpeg => jpeg::encode(&raster.flatten(plan.recipe.background.0), quality, plan.recipe.progressive),
        Format::Png => png::encode(&raster),
        Format::WebP => webp::encode(raster, quality),
        Format::Gif => gif::encode(raster),
        Format::Avif => avif::encode(raster, quality, plan.recipe.avif_speed.get()),
    }
}
