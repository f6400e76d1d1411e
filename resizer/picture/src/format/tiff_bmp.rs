//! TIFF and BMP, which are read and not written: header → [`Probe`]; file → pixels and profile.

use std::io::{BufRead, Cursor, Seek};

use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, Limits,
    codecs::{bmp::BmpDecoder, tiff::TiffDecoder},
};

use crate::{
    Error,
    budget::Budget,
    orientation::Orientation,
    probe::{Container, Probe},
    raster::{Channels, Raster},
};

fn failure(error: &ImageError) -> Error {
    match error {
        ImageError::Limits(_) => Error::TooLarge(error.to_string()),
        ImageError::Unsupported(_) => Error::Unsupported(error.to_string()),
        _ => Error::Damaged(error.to_string()),
    }
}

fn decoder<'a>(source: impl BufRead + Seek + 'a, container: Container) -> Result<Box<dyn ImageDecoder + 'a>, Error> {
    match container {
        Container::Tiff => TiffDecoder::new(source).map(|decoder| Box::new(decoder) as Box<dyn ImageDecoder>),
        _ => BmpDecoder::new(source).map(|decoder| Box::new(decoder) as Box<dyn ImageDecoder>),
    }
    .map_err(|error| failure(&error))
}

fn channels(color: ColorType) -> Channels {
    match (color.has_color(), color.has_alpha()) {
        (false, false) => Channels::Gray,
        (false, true) => Channels::GrayAlpha,
        (true, false) => Channels::Rgb,
        (true, true) => Channels::Rgba,
    }
}

pub(crate) fn probe(source: &[u8], container: Container) -> Result<Probe, Error> {
    let mut decoder = decoder(Cursor::new(source), container)?;
    let orientation = decoder.orientation().map_err(|error| failure(&error))?;
    let ((width, height), color) = (decoder.dimensions(), decoder.color_type());
    Ok(Probe {
        container,
        width,
        height,
        channels: channels(color),
        orientation: Orientation::from_tag(u16::from(orientation.to_exif())),
        // samples of up to 4 bytes before they become 8 bits, and strips of as much again
        working: decoder.total_bytes().saturating_mul(2),
        profile: 0,
        scaled: None,
    })
}

/// Pixels of 8 bits and the colour profile.
pub(crate) fn decode(source: &[u8], probe: &Probe, budget: &Budget) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let mut decoder = decoder(budget.watch(source), probe.container)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(probe.working);
    decoder.set_limits(limits).map_err(|error| failure(&error))?;
    budget.admit(decoder.dimensions(), channels(decoder.color_type()))?;
    let profile = decoder.icc_profile().map_err(|error| failure(&error))?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| failure(&error))?;
    let size = (image.width(), image.height());
    let pixels = match probe.channels {
        Channels::Gray => image.into_luma8().into_raw(),
        Channels::GrayAlpha => image.into_luma_alpha8().into_raw(),
        Channels::Rgb => image.into_rgb8().into_raw(),
        Channels::Rgba | Channels::Cmyk => image.into_rgba8().into_raw(),
    };
    Ok((Raster::of(budget, size, probe.channels, pixels)?, profile))
}
