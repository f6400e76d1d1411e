//! File and plan → pixels, as stored, and their colour profile.

use super::{Error, Plan, gif, jpeg, other, png, probe::Container, raster::Raster, webp};

/// From so many pixels of the source for one of the output, a WebP is decoded without smoothing.
const COARSE: f64 = 1.4;

/// Decoded pixels.
pub(super) struct Decoded {
    pub(super) raster: Raster,
    /// ICC profile, if the file has one.
    pub(super) profile: Option<Vec<u8>>,
}

pub(super) fn decode(source: &[u8], plan: &Plan) -> Result<Decoded, Error> {
    let probe = &plan.probe;
    let (raster, profile) = match probe.container {
        Container::Jpeg => (
            match &plan.reduced {
                Some(reduced) => jpeg::decode_reduced(source, reduced)?,
                None => jpeg::decode(source, probe, plan.denominator)?,
            },
            jpeg::profile(source),
        ),
        Container::Png => png::decode(source, plan.memory)?,
        Container::WebP => webp::decode(source, probe, plan.shrink() >= COARSE)?,
        Container::Gif => (gif::decode(source, probe)?, None),
        Container::Tiff | Container::Bmp => other::decode(source, probe)?,
    };
    Ok(Decoded { raster, profile })
}
