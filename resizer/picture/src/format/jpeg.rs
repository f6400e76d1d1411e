//! JPEG: header → [`Probe`]; file → pixels at a reduced scale; pixels → file.
//!
//! scaled-jpeg reads all but arithmetic coding, which libjpeg-turbo reads; small-jpeg writes.
//!
//! Below `probe`, `plan` and `codec`; above `jpeg_turbo` and the raster.

use resize_api::picture::Effort;
use scaled_jpeg::{Colour, ErrorKind, Options, Scale};
use small_jpeg::{Coding, Sampling};

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    format::jpeg_turbo::{Bounds, Decoder},
    geometry::Region,
    header::{Container, Probe},
    orientation::Orientation,
    profile,
    raster::Raster,
};

/// Scans that a progressive picture may have: a few hundred can take minutes.
const MAX_SCANS: u32 = 100;

const SOI: u8 = 0xD8;
const SOS: u8 = 0xDA;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP14: u8 = 0xEE;

/// Marker and content of each segment up to the first scan.
struct Segments<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.source.get(self.at..)?;
            let start = rest.iter().position(|&byte| byte == 0xFF)?;
            let padding = rest[start..].iter().position(|&byte| byte != 0xFF)?;
            let marker = rest[start + padding];
            self.at += start + padding + 1;
            match marker {
                0 | 1 | 0xD0..=SOI => {}
                SOS | 0xD9 => return None,
                _ => {
                    let length = usize::from(u16::from_be_bytes(self.source.get(self.at..self.at + 2)?.try_into().ok()?));
                    let content = self.source.get(self.at + 2..self.at + length)?;
                    self.at += length;
                    return Some((marker, content));
                }
            }
        }
    }
}

fn segments(source: &[u8]) -> Segments<'_> {
    Segments { source, at: 2 }
}

/// The content of the segments with `marker` that begin with `name`, without it.
fn named<'a>(source: &'a [u8], marker: u8, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    segments(source).filter(move |segment| segment.0 == marker).filter_map(move |segment| segment.1.strip_prefix(name))
}

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let is_frame = |marker: u8| matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
    let (marker, frame) =
        segments(source).find(|segment| is_frame(segment.0)).ok_or_else(|| Error::Damaged("JPEG without a frame header".into()))?;
    if !matches!(marker, 0xC0..=0xC2 | 0xC9 | 0xCA) {
        return Err(Error::Unsupported(format!("JPEG of a rare kind (SOF{})", marker - 0xC0)));
    }
    let [precision, h1, h0, w1, w0, count, components @ ..] = frame else {
        return Err(Error::Damaged("JPEG with a short frame header".into()));
    };
    if *precision != 8 {
        return Err(Error::Unsupported(format!("JPEG of {precision} bits")));
    }
    let channels = match count {
        1 => Channels::Gray,
        3 => Channels::Rgb,
        4 => Channels::Cmyk,
        _ => return Err(Error::Unsupported(format!("JPEG of {count} components"))),
    };
    let (width, height) = (u32::from(u16::from_be_bytes([*w1, *w0])), u32::from(u16::from_be_bytes([*h1, *h0])));
    let progressive = matches!(marker, 0xC2 | 0xCA);
    let orientation = named(source, APP1, b"Exif\0\0").next().map(Orientation::from_exif).unwrap_or_default();
    let (first_scan, components_of_first_scan) = first_scan(source);
    let several = progressive || components_of_first_scan != Some(*count);
    let coefficients = coefficients(width, height, components);
    let working = if several { coefficients * 2 } else { 0 };
    let profile = profile::length(profile_parts(source).map(|part| &part[2..]));
    let scaled = scaled_jpeg::Header::read(source).ok();
    if scaled.is_none() {
        bounded(coefficients, source.len() - first_scan)?;
    }
    Ok(Probe { container: Container::Jpeg, width, height, channels, orientation, working, profile, scaled, rows: false })
}

/// Where the first scan begins, and how many components it has.
fn first_scan(source: &[u8]) -> (usize, Option<u8>) {
    let mut segments = segments(source);
    segments.by_ref().for_each(drop);
    let components = match source.get(segments.at.saturating_sub(1)..) {
        Some(&[SOS, _, _, components, ..]) => Some(components),
        _ => None,
    };
    (segments.at.min(source.len()), components)
}

