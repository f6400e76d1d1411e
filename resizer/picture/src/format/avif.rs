//! Pixels → AVIF, which is written and not read.
//!
//! The decoders there are each miss something: dav1d is no crate's own source, its port to Rust offers only the interface of C and
//! is not maintained, and the parsers of the container are not under a permissive licence. So an original in AVIF is refused.

use ravif::{BitDepth, Encoder, Img, RGB8, RGBA8};

use crate::{
    Error,
    raster::{Channels, Raster},
};

/// See [`Format::encoding`](crate::Format::encoding).
pub(crate) fn encoding(pixels: u64) -> u64 {
    pixels * 64 + (8 << 20)
}

/// Encodes with `speed` from 1, the slowest, to 10; gray becomes RGB.
pub(crate) fn encode(raster: Raster, quality: u8, speed: u8) -> Result<Vec<u8>, Error> {
    let quality = f32::from(quality);
    let encoder = Encoder::new().with_quality(quality).with_alpha_quality(quality).with_speed(speed).with_bit_depth(BitDepth::Eight);
    let (width, height) = (raster.width as usize, raster.height as usize);
    let written = if raster.channels.has_alpha() {
        let pixels = raster.into_channels(Channels::Rgba)?.pixels;
        let pixels: Vec<_> = pixels.as_chunks().0.iter().map(|&[red, green, blue, alpha]| RGBA8::new(red, green, blue, alpha)).collect();
        encoder.encode_rgba(Img::new(&pixels, width, height))
    } else {
        let pixels = raster.into_channels(Channels::Rgb)?.pixels;
        let pixels: Vec<_> = pixels.as_chunks().0.iter().map(|&[red, green, blue]| RGB8::new(red, green, blue)).collect();
        encoder.encode_rgb(Img::new(&pixels, width, height))
    };
    Ok(written.map_err(|error| Error::Damaged(format!("cannot write AVIF: {error}")))?.avif_file)
}
