//! Scaled pixels → the same without ringing: the bright lines that kernels with negative lobes leave beside edges in dark parts.
//!
//! Beside an edge Lanczos gives a few percent of its light. As stored values that is invisible; mixed as light it is a line.
//!
//! Below the scaler, above the raster.

use crate::{geometry::Region, raster::Raster};

/// From this value on the lines are not visible.
const DARK: u8 = 64;

/// Makes dark values no lighter than the lightest of `source` within a pixel of `scaled` of them, of which `region` was scaled.
pub(super) fn remove(scaled: &mut Raster, source: &Raster, region: Region) {
    let count = source.channels.count();
    let (width, height) = (scaled.width as usize, scaled.height as usize);
    let columns: Vec<_> = (0..width).map(|x| around(x, region.left, region.width / f64::from(scaled.width), source.width)).collect();
    for y in 0..height {
        let rows = around(y, region.top, region.height / f64::from(scaled.height), source.height);
        for (index, value) in scaled.pixels[y * width * count..][..width * count].iter_mut().enumerate() {
            if (1..DARK).contains(value) {
                *value = lightest(source, &columns[index / count], &rows, index % count, *value);
            }
        }
    }
}

/// What lies within a pixel of the pixel `at`, which is `step` of the source's from the next.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "within the picture")]
fn around(at: usize, start: f64, step: f64, side: u32) -> std::ops::Range<usize> {
    let middle = start + (at as f64 + 0.5) * step;
    let from = (middle - step).floor().max(0.0) as usize;
    from..((middle + step).ceil() as usize).clamp(from, side as usize)
}

/// The lightest of the samples, up to `enough`. Nearly always there is enough among the first.
fn lightest(source: &Raster, columns: &std::ops::Range<usize>, rows: &std::ops::Range<usize>, channel: usize, enough: u8) -> u8 {
    let (stride, count) = (source.stride(), source.channels.count());
    let mut most = 0;
    for y in rows.clone() {
        for pixel in source.pixels[y * stride..][columns.start * count..columns.end * count].chunks_exact(count) {
            most = pixel[channel].max(most);
            if most >= enough {
                return enough;
            }
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use resize_api::picture::Kernel;

    use super::*;
    use crate::{
        channels::Channels,
        scale::{How, scale},
    };

    #[test]
    fn black_beside_white_stays_black_and_fine_lines_keep_their_light() {
        for channels in [Channels::Gray, Channels::Rgb] {
            let count = channels.count();
            let picture = |white: &dyn Fn(usize) -> bool| {
                let pixels = (0..400 * 40 * count).map(|index| if white(index / count % 400) { 255 } else { 0 }).collect();
                let region = Region { left: 0.0, top: 0.0, width: 400.0, height: 40.0 };
                let how = How { kernel: Kernel::Lanczos3, linear: true };
                scale(&Raster::test(400, 40, channels, pixels), region, (40, 4), how).unwrap()
            };
            for edge in 200..210 {
                let step = picture(&|x| x >= edge);
                let dark = step.pixels.chunks(40 * count).flat_map(|row| &row[..(edge / 10 - 1) * count]).max();
                assert!(dark <= Some(&4), "{channels:?} {edge}: {dark:?}");
            }
            // a twentieth of the light
            let lines = picture(&|x| x % 20 == 3);
            let mean = lines.pixels.iter().map(|&value| u32::from(value)).sum::<u32>() / u32::try_from(lines.pixels.len()).unwrap();
            assert!((40..70).contains(&mean), "{channels:?} {mean}");
        }
    }
}
