//! BMP, which is read and not written: header → [`Probe`]; file → pixels.
//!
//! Below `probe` and `codec`; above its quirks and the raster. The decoder is that of the crate `image`.

mod quirks;

use std::{
    borrow::Cow,
    io::{BufRead, Cursor, Seek},
};

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, Limits, codecs::bmp::BmpDecoder};

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    header::{Container, Probe},
    orientation::Orientation,
    raster::Raster,
};

fn failure(error: &ImageError) -> Error {
    match error {
        ImageError::Limits(_) => Error::TooLarge(error.to_string()),
        ImageError::Unsupported(_) => Error::Unsupported(error.to_string()),
        _ => Error::Damaged(error.to_string()),
    }
}

fn decoder<R: BufRead + Seek>(source: R) -> Result<BmpDecoder<R>, Error> {
    BmpDecoder::new(source).map_err(|error| failure(&error))
}

fn channels(color: ColorType) -> Channels {
    if color.has_alpha() { Channels::Rgba } else { Channels::Rgb }
}

/// Headers and palette are within these bytes.
const HEAD: usize = 4096;

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let length = source.len() as u64;
    let source = quirks::of_windows(&source[..source.len().min(HEAD)])?;
    let decoder = decoder(Cursor::new(&*source))?;
    let (width, height) = decoder.dimensions();
    let again = quirks::runs(&source).map_or(0, |(stride, height)| 2 * stride as u64 * height as u64);
    Ok(Probe {
        container: Container::Bmp,
        width,
        height,
        channels: channels(decoder.color_type()),
        orientation: Orientation::default(),
        working: decoder.total_bytes().saturating_mul(2) + again + if matches!(source, Cow::Owned(_)) { length } else { 0 },
        profile: 0,
        scaled: None,
        rows: false,
    })
}

/// Pixels of 8 bits.
pub(crate) fn decode(source: &[u8], probe: &Probe, budget: &Budget) -> Result<Raster, Error> {
    let mut source = quirks::of_windows(source)?;
    if let Some((stride, height)) = quirks::runs(&source) {
        let mut pixels = budget.zeros(stride * height)?;
        let mut file = quirks::without_runs(&source, (stride, height), &mut pixels)?;
        file.extend_from_slice(&pixels);
        source = Cow::Owned(file);
    }
    let mut decoder = decoder(budget.watch(&source))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(probe.working);
    decoder.set_limits(limits).map_err(|error| failure(&error))?;
    budget.admit(decoder.dimensions(), channels(decoder.color_type()))?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| failure(&error))?;
    let size = (image.width(), image.height());
    let pixels = if probe.channels == Channels::Rgba { image.into_rgba8().into_raw() } else { image.into_rgb8().into_raw() };
    Raster::of(budget, size, probe.channels, pixels)
}
