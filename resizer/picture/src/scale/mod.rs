//! Decoded pixels and a region of them → pixels of the output's size.
//!
//! One rule for every picture: an axis that shrinks mixes light, an axis that grows mixes stored values. Light is what the eye sees
//! from afar of pixels that lie side by side; between the pixels of an enlarged picture it is stored values that look even, and light
//! would show the rings that kernels leave in the dark. Inks are never mixed as light.
//!
//! Below `pipeline`, and `plan`, which knows how far kernels reach; above its kernels, the mixing of light, and the raster.

mod kernel;
mod light;
mod mix;
mod source;
mod weights;

use std::ops::Range;

use fast_image_resize::{
    PixelTrait, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U8, U8x2, U8x3, U8x4},
};
use resize_api::picture::Kernel;

use self::source::Source;
use crate::{Error, channels::Channels, geometry::Region, raster::Raster, rows::Rows};

/// How far the kernels reach at most, in pixels of the output.
pub(crate) const KERNEL: f64 = 4.5;

/// Scales `region` of `source` to `size` pixels, width and height. Alpha weighs the colours.
pub(crate) fn scale(source: &Raster, region: Region, size: (u32, u32), kernel: Kernel) -> Result<Raster, Error> {
    let region = within(region, (source.width, source.height));
    let Some(weights) = kernel::weights(kernel).filter(|_| source.channels != Channels::Cmyk) else {
        return stored(source, region, size, kernel);
    };
    let (width, height) = size;
    match (f64::from(width) < region.width, f64::from(height) < region.height) {
        (true, true) => light::scale(Source::Whole(source), region, size, [weights; 2]),
        (false, false) => stored(source, region, size, kernel),
        (true, false) => {
            let (rows, top) = reached(region.top, region.height, source.height);
            let all = Region { top: f64::from(rows.start), height: f64::from(rows.end - rows.start), ..region };
            let narrow = light::scale(Source::Whole(source), all, (width, rows.end - rows.start), [weights, light::COPY])?;
            stored(&narrow, Region { left: 0.0, width: f64::from(width), top, ..region }, size, kernel)
        }
        (false, true) => {
            let (columns, left) = reached(region.left, region.width, source.width);
            let all = Region { left: f64::from(columns.start), width: f64::from(columns.end - columns.start), ..region };
            let low = light::scale(Source::Whole(source), all, (columns.end - columns.start, height), [light::COPY, weights])?;
            stored(&low, Region { top: 0.0, height: f64::from(height), left, ..region }, size, kernel)
        }
    }
}

/// Whether the rows of a picture can be scaled [while they are read](scale_rows).
pub(crate) fn takes_rows(region: Region, size: (u32, u32), kernel: Kernel, channels: Channels) -> bool {
    shrinks(region, size) == (true, true) && kernel::weights(kernel).is_some() && channels != Channels::Cmyk
}

/// [`scale`] of a picture that is still to be read, where [`takes_rows`] says so: the same pixels, without memory for those that come in.
pub(crate) fn scale_rows(rows: Rows, region: Region, size: (u32, u32), kernel: Kernel) -> Result<Raster, Error> {
    let region = within(region, (rows.width, rows.height));
    match kernel::weights(kernel) {
        Some(weights) => light::scale(Source::of_rows(rows)?, region, size, [weights; 2]),
        None => scale(&rows.whole()?, region, size, kernel),
    }
}

/// Whether columns and rows get fewer, and not by rounding alone.
fn shrinks(region: Region, size: (u32, u32)) -> (bool, bool) {
    let much = 1.0 + 1e-6;
    (f64::from(size.0) * much < region.width, f64::from(size.1) * much < region.height)
}

