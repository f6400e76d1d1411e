//! Pixels → AVIF, by rav1e.
//!
//! Below `plan`, which asks for its bounds, and `codec`; above the raster.

use ravif::{BitDepth, Encoder, Img, RGB8, RGBA8};

use crate::{Error, budget::Pixels, channels::Channels, raster::Raster};

/// See [`encoding`](crate::format::encoding).
pub(crate) fn encoding(pixels: u64, quality: u8) -> u64 {
    // measured with noise, which takes the most
    let symbols = match quality {
        ..=80 => 64,
        81..=95 => 128,
        _ => 352,
    };
    pixels * symbols + (8 << 20)
}

/// For qualities up to the first number: pixels of noise that each speed, from 1 to 10, encodes in about a second of one core, since
/// rav1e cannot be stopped. A photo takes less than half of that.
const MOST_PIXELS: [(u8, [u64; 10]); 3] = [
    (80, [250_000, 250_000, 300_000, 600_000, 600_000, 600_000, 650_000, 650_000, 1_400_000, 2_600_000]),
    (95, [50_000, 50_000, 200_000, 200_000, 450_000, 450_000, 500_000, 500_000, 1_000_000, 2_100_000]),
    (100, [40_000, 40_000, 80_000, 80_000, 200_000, 200_000, 300_000, 300_000, 600_000, 1_200_000]),
];

/// The speed that is wanted, or the next one that encodes so many pixels within that time.
pub(crate) fn speed(wanted: u8, quality: u8, pixels: u64) -> Result<u8, Error> {
    let most = MOST_PIXELS.iter().find(|(best, _)| quality <= *best).map_or([0; 10], |(_, most)| *most);
    let fits = |speed: &u8| pixels <= most[usize::from(*speed) - 1];
    (wanted.max(1)..=10).find(fits).ok_or_else(|| {
        let most = format!("at most {} are encoded in quality {quality}", most[9]);
        Error::TooLarge(format!("an AVIF of {pixels} pixels, {most}: a smaller resolution or another output.format would do"))
    })
}

/// Encodes with `speed` from 1, the slowest, to 10; gray becomes RGB.
pub(crate) fn encode(raster: Raster, quality: u8, speed: u8) -> Result<Vec<u8>, Error> {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let speed = self::speed(speed, quality, width as u64 * height as u64)?;
    let quality = f32::from(quality);
    let encoder = Encoder::new().with_quality(quality).with_alpha_quality(quality).with_speed(speed).with_bit_depth(BitDepth::Eight);
    let written = if raster.channels.has_alpha() {
        let pixels = typed(raster.into_channels(Channels::Rgba)?, |&[red, green, blue, alpha]| RGBA8::new(red, green, blue, alpha))?;
        encoder.encode_rgba(Img::new(&pixels, width, height))
    } else {
        let pixels = typed(raster.into_channels(Channels::Rgb)?, |&[red, green, blue]| RGB8::new(red, green, blue))?;
        encoder.encode_rgb(Img::new(&pixels, width, height))
    };
    Ok(written.map_err(|error| Error::Damaged(format!("cannot write AVIF: {error}")))?.avif_file)
}

/// The pixels of a raster as the encoder's own type.
fn typed<const N: usize, P>(raster: Raster, pixel: impl Fn(&[u8; N]) -> P) -> Result<Pixels<P>, Error> {
    let pixels = raster.pixels.as_chunks().0;
    raster.budget().collect(pixels.len(), pixels.iter().map(pixel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_encoded_faster_or_refused() {
        for (quality, most) in MOST_PIXELS {
            for (wanted, pixels) in (1..=10).zip(most) {
                assert_eq!((speed(wanted, quality, 100), speed(wanted, quality, pixels)), (Ok(wanted), Ok(wanted)));
                let next = (wanted..=10).zip(&most[usize::from(wanted) - 1..]).find(|(_, most)| **most > pixels).map(|(speed, _)| speed);
                assert_eq!(speed(wanted, quality, pixels + 1).ok(), next);
            }
        }
        let refused = speed(1, 60, 25_000_000).unwrap_err();
        assert!(matches!(refused, Error::TooLarge(_)) && refused.to_string().contains("output.format"), "{refused}");
    }
}