/// DCT coefficients of all components; libjpeg-turbo keeps all until the last scan if there is more than one.
fn coefficients(width: u32, height: u32, components: &[u8]) -> u64 {
    let sampling: Vec<_> =
        components.chunks_exact(3).map(|component| (u64::from(component[1] >> 4), u64::from(component[1] & 15))).collect();
    let most = |side: fn(&(u64, u64)) -> u64| sampling.iter().map(side).max().unwrap_or(1).max(1);
    let units = u64::from(width).div_ceil(8 * most(|s| s.0)) * u64::from(height).div_ceil(8 * most(|s| s.1));
    let blocks: u64 = sampling.iter().map(|(x, y)| x * y).sum();
    units * blocks * 64
}

/// Coefficients and bytes that libjpeg-turbo reads in less than a second where they are coded arithmetically: 100 ns a byte, as measured,
/// and up to 30 ns a coefficient of those that take few bytes. Nothing stops it.
const MOST_COEFFICIENTS: u64 = 15_000_000;
const MOST_BYTES: usize = 7_000_000;

/// Whether what scaled-jpeg does not read is read in time.
fn bounded(coefficients: u64, bytes: usize) -> Result<(), Error> {
    if coefficients <= MOST_COEFFICIENTS && bytes <= MOST_BYTES {
        return Ok(());
    }
    let most = format!("at most {MOST_COEFFICIENTS} in {MOST_BYTES} are read");
    Err(Error::TooLarge(format!("JPEG with arithmetic coding of {coefficients} samples in {bytes} bytes, {most}")))
}

/// Number, count and content of each part of the colour profile.
fn profile_parts(source: &[u8]) -> impl Iterator<Item = &[u8]> {
    named(source, APP2, b"ICC_PROFILE\0").filter(|part| part.len() > 2)
}

/// The colour profile, put together from its parts; none if a part is missing, or their numbers make no sense.
pub(crate) fn profile(source: &[u8]) -> Option<Vec<u8>> {
    let mut parts = vec![];
    for part in profile_parts(source) {
        let [index, count, content @ ..] = part else { return None };
        parts.resize(usize::from(*count).max(parts.len()), None);
        // of two parts with one number the first counts
        parts.get_mut(usize::from(*index).checked_sub(1)?)?.get_or_insert(content);
    }
    let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    profile::joined(parts.into_iter())
}

/// What scaled-jpeg will do, if it can: the part that the scaler reads, which is `region` and what its kernel reaches.
pub(crate) fn plan_reduced(header: &scaled_jpeg::Header, scale: Scale, region: Region, reach: (f64, f64)) -> Option<scaled_jpeg::Plan> {
    let size = scale.size(header);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the picture")]
    let axis = |start: f64, length: f64, reach: f64, side: u32| {
        let first = (start - reach).floor().max(0.0) as u32;
        let end = ((start + length + reach).ceil() as u32).min(side);
        (first, end.saturating_sub(first))
    };
    let (left, width) = axis(region.left, region.width, reach.0, size.0);
    let (top, height) = axis(region.top, region.height, reach.1, size.1);
    let inks = matches!(header.colour(), Colour::Cmyk | Colour::Ycck);
    // whether inks are stored inverted is seen from all pixels, so nothing is cut off
    let region = (!inks).then_some(scaled_jpeg::Region { left, top, width, height });
    // pixels and memory have the limits of the whole pipeline
    let options = Options { region, max_scans: MAX_SCANS, max_pixels: u64::MAX, max_memory: u64::MAX, ..Options::new(scale) };
    scaled_jpeg::Plan::new(header, &options).ok()
}

