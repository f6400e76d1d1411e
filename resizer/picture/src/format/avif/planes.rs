//! Pixels → the planes that are encoded: light and colour by the matrix of BT.709 in the full range, each at every pixel, and alpha.
//!
//! Colours at every pixel take fewer bytes at the same SSIMULACRA2 than at every fourth one, and this matrix fewer than that of BT.601.
//!
//! Below the writer, above the raster.

use crate::{Error, budget::Pixels, channels::Channels, raster::Raster};

/// Parts of red, green and blue of light and of both colours, and what is added, in parts of 1 << 16.
const MATRIX: [([i32; 3], i32); 3] =
    [([13933, 46871, 4732], 1 << 15), ([-7509, -25259, 32768], (128 << 16) + (1 << 15)), ([32768, -29763, -3005], (128 << 16) + (1 << 15))];

/// Sides of the squares in which colours that are not seen follow those that are.
const SQUARE: usize = 8;

/// Three planes of colours, one after the other, and the plane of alpha if there is one.
pub(super) fn planes(raster: Raster) -> Result<(Pixels, Option<Pixels>), Error> {
    if !raster.channels.has_alpha() {
        return Ok((colours::<3>(&raster.into_channels(Channels::Rgb)?)?, None));
    }
    let raster = raster.into_channels(Channels::Rgba)?;
    let alpha = raster.budget().collect(raster.pixels.len() / 4, raster.pixels.as_chunks::<4>().0.iter().map(|pixel| pixel[3]))?;
    let mut colours = colours::<4>(&raster)?;
    for plane in colours.chunks_exact_mut(alpha.len().max(1)) {
        raster.budget().go_on()?;
        hide(plane, &alpha, raster.width as usize);
    }
    Ok((colours, Some(alpha)))
}

fn colours<const N: usize>(raster: &Raster) -> Result<Pixels, Error> {
    let pixels = raster.pixels.as_chunks::<N>().0;
    let mut planes = raster.budget().zeros(pixels.len() * 3)?;
    for (plane, (parts, more)) in planes.chunks_exact_mut(pixels.len().max(1)).zip(MATRIX) {
        raster.budget().go_on()?;
        for (sample, pixel) in plane.iter_mut().zip(pixels) {
            let sum: i32 = parts.iter().zip(pixel).map(|(part, value)| part * i32::from(*value)).sum();
            *sample = u8::try_from((sum + more) >> 16).unwrap_or(u8::MAX);
        }
    }
    Ok(planes)
}

/// Gives samples where nothing is seen the mean of those that are seen in their square, or else what the square before them had: there is
/// no edge that takes bytes.
fn hide(plane: &mut [u8], alpha: &[u8], width: usize) {
    let mut last = 128;
    let rows = SQUARE * width.max(1);
    for (plane, alpha) in plane.chunks_mut(rows).zip(alpha.chunks(rows)) {
        let length = plane.len();
        for left in (0..width).step_by(SQUARE) {
            let square = || (left..length).step_by(width).flat_map(|start| start..start + SQUARE.min(width - left));
            let (sum, count) =
                square().filter(|&at| alpha[at] > 0).fold((0, 0), |(sum, count), at| (sum + u32::from(plane[at]), count + 1));
            if let Some(mean) = sum.checked_div(count) {
                last = u8::try_from(mean).unwrap_or(u8::MAX);
            }
            for at in square().filter(|&at| alpha[at] == 0) {
                plane[at] = last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grays_have_no_colour_and_colours_their_light() {
        let pixels: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).chain([255, 0, 0, 0, 255, 0, 0, 0, 255]).collect();
        let (planes, alpha) = planes(Raster::test(259, 1, Channels::Rgb, pixels)).unwrap();
        assert!(alpha.is_none());
        assert!(planes[..256].iter().copied().eq(0..=255));
        assert!(planes[259..][..256].iter().chain(&planes[2 * 259..][..256]).all(|&sample| sample == 128));
        assert_eq!([&planes[256..259], &planes[515..518], &planes[774..]].concat(), [54, 182, 18, 99, 30, 255, 255, 12, 116]);
    }

    #[test]
    fn what_is_not_seen_takes_no_bytes() {
        let mut pixels: Vec<u8> = (0..20 * 9).flat_map(|at| [200, 100, 50, if at % 20 < 4 { 255 } else { 0 }]).collect();
        for hidden in pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] == 0) {
            hidden[..3].fill(0);
        }
        let (planes, alpha) = planes(Raster::test(20, 9, Channels::Rgba, pixels)).unwrap();
        assert!(planes.chunks(180).all(|plane| plane.iter().all(|sample| *sample == plane[0])), "{planes:?}");
        assert!(alpha.unwrap().chunks(20).all(|row| row[..4] == [255; 4] && row[4..] == [0; 16]));
    }
}
