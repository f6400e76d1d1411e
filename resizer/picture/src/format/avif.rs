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
pub(crate) fn encoding(pixels: u64, quality: u8) -> u64 {
    // measured with noise, which takes the most
    let symbols = match quality {
        ..=80 => 64,
        81..=95 => 128,
        _ => 352,
    };
    pixels * symbols + (8 << 20)
}

/// Pixels that the speeds 1 to 9 encode in a few seconds.
const MOST_PIXELS: [u64; 9] = [400_000, 1_000_000, 1_700_000, 1_700_000, 1_900_000, 1_900_000, 2_900_000, 2_900_000, 6_700_000];

/// The speed that is wanted, or the next one that does not take long: rav1e cannot be stopped.
fn bounded_speed(wanted: u8, pixels: u64) -> u8 {
    let fits = |speed: &u8| MOST_PIXELS.get(usize::from(*speed) - 1).is_none_or(|most| pixels <= *most);
    (wanted.max(1)..10).find(fits).unwrap_or(10)
}

/// Encodes with `speed` from 1, the slowest, to 10; gray becomes RGB.
pub(crate) fn encode(raster: Raster, quality: u8, speed: u8) -> Result<Vec<u8>, Error> {
    let quality = f32::from(quality);
    let speed = bounded_speed(speed, u64::from(raster.width) * u64::from(raster.height));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_encoded_faster() {
        for (wanted, pixels, speed) in
            [(1, 400_000, 1), (1, 400_001, 2), (1, 25_000_000, 10), (6, 100, 6), (6, 1_900_001, 7), (9, 6_700_001, 10), (10, 100, 10)]
        {
            assert_eq!(bounded_speed(wanted, pixels), speed, "{wanted} {pixels}");
        }
    }
}
