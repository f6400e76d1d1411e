//! Pixels and their ICC profile → pixels in sRGB.
//!
//! Below `pipeline`, and formats that convert while they read; above the black point and the raster.

mod black_point;
pub(crate) mod deep;
mod hdr;
mod inks;
pub(crate) mod srgb;

use moxcms::{ColorProfile, DataColorSpace, Layout, ProfileVersion, RenderingIntent, TransformExecutor, TransformOptions};

use crate::{Error, channels::Channels, colour::black_point::BlackPoint, raster::Raster};

/// Converts to sRGB: CMYK to RGB, gray stays gray. A profile that is broken, or is for other channels, counts as none.
pub(crate) fn to_srgb(raster: Raster, profile: Option<&[u8]>) -> Result<Raster, Error> {
    let conversion = profile.and_then(|profile| Conversion::new(raster.channels, profile));
    match (raster.channels, conversion) {
        (Channels::Cmyk, Some(conversion)) => {
            let mut converted = raster.another(raster.width, raster.height, Channels::Rgb)?;
            if conversion.run(&raster, &mut converted)? { Ok(converted) } else { from_cmyk(&raster) }
        }
        (Channels::Cmyk, None) => from_cmyk(&raster),
        (_, Some(conversion)) if !is_identity(raster.channels, conversion.transform.as_ref()) => {
            let mut converted = raster.another(raster.width, raster.height, raster.channels)?;
            Ok(if conversion.run(&raster, &mut converted)? { converted } else { raster })
        }
        _ => Ok(raster),
    }
}

type Transform<T> = std::sync::Arc<dyn TransformExecutor<T> + Send + Sync>;

/// A profile for pixels of `channels`, and how its transforms are made.
struct Source {
    profile: ColorProfile,
    layouts: (Layout, Layout),
    srgb: ColorProfile,
    options: TransformOptions,
}

impl Source {
    fn new(channels: Channels, profile: &[u8]) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(profile).ok()?;
        let (space, layouts) = match channels {
            Channels::Gray => (DataColorSpace::Gray, (Layout::Gray, Layout::Gray)),
            Channels::GrayAlpha => (DataColorSpace::Gray, (Layout::GrayAlpha, Layout::GrayAlpha)),
            Channels::Rgb => (DataColorSpace::Rgb, (Layout::Rgb, Layout::Rgb)),
            Channels::Rgba => (DataColorSpace::Rgb, (Layout::Rgba, Layout::Rgba)),
            Channels::Cmyk => (DataColorSpace::Cmyk, (Layout::Rgba, Layout::Rgb)),
        };
        if profile.color_space != space {
            return None;
        }
        let srgb = if space == DataColorSpace::Gray { srgb_gray() } else { ColorProfile::new_srgb() };
        // as in sharp, whatever the profile itself wants; from the tables that it has
        let rendering_intent = match (&profile.lut_a_to_b_perceptual, &profile.lut_a_to_b_colorimetric) {
            (None, Some(_)) => RenderingIntent::RelativeColorimetric,
            _ => RenderingIntent::Perceptual,
        };
        Some(Self { profile, layouts, srgb, options: TransformOptions { rendering_intent, ..TransformOptions::default() } })
    }

    /// Whether the profile is tables of colours, not curves and a matrix.
    fn has_tables(&self) -> bool {
        self.profile.lut_a_to_b_perceptual.is_some() || self.profile.lut_a_to_b_colorimetric.is_some()
    }

    fn transform(&self) -> Option<Transform<u8>> {
        self.profile.create_transform_8bit(self.layouts.0, &self.srgb, self.layouts.1, self.options).ok()
    }
}

/// From a profile's colours to sRGB.
struct Conversion {
    transform: Transform<u8>,
    black_point: Option<BlackPoint>,
}

impl Conversion {
    fn new(channels: Channels, profile: &[u8]) -> Option<Self> {
        let source = Source::new(channels, profile)?;
        let transform = source.transform()?;
        let darkest = match channels {
            Channels::Rgb => &[0; 3][..],
            Channels::Rgba => &[0, 0, 0, 255],
            Channels::Cmyk => &[255; 4],
            Channels::Gray | Channels::GrayAlpha => &[],
        };
        if !source.has_tables() || darkest.is_empty() {
            return Some(Self { transform, black_point: None });
        }
        let mut black = [0; 4];
        transform.transform(darkest, &mut black[..if channels == Channels::Rgba { 4 } else { 3 }]).ok()?;
        let black = if source.profile.version() >= ProfileVersion::V4_0 { None } else { black.first_chunk().copied() };
        Some(Self { transform, black_point: Some(BlackPoint::new(black)) })
    }

    /// Whether it could be done.
    fn run(&self, raster: &Raster, into: &mut Raster) -> Result<bool, Error> {
        let (stride, into_stride, count) = (raster.stride(), into.stride(), into.channels.count());
        for rows in raster.pieces() {
            let rows = rows?;
            let piece = &mut into.pixels[rows.start * into_stride..rows.end * into_stride];
            if self.transform.transform(&raster.pixels[rows.start * stride..rows.end * stride], piece).is_err() {
                return Ok(false);
            }
            if let Some(black_point) = &self.black_point {
                piece.chunks_exact_mut(count).filter_map(|pixel| pixel.first_chunk_mut()).for_each(|pixel| black_point.apply(pixel));
            }
        }
        Ok(true)
    }
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

fn from_cmyk(raster: &Raster) -> Result<Raster, Error> {
    raster.map(Channels::Rgb, |inks| inks::to_srgb(*inks))
}
