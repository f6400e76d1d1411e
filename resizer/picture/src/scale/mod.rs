//! Decoded pixels and a region of them → pixels of the output's size.

pub(crate) mod kernel;
pub(crate) mod light;
mod rings;

use fast_image_resize::{PixelType, ResizeOptions, Resizer, images::Image, images::ImageRef};
use resize_api::picture::Kernel;

use crate::{
    Error,
    geometry::Region,
    raster::{Channels, Raster},
};

/// How to scale.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub(crate) kernel: Kernel,
    /// Mix pixels as light mixes, where that can be done.
    pub(crate) linear: bool,
}

/// Scales `region` of `source` to `width` by `height` pixels. Alpha weighs the colours.
pub(crate) fn scale(source: &Raster, region: Region, (width, height): (u32, u32), how: How) -> Result<Raster, Error> {
    let kind = match source.channels {
        Channels::Gray => PixelType::U8,
        Channels::GrayAlpha => PixelType::U8x2,
        Channels::Rgb => PixelType::U8x3,
        Channels::Rgba | Channels::Cmyk => PixelType::U8x4,
    };
    let Region { left, top, width: region_width, height: region_height } = within(region, source);
    let options = ResizeOptions::new()
        .resize_alg(kernel::algorithm(how.kernel))
        .crop(left, top, region_width, region_height)
        .use_alpha(source.channels.has_alpha());
    if how.linear && light::can(source.channels) {
        let mut scaled = light::scale(source, (width, height), &options)?;
        rings::remove(&mut scaled, source, Region { left, top, width: region_width, height: region_height });
        return Ok(scaled);
    }

    let mut scaled = source.another(width, height, source.channels)?;
    let impossible = |error: &dyn std::fmt::Display| Error::Damaged(format!("cannot scale: {error}"));
    let from = ImageRef::new(source.width, source.height, &source.pixels, kind).map_err(|error| impossible(&error))?;
    let mut into = Image::from_slice_u8(width, height, &mut scaled.pixels, kind).map_err(|error| impossible(&error))?;
    Resizer::new().resize(&from, &mut into, &options).map_err(|error| impossible(&error))?;
    Ok(scaled)
}

/// `region` without what rounding put outside of `source`.
fn within(region: Region, source: &Raster) -> Region {
    let axis = |start: f64, length: f64, side: u32| {
        let (start, side) = (start.max(0.0), f64::from(side));
        let mut length = length.min(side - start);
        while start + length > side {
            length = length.next_down();
        }
        (start, length)
    };
    let (left, width) = axis(region.left, region.width, source.width);
    let (top, height) = axis(region.top, region.height, source.height);
    Region { left, top, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_do_not_bleed_their_colour() {
        let pixels = (0..64 * 64).flat_map(|i| if i % 64 < 31 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let source = Raster::test(64, 64, Channels::Rgba, pixels);
        let scaled = scale(
            &source,
            Region { left: 0.0, top: 0.0, width: 64.0, height: 64.0 },
            (7, 7),
            How { kernel: Kernel::Lanczos3, linear: true },
        )
        .unwrap();
        for pixel in scaled.pixels.chunks(4).filter(|pixel| pixel[3] > 8) {
            assert!(pixel[0] > 240 && pixel[1] < 15, "{pixel:?}");
        }
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        for channels in [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba, Channels::Cmyk] {
            let source = Raster::test(31, 17, channels, vec![200; 31 * 17 * channels.count()]);
            for size in [(1, 1), (7, 40), (31, 17), (90, 3)] {
                let region = Region { left: 1.5, top: 0.25, width: 29.5, height: 16.75 };
                for (&kernel, linear) in Kernel::ALL.iter().flat_map(|kernel| [(kernel, false), (kernel, true)]) {
                    let scaled = scale(&source, region, size, How { kernel, linear }).unwrap();
                    assert!(scaled.pixels.iter().all(|&value| value.abs_diff(200) <= 1), "{channels:?} {size:?} {kernel} {linear}");
                }
            }
        }
    }
}
