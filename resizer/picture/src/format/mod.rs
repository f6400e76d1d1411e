//! The formats: header → `Probe`; file → pixels; pixels → file; and what of this each of them takes.
//!
//! Below `probe`, `plan` and `codec`; above what pixels are made of. No format knows another
//! one, but for JPEG in TIFF, which is read by scaled-jpeg.

pub(crate) mod avif;
pub(crate) mod bmp;
mod essential;
pub(crate) mod gif;
pub(crate) mod jpeg;
mod jpeg_turbo;
pub(crate) mod png;
pub(crate) mod tiff;
pub(crate) mod webp;

use resize_api::picture::Effort;

use crate::{Error, Format};

/// Whether a picture of so many pixels is encoded in about a second, where the encoder cannot be stopped.
pub(crate) fn admit(format: Format, pixels: u64, has_alpha: bool, quality: u8) -> Result<(), Error> {
    match format {
        Format::Avif => avif::speed(10, quality, pixels).map(drop),
        Format::WebP if has_alpha => webp::method(Effort::Fast, pixels, has_alpha).map(drop),
        _ => Ok(()),
    }
}

/// Bytes that pixels take once they are scaled: for colour, orientation and canvas, and for what the encoder holds and writes.
pub(crate) fn encoding(format: Format, size: (u32, u32), has_alpha: bool) -> u64 {
    let pixels = u64::from(size.0) * u64::from(size.1);
    match format {
        Format::Avif => avif::encoding(size),
        Format::WebP => webp::encoding(pixels, has_alpha),
        Format::Png => png::encoding(pixels, has_alpha),
        Format::Jpeg => jpeg::encoding(size),
        Format::Gif => gif::encoding(pixels),
    }
}
