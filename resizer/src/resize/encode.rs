//! Finished pixels and plan → file.

use super::{Error, Format, Plan, gif, jpeg, png, raster::Raster, webp};

pub(super) fn encode(raster: Raster, plan: &Plan) -> Result<Vec<u8>, Error> {
    match plan.format {
        Format::Jpeg => jpeg::encode(&raster.flatten(plan.background), plan.quality),
        Format::Png => png::encode(&raster),
        Format::WebP => webp::encode(raster, plan.quality),
        Format::Gif => gif::encode(raster),
    }
}
