//! Pixels → the smallest PNG that is made in little time: in indexed colours where there are few, else filtered as a photo or a drawing.
//!
//! Below `codec`; above the palette and the raster.

use std::{borrow::Cow, io::Write};

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};
use resize_api::picture::Effort;

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    palette::{COLOURS, Palette},
    raster::Raster,
};

/// See [`encoding`](super::encoding): the pixels, a file of as many bytes, and another one as it grows.
pub(crate) fn encoding(pixels: u64, has_alpha: bool) -> u64 {
    pixels * if has_alpha { 28 } else { 21 }
}

/// Shares of the raw size that a photo keeps when it is compressed fast.
const PHOTO: std::ops::Range<usize> = 45..90;

/// Of each so many rows, so many are the sample.
const SAMPLE: (usize, usize) = (128, 8);

/// As indexed colours, if there are few and that is smaller. With [`Effort::Small`] adaptive filters are also compressed by level 6: photos
/// take 8 % fewer bytes, and ten times as long.
pub(crate) fn encode(raster: &Raster, effort: Effort) -> Result<Vec<u8>, Error> {
    let mut file = in_full(raster)?;
    if effort == Effort::Small {
        let other = compressed(raster, DeflateCompression::Level(6), Filter::Adaptive)?;
        if other.len() < file.len() {
            file = other;
        }
    }
    // an index of 8 bits is no less than a gray
    let most = if raster.channels == Channels::Gray { 16 } else { COLOURS };
    let Some(palette) = Palette::of(raster, most)? else { return Ok(file) };
    let other = indexed(raster, &palette)?;
    Ok(if other.len() < file.len() { other } else { file })
}

/// Compresses fast with adaptive filters, which is best for photos, or by level 6 without filters, which is best for drawings: what is
/// smaller for a sample of the rows. Where that is little smaller, or there is no sample, what is smaller for all.
fn in_full(raster: &Raster) -> Result<Vec<u8>, Error> {
    if let Some(sample) = sample(raster)? {
        let photo = fast(&sample)?.len();
        let drawing = if is_photo(photo, &sample) { usize::MAX } else { thorough(&sample)?.len() };
        if photo < drawing {
            return fast(raster);
        }
        if drawing * 10 < photo * 9 {
            return thorough(raster);
        }
    }
    let file = fast(raster)?;
    if is_photo(file.len(), raster) {
        return Ok(file);
    }
    let other = thorough(raster)?;
    Ok(if other.len() < file.len() { other } else { file })
}

/// By how much it was compressed fast.
fn is_photo(bytes: usize, raster: &Raster) -> bool {
    PHOTO.contains(&(bytes * 100 / raster.pixels.len().max(1)))
}

/// Bands of the picture's rows, if it has enough of them.
fn sample(raster: &Raster) -> Result<Option<Raster>, Error> {
    let stride = raster.stride();
    if raster.height as usize <= 2 * SAMPLE.0 {
        return Ok(None);
    }
    let bands = raster.pixels.chunks(stride * SAMPLE.0).filter(|band| band.len() >= stride * SAMPLE.1);
    let bands = bands.map(|band| &band[band.len() - stride * SAMPLE.1..]);
    let height = u32::try_from(bands.clone().count() * SAMPLE.1).unwrap_or(u32::MAX);
    let mut sample = raster.another(raster.width, height, raster.channels)?;
    sample.pixels.chunks_exact_mut(stride * SAMPLE.1).zip(bands).for_each(|(into, band)| into.copy_from_slice(band));
    Ok(Some(sample))
}

/// Bytes of compressed data in a chunk.
const CHUNK: usize = 256 << 10;

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Damaged(format!("cannot write PNG: {error}"))
}

/// Row by row, so that it can be stopped.
fn written<'a>(
    encoder: Encoder<'_, &mut Vec<u8>>,
    rows: impl Iterator<Item = impl AsRef<[u8]> + 'a>,
    budget: &Budget,
) -> Result<(), Error> {
    let mut writer = encoder.write_header().map_err(|error| failed(&error))?;
    let mut data = writer.stream_writer_with_size(CHUNK).map_err(|error| failed(&error))?;
    for row in rows {
        budget.go_on()?;
        data.write_all(row.as_ref()).map_err(|error| failed(&error))?;
    }
    data.finish().and_then(|()| writer.finish()).map_err(|error| failed(&error))
}

fn compressed(raster: &Raster, compression: DeflateCompression, filter: Filter) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, raster.width, raster.height);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_color(match raster.channels {
        Channels::Gray => ColorType::Grayscale,
        Channels::GrayAlpha => ColorType::GrayscaleAlpha,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba | Channels::Cmyk => ColorType::Rgba,
    });
    encoder.set_deflate_compression(compression);
    encoder.set_filter(filter);
    written(encoder, raster.pixels.chunks_exact(raster.stride()), raster.budget())?;
    Ok(bytes)
}

fn fast(raster: &Raster) -> Result<Vec<u8>, Error> {
    compressed(raster, DeflateCompression::FdeflateUltraFast, Filter::Adaptive)
}

fn thorough(raster: &Raster) -> Result<Vec<u8>, Error> {
    compressed(raster, DeflateCompression::Level(6), Filter::NoFilter)
}

/// In 1, 2, 4 or 8 bits a pixel. Transparent colours are the first of a palette: the table of alpha ends with them.
fn indexed(raster: &Raster, palette: &Palette) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, raster.width, raster.height);
    let (depth, bits) = match palette.colours.len() {
        ..=2 => (BitDepth::One, 1),
        3..=4 => (BitDepth::Two, 2),
        5..=16 => (BitDepth::Four, 4),
        _ => (BitDepth::Eight, 8),
    };
    encoder.set_depth(depth);
    encoder.set_color(ColorType::Indexed);
    encoder.set_palette(palette.colours.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect::<Vec<_>>());
    let alpha: Vec<u8> = palette.colours.iter().map(|colour| colour[3]).take_while(|&alpha| alpha < 255).collect();
    if !alpha.is_empty() {
        encoder.set_trns(alpha);
    }
    encoder.set_deflate_compression(DeflateCompression::Level(6));
    encoder.set_filter(Filter::NoFilter);
    written(encoder, palette.indices.chunks_exact(raster.width as usize).map(|row| packed(row, bits)), raster.budget())?;
    Ok(bytes)
}

/// Indices of so many bits each.
fn packed(row: &[u8], bits: usize) -> Cow<'_, [u8]> {
    if bits == 8 {
        return Cow::Borrowed(row);
    }
    let byte = |indices: &[u8]| (0..8 / bits).fold(0, |byte, at| byte << bits | indices.get(at).copied().unwrap_or(0));
    Cow::Owned(row.chunks(8 / bits).map(byte).collect())
}