/// Decodes what was planned.
pub(crate) fn decode_reduced(source: &[u8], plan: &scaled_jpeg::Plan, budget: &Budget) -> Result<Raster, Error> {
    let (width, height) = plan.size();
    let channels = match plan.channels() {
        1 => Channels::Gray,
        3 => Channels::Rgb,
        _ => Channels::Cmyk,
    };
    budget.admit((width, height), channels)?;
    let mut raster = Raster::new(budget, width, height, channels)?;
    let stride = raster.stride();
    plan.decode_until(budget.stop().flag(), source, &mut raster.pixels, stride).map_err(|error| match error.kind {
        ErrorKind::Unsupported(_) => Error::Unsupported(format!("JPEG {error}")),
        _ => Error::Damaged(format!("JPEG {error}")),
    })?;
    if channels == Channels::Cmyk {
        to_ink(source, &mut raster);
    }
    Ok(raster)
}

/// An average of black up to this counts as no black ink.
const NO_BLACK: u64 = 16;

/// Nearly all files, with or without Adobe's marker, store inks inverted: 255 is none. A file without the marker in which black would then
/// be full everywhere stores them as they are.
fn to_ink(source: &[u8], raster: &mut Raster) {
    let pixels = raster.pixels.as_chunks::<4>().0;
    let black: u64 = pixels.iter().map(|pixel| u64::from(pixel[3])).sum();
    let adobe = named(source, APP14, b"Adobe").next().is_some();
    if adobe || black > NO_BLACK * pixels.len() as u64 {
        raster.pixels.iter_mut().for_each(|ink| *ink = !*ink);
    }
}

/// Decodes what scaled-jpeg does not read.
pub(crate) fn decode(source: &[u8], probe: &Probe, scale: Scale, budget: &Budget) -> Result<Raster, Error> {
    let channels = probe.channels;
    let mut raster = Decoder::new(source, &Bounds { scans: MAX_SCANS, memory: probe.working })?.decode(scale, channels, budget)?;
    if channels == Channels::Cmyk {
        to_ink(source, &mut raster);
    }
    Ok(raster)
}

fn sampling(channels: Channels) -> Sampling {
    if channels == Channels::Gray { Sampling::Gray } else { Sampling::S420 }
}

/// Bytes that an encoder takes at most, and what it writes.
pub(crate) fn encoding((width, height): (u32, u32)) -> u64 {
    // before that, as much as the encoder holds of a pixel is taken for its colour and orientation
    u64::from(width) * u64::from(height) * 8 + small_jpeg::memory(width, height, Sampling::S420) as u64
}

/// Encodes gray or RGB pixels; a file that need not be `progressive` is if that is smaller, unless that is not even tried.
pub(crate) fn encode(raster: &Raster, quality: u8, progressive: bool, effort: Effort) -> Result<Vec<u8>, Error> {
    let (coding, effort) = match effort {
        Effort::Fast => (Coding::Baseline, small_jpeg::Effort::Fast),
        Effort::Balanced => (Coding::Smallest, small_jpeg::Effort::Balanced),
        Effort::Small => (Coding::Smallest, small_jpeg::Effort::Small),
    };
    let coding = if progressive { Coding::Progressive } else { coding };
    let options = small_jpeg::Options { quality, sampling: sampling(raster.channels), coding, effort };
    let stop = raster.budget().stop().flag();
    small_jpeg::encode_until(stop, &raster.pixels, raster.width, raster.height, &options).map_err(|error| match error {
        small_jpeg::Error::Stopped => Error::Stopped,
        small_jpeg::Error::Size(..) | small_jpeg::Error::Length { .. } => Error::TooLarge(format!("as a JPEG, {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::drawing::{flat, jpeg};

    #[test]
    fn what_cannot_be_stopped_is_bounded_by_samples_and_by_bytes() {
        let file = |side, channels: Channels, arithmetic| {
            jpeg(&flat(side, side, channels, &[90; 4][..channels.count()]), |compressor| compressor.set_arithmetic(arithmetic).unwrap())
        };
        for (side, channels, read) in
            [(3000, Channels::Rgb, true), (3200, Channels::Rgb, false), (3800, Channels::Gray, true), (2000, Channels::Cmyk, false)]
        {
            let refused = matches!(probe(&file(side, channels, true)), Err(Error::TooLarge(_)));
            assert_eq!(refused, !read, "{side} {channels:?}");
            assert!(probe(&file(side, channels, false)).is_ok(), "{side} {channels:?}");
        }
        assert!(bounded(64, MOST_BYTES).is_ok() && bounded(64, MOST_BYTES + 1).is_err());
    }
}