/// What the scaler takes beside the decoded pixels, in bytes: those have `decoded` width and height, of which `region` becomes `size`.
pub(crate) fn memory(decoded: (u64, u64), region: Region, size: (u32, u32), channels: Channels) -> u64 {
    let (width, height) = (u64::from(size.0), u64::from(size.1));
    // each pixel is in as many windows as kernels reach, and a pair of them takes eight bytes there
    let weights = (decoded.0 + decoded.1) * 8 * 5 * 2 + (width + height) * 120;
    let light = decoded.0 * light::PER_VALUE * channels.count() as u64;
    // between the two passes, and a copy in which alpha is multiplied
    let between = (width * decoded.1).max(decoded.0 * height) * channels.count() as u64;
    let copy = if channels.has_alpha() { decoded.0 * decoded.1 * channels.count() as u64 } else { 0 };
    weights
        + match shrinks(region, size) {
            (true, true) => light,
            (false, false) => light + between + copy,
            _ => light + between * if channels.has_alpha() { 3 } else { 2 },
        }
}

/// What kernels reach of one axis when it grows, and where the region starts in it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the picture")]
fn reached(start: f64, length: f64, side: u32) -> (Range<u32>, f64) {
    let first = (start - KERNEL - 1.0).floor().max(0.0) as u32;
    let end = ((start + length + KERNEL + 1.0).ceil() as u32).min(side);
    (first..end, start - f64::from(first))
}

/// By stored values.
fn stored(source: &Raster, region: Region, size: (u32, u32), kernel: Kernel) -> Result<Raster, Error> {
    let region = within(region, (source.width, source.height));
    let options = ResizeOptions::new().resize_alg(kernel::algorithm(kernel)).use_alpha(source.channels.has_alpha());
    let mut scaled = source.another(size.0, size.1, source.channels)?;
    let mut resizer = Resizer::new();
    let pixels = u64::from(source.width) * (u64::from(source.height) + u64::from(size.1)) + u64::from(size.0) * u64::from(size.1);
    // which of two pixels is nearest is a matter of rounding, and to copy them takes no time
    let pixels = if kernel == Kernel::Nearest { 1 } else { pixels };
    for rows in source.budget().pieces(size.1 as usize, pixels) {
        band(&mut resizer, source, region, &mut scaled, rows?, &options)?;
    }
    Ok(scaled)
}

fn cropped(options: &ResizeOptions, Region { left, top, width, height }: Region) -> ResizeOptions {
    options.crop(left, top, width, height)
}

/// Scales what becomes some `rows`, out of the rows of the source that matter for them.
fn band(
    resizer: &mut Resizer,
    source: &Raster,
    region: Region,
    scaled: &mut Raster,
    rows: Range<usize>,
    options: &ResizeOptions,
) -> Result<(), Error> {
    // by type: asked by a value, the library brings its loops over 16 bits and floats along, half a megabyte, in which no two compilations agree
    let mixed = match source.channels {
        Channels::Gray => mixed::<U8>,
        Channels::GrayAlpha => mixed::<U8x2>,
        Channels::Rgb => mixed::<U8x3>,
        Channels::Rgba | Channels::Cmyk => mixed::<U8x4>,
    };
    let (stride, source_stride) = (scaled.stride(), source.stride());
    let (first, end, region) = part(source, region, scaled.height, &rows);
    let height = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let from = (source.width, end - first, &source.pixels[first as usize * source_stride..end as usize * source_stride]);
    let into = (scaled.width, height, &mut scaled.pixels[rows.start * stride..rows.end * stride]);
    mixed(resizer, from, into, &cropped(options, region))
}

/// Scales pixels of one type; width, height and bytes of either.
fn mixed<P: PixelTrait>(
    resizer: &mut Resizer,
    from: (u32, u32, &[u8]),
    into: (u32, u32, &mut [u8]),
    options: &ResizeOptions,
) -> Result<(), Error> {
    let impossible = |error: &dyn std::fmt::Display| Error::Damaged(format!("cannot scale: {error}"));
    let from = TypedImageRef::<P>::from_buffer(from.0, from.1, from.2).map_err(|error| impossible(&error))?;
    let mut into = TypedImage::<P>::from_buffer(into.0, into.1, into.2).map_err(|error| impossible(&error))?;
    resizer.resize_typed(&from, &mut into, options).map_err(|error| impossible(&error))
}

