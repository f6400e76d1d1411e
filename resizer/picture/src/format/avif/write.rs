//! Pixels → AVIF, by libaom.
//!
//! Below `plan`, which asks for its bounds, and `codec`; above the planes.

use avif_serialize::{
    Aviffy,
    constants::{ColorPrimaries, MatrixCoefficients, TransferCharacteristics},
};

use super::planes::planes;
use crate::{Error, budget::Pixels, raster::Raster};

/// See [`encoding`](crate::format::encoding).
pub(crate) fn encoding((width, height): (u32, u32)) -> u64 {
    // measured: libaom's own, the most at the slowest speeds, lies also around the picture; of the pixels there are their planes, and what
    // noise in the best quality is coded to
    let (width, height) = (u64::from(width), u64::from(height));
    (width + AROUND) * (height + AROUND) * 28 + width * height * 24 + (8 << 20)
}

/// Pixels that libaom adds to each side: 64 at either end, and to whole blocks.
const AROUND: u64 = 128 + 8;

/// For qualities up to the first number: what each speed, from 1 to 10, encodes, since libaom cannot be stopped. Measured with noise, which
/// takes the most: of so many pixels one core is done in about a second from speed 7 on, and in about three with slower ones.
const MOST_PIXELS: [(u8, [u64; 10]); 3] = [
    (80, [30_000, 70_000, 90_000, 150_000, 240_000, 340_000, 800_000, 1_300_000, 1_600_000, 5_000_000]),
    (95, [30_000, 70_000, 90_000, 150_000, 240_000, 340_000, 600_000, 1_000_000, 1_300_000, 4_500_000]),
    (100, [30_000, 70_000, 90_000, 150_000, 240_000, 340_000, 440_000, 950_000, 1_300_000, 3_700_000]),
];

/// The speed that is wanted, or the next one that encodes so many pixels within that time.
pub(crate) fn speed(wanted: u8, quality: u8, pixels: u64) -> Result<u8, Error> {
    if cfg!(not(feature = "aom")) {
        return Err(Error::Unsupported("writing AVIF: this program was built without libaom".into()));
    }
    let most = MOST_PIXELS.iter().find(|(best, _)| quality <= *best).map_or([0; 10], |(_, most)| *most);
    let fits = |speed: &u8| pixels <= most[usize::from(*speed) - 1];
    (wanted.max(1)..=10).find(fits).ok_or_else(|| {
        let most = format!("at most {} are encoded in quality {quality}", most[9]);
        Error::TooLarge(format!("an AVIF of {pixels} pixels, {most}: a smaller resolution or another output.format would do"))
    })
}

/// Encodes with `speed` from 1, the slowest, to 10; gray becomes RGB.
pub(crate) fn encode(raster: Raster, quality: u8, speed: u8) -> Result<Vec<u8>, Error> {
    let (width, height) = (raster.width, raster.height);
    let speed = self::speed(speed, quality, u64::from(width) * u64::from(height))?;
    let how = How { quality, speed, palettes: raster.is_drawn()? };
    let (colours, alpha) = planes(raster)?;
    let alpha = alpha.map(|alpha| frame(&alpha, (width, height), how)).transpose()?;
    let colours = frame(&colours, (width, height), how)?;
    let mut file = vec![];
    Aviffy::new()
        .set_width(width)
        .set_height(height)
        .set_bit_depth(8)
        .set_color_primaries(ColorPrimaries::Bt709)
        .set_transfer_characteristics(TransferCharacteristics::Srgb)
        .set_matrix_coefficients(MatrixCoefficients::Bt709)
        .write_slice(&mut file, &colours, alpha.as_deref())
        .map_err(failed)?;
    Ok(file)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Damaged(format!("cannot write AVIF: {error}"))
}

/// How a plane is encoded.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "aom"), expect(dead_code, reason = "nothing is encoded"))]
struct How {
    quality: u8,
    speed: u8,
    palettes: bool,
}

/// Of libaom, from 1, the finest, to 63: 60, the default, looks about like the default of sharp.
#[cfg(feature = "aom")]
fn quantizer(quality: u8) -> u8 {
    let quality = u32::from(quality.clamp(1, 100));
    let quantizer = if quality < 60 { 30 + (60 - quality) * 33 / 59 } else { (100 - quality) * 30 / 40 };
    u8::try_from(quantizer.max(1)).unwrap_or(63)
}

#[cfg(feature = "aom")]
fn frame(samples: &Pixels, (width, height): (u32, u32), How { quality, speed, palettes }: How) -> Result<Vec<u8>, Error> {
    samples.budget().go_on()?;
    let planes = aom::Planes { width: width as usize, height: height as usize, samples };
    aom::encode(planes, aom::Options { speed: speed - 1, quantizer: quantizer(quality), palettes }).map_err(failed)
}

#[cfg(not(feature = "aom"))]
fn frame(_: &Pixels, _: (u32, u32), _: How) -> Result<Vec<u8>, Error> {
    Err(failed("libaom is not in this program"))
}

#[cfg(all(test, feature = "aom"))]
mod tests {
    use super::*;
    use crate::{channels::Channels, tests::drawing::flat};

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

    #[test]
    fn what_is_drawn_has_palettes_and_nothing_else() {
        // letters of a made-up script in three colours
        let letters = |dot: usize| {
            let mut letters = flat(96, 96, Channels::Rgb, &[0; 3]);
            for (at, pixel) in letters.pixels.as_chunks_mut().0.iter_mut().enumerate() {
                let (x, y) = (at % 96 / dot, at / 96);
                *pixel = [[255, 255, 255], [20, 20, 20], [30, 60, 200]][((x * 7) ^ (y * 13)) / 5 % 3];
            }
            letters
        };
        for (dot, palettes) in [(3, true), (1, false)] {
            let colours = planes(letters(dot)).unwrap().0;
            let [right, wrong] =
                [palettes, !palettes].map(|palettes| frame(&colours, (96, 96), How { quality: 60, speed: 7, palettes }).unwrap());
            assert!(right != wrong, "palettes make no difference to dots of {dot}");
            assert!(encode(letters(dot), 60, 7).unwrap().ends_with(&right), "dots of {dot}");
        }
    }

    #[test]
    fn better_qualities_have_finer_quantizers() {
        assert_eq!([1, 60, 100].map(quantizer), [63, 30, 1]);
        assert!((1..100).all(|quality| quantizer(quality) >= quantizer(quality + 1)));
    }
}
