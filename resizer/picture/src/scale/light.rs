//! Decoded pixels → scaled pixels, mixed as light mixes.
//!
//! Stored values are not proportional to light: mixed as they are, fine bright structures on dark ground fade. Twice the bits and
//! two conversions cost as much again as scaling itself, so this is for what a decoder has already made small.
//!
//! Below the scaler, above the tone curve of sRGB and the raster.

use fast_image_resize::{
    PixelTrait, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U16, U16x3},
};

use crate::{
    Error,
    budget::Pixels,
    channels::Channels,
    colour::srgb::{TABLES, Tables},
    raster::Raster,
};

/// Whether pixels of these `channels` can be mixed as light here.
pub(crate) fn can(channels: Channels) -> bool {
    matches!(channels, Channels::Gray | Channels::Rgb)
}

/// Scales as `options` say.
pub(crate) fn scale(source: &Raster, size: (u32, u32), options: &ResizeOptions) -> Result<Raster, Error> {
    let Tables { light, .. } = &*TABLES;
    let light = |value: u8| light[usize::from(value)];
    let length = source.width as usize * source.height as usize;
    if source.channels == Channels::Gray {
        let pixels = source.budget().collect(length, source.pixels.iter().map(|&value| U16::new(light(value))))?;
        run(source, pixels, size, options, |pixel| [pixel.0])
    } else {
        let pixels = source.pixels.as_chunks().0.iter().map(|&[red, green, blue]| U16x3::new([light(red), light(green), light(blue)]));
        run(source, source.budget().collect(length, pixels)?, size, options, |pixel| pixel.0)
    }
}

fn run<P: PixelTrait, const N: usize>(
    source: &Raster,
    light: Pixels<P>,
    (width, height): (u32, u32),
    options: &ResizeOptions,
    parts: impl Fn(&P) -> [u16; N],
) -> Result<Raster, Error> {
    let impossible = |error: &dyn std::fmt::Display| Error::Damaged(format!("cannot scale: {error}"));
    let mut mixed = source.budget().collect(width as usize * height as usize, std::iter::repeat(P::default()))?;
    let from = TypedImageRef::new(source.width, source.height, &light).map_err(|error| impossible(&error))?;
    let mut into = TypedImage::from_pixels_slice(width, height, &mut mixed).map_err(|error| impossible(&error))?;
    Resizer::new().resize_typed(&from, &mut into, options).map_err(|error| impossible(&error))?;
    drop(light);
    let stored = &TABLES.stored;
    let mut scaled = source.another(width, height, source.channels)?;
    let pairs = scaled.pixels.as_chunks_mut::<N>().0.iter_mut().zip(&*mixed);
    pairs.for_each(|(pixel, light)| *pixel = parts(light).map(|value| stored[usize::from(value)]));
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;

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