/// The rows of `source` that are mixed to `rows` of `height`, and the part of `region` that these are, within them.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "within the picture")]
fn part(source: &Raster, region: Region, height: u32, rows: &Range<usize>) -> (u32, u32, Region) {
    if rows.len() == height as usize {
        return (0, source.height, region);
    }
    let step = region.height / f64::from(height);
    let top = region.top + step * rows.start as f64;
    let length = step * rows.len() as f64;
    let reach = KERNEL * step.max(1.0) + 1.0;
    let first = (top - reach).floor().max(0.0) as u32;
    let end = ((top + length + reach).ceil() as u32).min(source.height);
    let (top, height) = axis(top - f64::from(first), length, end - first);
    (first, end, Region { top, height, ..region })
}

/// `region` without what rounding put outside of `source`.
fn within(region: Region, (width, height): (u32, u32)) -> Region {
    let (left, width) = axis(region.left, region.width, width);
    let (top, height) = axis(region.top, region.height, height);
    Region { left, top, width, height }
}

/// Start and length on one axis, of which neither lies outside of `0..side`, nor their sum.
fn axis(start: f64, length: f64, side: u32) -> (f64, f64) {
    let (start, side) = (start.max(0.0), f64::from(side));
    let mut length = length.min(side - start);
    while start + length > side {
        length = length.next_down();
    }
    (start, length)
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "sides and sizes are small")]
mod tests {
    use super::*;
    use crate::tests::drawing::noisy;

