//! Pixels and their ICC profile → pixels in sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use crate::{
    Error,
    raster::{Channels, Raster},
};

/// Converts to sRGB: CMYK to RGB, gray stays gray. A profile that is broken, or is for other channels, counts as none.
pub(crate) fn to_srgb(raster: Raster, profile: Option<&[u8]>) -> Result<Raster, Error> {
    let transform = profile.and_then(|profile| transform(raster.channels, profile));
    match (raster.channels, transform) {
        (Channels::Cmyk, Some(transform)) => {
            let mut converted = raster.another(raster.width, raster.height, Channels::Rgb)?;
            match transform.transform(&raster.pixels, &mut converted.pixels) {
                Ok(()) => Ok(converted),
                Err(_) => from_cmyk(&raster),
            }
        }
        (Channels::Cmyk, None) => from_cmyk(&raster),
        (_, Some(transform)) if !is_identity(raster.channels, transform.as_ref()) => {
            let mut converted = raster.another(raster.width, raster.height, raster.channels)?;
            let done = transform.transform(&raster.pixels, &mut converted.pixels);
            Ok(if done.is_ok() { converted } else { raster })
        }
        _ => Ok(raster),
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
    let triples = LEVELS.iter().flat_map(|&r| LEVELS.iter().flat_map(move |&g| LEVELS.iter().map(move |&b| [r, g, b])));
    let samples: Vec<u8> = match channels {
        Channels::Gray => LEVELS.to_vec(),
        Channels::GrayAlpha => LEVELS.iter().flat_map(|&level| [level, 255]).collect(),
        Channels::Rgb => triples.flatten().collect(),
        Channels::Rgba | Channels::Cmyk => triples.flat_map(|[r, g, b]| [r, g, b, 255]).collect(),
    };
    let mut converted = vec![0; samples.len()];
    transform.transform(&samples, &mut converted).is_ok() && samples.iter().zip(&converted).all(|(from, into)| from.abs_diff(*into) <= 1)
}

/// The conversion of viewers that know no profile: each ink takes its share of light away.
fn from_cmyk(raster: &Raster) -> Result<Raster, Error> {
    let light = |ink: u8, black: u8| {
        let product = u32::from(255 - ink) * u32::from(255 - black);
        u8::try_from((product + 127) / 255).unwrap_or(u8::MAX)
    };
    raster.map(Channels::Rgb, |&[cyan, magenta, yellow, black]| [light(cyan, black), light(magenta, black), light(yellow, black)])
}
