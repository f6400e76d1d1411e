//! Decoded pixels → scaled pixels, mixed as light mixes.
//!
//! Stored values are not proportional to light: mixed as they are, fine bright structures on dark ground fade. Twice the bits and
//! two conversions cost as much again as scaling itself, so this is for what a decoder has already made small.

use std::sync::LazyLock;

use fast_image_resize::{
    PixelTrait, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U16, U16x3},
};

use crate::{
    Error,
    raster::{Channels, Raster},
};

/// Light of 16 bits for each stored value, and the stored value for each light.
struct Tables {
    light: [u16; 256],
    stored: Vec<u8>,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "from 0 to the largest value")]
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let light = |stored: f64| if stored <= 0.040_45 { stored / 12.92 } else { ((stored + 0.055) / 1.055).powf(2.4) };
    let stored = |light: f64| if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    Tables {
        light: std::array::from_fn(|value| (light(value as f64 / 255.0) * 65_535.0).round() as u16),
        stored: (0..=u16::MAX).map(|value| (stored(f64::from(value) / 65_535.0) * 255.0).round() as u8).collect(),
    }
});

/// Whether pixels of these `channels` can be mixed as light here.
pub(crate) fn can(channels: Channels) -> bool {
    matches!(channels, Channels::Gray | Channels::Rgb)
}

/// Scales as `options` say.
pub(crate) fn scale(source: &Raster, size: (u32, u32), options: &ResizeOptions) -> Result<Raster, Error> {
    let Tables { light, .. } = &*TABLES;
    let light = |value: u8| light[usize::from(value)];
    if source.channels == Channels::Gray {
        let pixels = source.pixels.iter().map(|&value| U16::new(light(value))).collect();
        run(source, pixels, size, options, |pixel| [pixel.0])
    } else {
        let pixels = source.pixels.as_chunks().0.iter().map(|&[red, green, blue]| U16x3::new([light(red), light(green), light(blue)]));
        run(source, pixels.collect(), size, options, |pixel| pixel.0)
    }
}

fn run<P: PixelTrait, const N: usize>(
    source: &Raster,
    light: Vec<P>,
    (width, height): (u32, u32),
    options: &ResizeOptions,
    parts: impl Fn(&P) -> [u16; N],
) -> Result<Raster, Error> {
    let impossible = |error: &dyn std::fmt::Display| Error::Damaged(format!("cannot scale: {error}"));
    let from = TypedImageRef::new(source.width, source.height, &light).map_err(|error| impossible(&error))?;
    let mut into = TypedImage::new(width, height);
    Resizer::new().resize_typed(&from, &mut into, options).map_err(|error| impossible(&error))?;
    let stored = &TABLES.stored;
    let mut scaled = source.another(width, height, source.channels)?;
    let pairs = scaled.pixels.as_chunks_mut::<N>().0.iter_mut().zip(into.pixels());
    pairs.for_each(|(pixel, light)| *pixel = parts(light).map(|value| stored[usize::from(value)]));
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        for value in 0..=u8::MAX {
            assert_eq!(TABLES.stored[usize::from(TABLES.light[usize::from(value)])], value);
        }
    }

    #[test]
    fn half_of_the_light_is_not_half_of_the_value() {
        for (channels, black, white) in [(Channels::Gray, &[0][..], &[255][..]), (Channels::Rgb, &[0; 3], &[255; 3])] {
            let pixels = [black, white].concat().repeat(32 * 64);
            let source = Raster::test(64, 64, channels, pixels);
            let scaled = scale(&source, (8, 8), &ResizeOptions::new()).unwrap();
            assert!(scaled.pixels.iter().all(|value| value.abs_diff(188) <= 5), "{:?}", scaled.pixels);
        }
    }
}