    #[test]
    fn transparent_pixels_do_not_bleed_their_colour() {
        let pixels = (0..64 * 64).flat_map(|i| if i % 64 < 31 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let source = Raster::test(64, 64, Channels::Rgba, pixels);
        let scaled = scale(&source, Region { left: 0.0, top: 0.0, width: 64.0, height: 64.0 }, (7, 7), Kernel::Lanczos3).unwrap();
        for pixel in scaled.pixels.chunks(4).filter(|pixel| pixel[3] > 8) {
            assert!(pixel[0] > 240 && pixel[1] < 15, "{pixel:?}");
        }
    }

    #[test]
    fn a_picture_in_bands_is_the_picture_at_once() {
        for channels in [Channels::Gray, Channels::Rgba] {
            let source = noisy(97, 203, channels);
            let kernels = Kernel::ALL.iter().filter(|kernel| **kernel != Kernel::Nearest);
            for (&kernel, (width, height)) in kernels.flat_map(|kernel| [(50, 31), (97, 203), (40, 450)].map(|size| (kernel, size))) {
                let region = Region { left: 1.5, top: 3.25, width: 90.0, height: 190.5 };
                let options = ResizeOptions::new().resize_alg(kernel::algorithm(kernel)).use_alpha(channels.has_alpha());
                let mut at_once = source.another(width, height, channels).unwrap();
                band(&mut Resizer::new(), &source, region, &mut at_once, 0..height as usize, &options).unwrap();
                let mut bands = source.another(width, height, channels).unwrap();
                for start in (0..height as usize).step_by(7) {
                    let rows = start..(start + 7).min(height as usize);
                    band(&mut Resizer::new(), &source, region, &mut bands, rows, &options).unwrap();
                }
                // how finely weights are rounded is a matter of the largest one in a band; colours of few alpha are seen as little
                let [at_once, bands] = [at_once, bands].map(|raster| raster.flatten([0; 3]).unwrap());
                let different = at_once.pixels.iter().zip(&bands.pixels[..]).map(|(one, other)| one.abs_diff(*other)).max();
                assert!(different <= Some(3), "{channels:?} {kernel} {width}x{height}: {different:?}");
            }
        }
    }

    #[test]
    fn rows_that_are_scaled_while_they_are_read_give_the_same_pixels() {
        for channels in [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba] {
            let source = noisy(97, 203, channels);
            for (region, size) in
                [([0.0, 0.0, 97.0, 203.0], (96, 202)), ([10.5, 31.25, 60.0, 100.0], (7, 90)), ([0.0, 190.0, 97.0, 13.0], (3, 1))]
            {
                let [left, top, width, height] = region;
                let region = Region { left, top, width, height };
                assert!(takes_rows(region, size, Kernel::Lanczos3, channels));
                let (mut left, read) = (source.pixels.chunks_exact(source.stride()), std::cell::Cell::new(0));
                let rows = Rows::new(source.budget(), (97, 203), channels, |into| {
                    into.copy_from_slice(left.next().unwrap());
                    read.set(read.get() + 1);
                    Ok(())
                });
                let scaled = scale_rows(rows, region, size, Kernel::Lanczos3).unwrap();
                assert_eq!(scaled, scale(&source, region, size, Kernel::Lanczos3).unwrap(), "{channels:?} {size:?}");
                assert_eq!(read.get(), 203, "what is below the region may be broken");
            }
        }
    }

    /// Columns, one black and one white.
    fn columns(channels: Channels) -> Raster {
        let count = channels.count();
        let value = |index: usize| if channels.has_alpha() && index % count == count - 1 { 255 } else { (index / count % 2 * 255) as u8 };
        Raster::test(600, 700, channels, (0..600 * 700 * count).map(value).collect())
    }

    #[test]
    fn an_axis_that_shrinks_mixes_light_and_one_that_grows_stored_values() {
        for channels in [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba] {
            let source = columns(channels);
            let middle = |region: (f64, f64), size: (u32, u32)| {
                let region = Region { left: 100.0, top: 50.0, width: region.0, height: region.1 };
                let scaled = scale(&source, region, size, Kernel::Lanczos3).unwrap();
                scaled.pixels[(size.1 / 2 * size.0 + size.0 / 2) as usize * channels.count()]
            };
            // at every size, and whatever becomes of the other axis
            for height in [3, 80, 400, 401, 900] {
                let shrunk = middle((401.0, 400.0), (20, height));
                assert!(shrunk.abs_diff(188) <= 4, "{channels:?} {height}: {shrunk}");
                let gray = source
                    .another(600, 700, channels)
                    .map(|mut gray| {
                        gray.fill([90; 3]);
                        gray
                    })
                    .unwrap();
                let region = Region { left: 0.0, top: 0.0, width: 600.0, height: 700.0 };
                assert!(
                    scale(&gray, region, (20, height), Kernel::Mitchell)
                        .unwrap()
                        .pixels
                        .chunks(channels.count())
                        .all(|pixel| pixel[0] == 90)
                );
            }
            // half way between two columns
            for height in [3, 400, 900] {
                let grown = middle((2.0, 400.0), (2001, height));
                assert!(grown.abs_diff(128) <= 2, "{channels:?} {height}: {grown}");
            }
        }
    }

    #[test]
    fn inks_are_mixed_as_they_are() {
        let source = columns(Channels::Cmyk);
        let region = Region { left: 0.0, top: 0.0, width: 600.0, height: 700.0 };
        let scaled = scale(&source, region, (10, 10), Kernel::Lanczos3).unwrap();
        assert!(scaled.pixels.iter().all(|value| value.abs_diff(128) <= 3));
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        for channels in [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba, Channels::Cmyk] {
            let source = Raster::test(31, 17, channels, vec![200; 31 * 17 * channels.count()]);
            for size in [(1, 1), (7, 40), (31, 17), (90, 3)] {
                let region = Region { left: 1.5, top: 0.25, width: 29.5, height: 16.75 };
                for &kernel in Kernel::ALL {
                    let scaled = scale(&source, region, size, kernel).unwrap();
                    assert!(scaled.pixels.iter().all(|&value| value.abs_diff(200) <= 1), "{channels:?} {size:?} {kernel}");
                }
            }
        }
    }
}
