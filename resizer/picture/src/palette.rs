//! A raster of few colours → these colours, and which of them each pixel has.
//!
//! Below the writers of GIF, PNG and WebP, above the raster.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Error, budget::Pixels, channels::Channels, raster::Raster};

/// Red, green, blue, alpha.
pub(crate) type Colour = [u8; 4];

/// The most colours that a palette has.
pub(crate) const COLOURS: usize = 256;

/// All colours of a picture, exactly.
pub(crate) struct Palette {
    /// At most [`COLOURS`], those that are not opaque first.
    pub(crate) colours: Vec<Colour>,
    /// The colour of each pixel.
    pub(crate) indices: Pixels,
}

impl Palette {
    /// None, if the picture has more than `most` colours.
    pub(crate) fn of(raster: &Raster, most: usize) -> Result<Option<Self>, Error> {
        match raster.channels {
            Channels::Gray => exact(raster, most, |&[value]: &[u8; 1]| [value, value, value, 255]),
            Channels::GrayAlpha => exact(raster, most, |&[value, alpha]: &[u8; 2]| [value, value, value, alpha]),
            Channels::Rgb => exact(raster, most, |&[red, green, blue]: &[u8; 3]| [red, green, blue, 255]),
            Channels::Rgba => exact(raster, most, |&pixel: &[u8; 4]| pixel),
            Channels::Cmyk => Ok(None),
        }
    }
}

fn exact<const N: usize>(raster: &Raster, most: usize, colour: impl Fn(&[u8; N]) -> Colour) -> Result<Option<Palette>, Error> {
    let (pixels, width) = (raster.pixels.as_chunks::<N>().0, raster.width as usize);
    let (mut found, mut last) = (BTreeSet::new(), None);
    for rows in raster.pieces() {
        let rows = rows?;
        for pixel in &pixels[rows.start * width..rows.end * width] {
            if last.replace(pixel) != Some(pixel) && found.insert(colour(pixel)) && found.len() > most.min(COLOURS) {
                return Ok(None);
            }
        }
    }
    let mut colours: Vec<_> = found.into_iter().collect();
    colours.sort_by_key(|colour| colour[3] == 255);
    let known: BTreeMap<Colour, u8> = colours.iter().copied().zip(0..=u8::MAX).collect();
    let index = |pixel: &[u8; N]| known.get(&colour(pixel)).copied().unwrap_or_default();
    Ok(Some(Palette { colours, indices: indices(raster, index)? }))
}

/// An index for each pixel.
fn indices<const N: usize>(raster: &Raster, index: impl Fn(&[u8; N]) -> u8) -> Result<Pixels, Error> {
    let (pixels, width) = (raster.pixels.as_chunks().0, raster.width as usize);
    let mut indices = raster.budget().zeros(pixels.len())?;
    for rows in raster.pieces() {
        let rows = rows?;
        let range = rows.start * width..rows.end * width;
        indices[range.clone()].iter_mut().zip(&pixels[range]).for_each(|(into, pixel)| *into = index(pixel));
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_picture_and_the_transparent_ones_come_first() {
        let raster = Raster::test(2, 2, Channels::GrayAlpha, vec![9, 255, 1, 255, 200, 7, 9, 255]);
        let palette = Palette::of(&raster, COLOURS).unwrap().unwrap();
        assert_eq!(palette.colours, [[200, 200, 200, 7], [1, 1, 1, 255], [9, 9, 9, 255]]);
        assert_eq!(palette.indices[..], [2, 1, 0, 2]);
    }

    #[test]
    fn more_colours_than_a_palette_has_make_none() {
        for (colours, fits) in [(256_u16, true), (257, false)] {
            let pixels: Vec<u8> = (0..colours).flat_map(|colour| [colour.to_be_bytes()[1], colour.to_be_bytes()[0], 0]).collect();
            let raster = Raster::test(u32::from(colours), 1, Channels::Rgb, pixels);
            assert_eq!(Palette::of(&raster, COLOURS).unwrap().is_some(), fits);
        }
    }
}
