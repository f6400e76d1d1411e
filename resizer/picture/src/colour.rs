//! Pixels and their ICC profile → pixels in sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use crate::raster::{Channels, Raster};

/// Converts to sRGB: CMYK to RGB, gray stays gray. A profile that is broken, or is for other channels, counts as none.
pub(crate) fn to_srgb(raster: Raster, profile: Option<&[u8]>) -> Raster {
    let transform = profile.and_then(|profile| transform(raster.channels, profile));
    match (raster.channels, transform) {
        (Channels::Cmyk, Some(transform)) => {
            let mut converted = Raster::new(raster.width, raster.height, Channels::Rgb);
            match transform.transform(&raster.pixels, &mut converted.pixels) {
                Ok(()) => converted,
                Err(_) => from_cmyk(&raster),
            }
        }
        (Channels::Cmyk, None) => from_cmyk(&raster),
        (_, Some(transform)) if !is_identity(raster.channels, transform.as_ref()) => {
            let mut converted = vec![0; raster.pixels.len()];
            match transform.transform(&raster.pixels, &mut converted) {
                Ok(()) => Raster { pixels: converted, ..raster },
                Err(_) => raster,
            }
        }
        _ => raster,
    }
}

type Transform = std::sync::Arc<dyn TransformExecutor<u8> + Send + Sync>;

fn transform(channels: Channels, profile: &[u8]) -> Option<Transform> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let (space, from, into) = match channels {
        Channels::Gray => (DataColorSpace::Gray, Layout::Gray, Layout::Gray),
        Channels::GrayAlpha => (DataColorSpace::Gray, Layout::GrayAlpha, Layout::GrayAlpha),
        Channels::Rgb => (DataColorSpace::Rgb, Layout::Rgb, Layout::Rgb),
        Channels::Rgba => (DataColorSpace::Rgb, Layout::Rgba, Layout::Rgba),
        Channels::Cmyk => (DataColorSpace::Cmyk, Layout::Rgba, Layout::Rgb),
    };
    if profile.color_space != space {
        return None;
    }
    let srgb = if space == DataColorSpace::Gray { srgb_gray() } else { ColorProfile::new_srgb() };
    profile.create_transform_8bit(from, &srgb, into, TransformOptions::default()).ok()
}

/// Gray with the tone curve of sRGB.
fn srgb_gray() -> ColorProfile {
    let mut profile = ColorProfile::new_gray_with_gamma(2.2);
    profile.gray_trc = ColorProfile::new_srgb().red_trc;
    profile
}

/// Whether samples from all over the space stay as they are, to within rounding: most profiles in the wild are sRGB itself.
fn is_identity(channels: Channels, transform: &(dyn TransformExecutor<u8> + Send + Sync)) -> bool {
    const LEVELS: [u8; 6] = [0, 50, 101, 152, 203, 255];
    let triples = LEVELS.iter().flat_map(|&r| LEVELS.iter().flat_map(move |&g| LEVELS.iter().flat_map(move |&b| [r, g, b])));
    let pixels: Vec<u8> = triples.collect();
    let rgb = Raster { width: 216, height: 1, channels: Channels::Rgb, pixels };
    let samples = match channels {
        Channels::Gray => LEVELS.to_vec(),
        Channels::GrayAlpha => LEVELS.iter().flat_map(|&level| [level, 255]).collect(),
        _ => rgb.into_channels(channels).pixels,
    };
    let mut converted = vec![0; samples.len()];
    transform.transform(&samples, &mut converted).is_ok() && samples.iter().zip(&converted).all(|(from, into)| from.abs_diff(*into) <= 1)
}

/// The conversion of viewers that know no profile: each ink takes its share of light away.
fn from_cmyk(raster: &Raster) -> Raster {
    let light = |ink: u8, black: u8| {
        let product = u32::from(255 - ink) * u32::from(255 - black);
        u8::try_from((product + 127) / 255).unwrap_or(u8::MAX)
    };
    let pixels = raster.pixels.chunks_exact(4).flat_map(|p| [light(p[0], p[3]), light(p[1], p[3]), light(p[2], p[3])]).collect();
    Raster { width: raster.width, height: raster.height, channels: Channels::Rgb, pixels }
}
