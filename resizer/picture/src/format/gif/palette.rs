//! RGBA pixels, each opaque or transparent → at most 256 colours, and which of them each pixel has.
//!
//! Below the writers of GIF, above the palette and the raster. The colours are those of the picture if it has no more, else NeuQuant's.

use std::borrow::Cow;

use color_quant::NeuQuant;
use gif::Frame;

use crate::{
    Error,
    budget::Pixels,
    channels::Channels,
    palette::{COLOURS, Colour, Palette, indices},
    raster::Raster,
};

/// Of so many pixels the network learns one, from 1, the slowest, to 30.
const SPEED: i32 = 10;

/// Pixels of which the network learns [`SPEED`]th parts, in a quarter of a second: it cannot be stopped.
const SAMPLE: usize = 2_500_000;

/// A picture of indexed colours.
pub(crate) struct Indexed {
    width: u16,
    height: u16,
    /// Red, green and blue of each colour.
    palette: Vec<u8>,
    transparent: Option<u8>,
    indices: Pixels,
}

impl Indexed {
    /// Of a raster; half transparent pixels become opaque or transparent.
    pub(crate) fn new(raster: Raster) -> Result<Self, Error> {
        let has_alpha = raster.channels.has_alpha();
        let mut rgba = raster.into_channels(Channels::Rgba)?;
        if has_alpha {
            harden(&mut rgba)?;
        }
        let (width, height) = (side(rgba.width)?, side(rgba.height)?);
        let pixels = rgba.pixels.as_chunks().0;
        let is_transparent = has_alpha && pixels.contains(&CLEAR);
        let (palette, transparent, indices) = if let Some(exact) = Palette::of(&rgba, COLOURS)? {
            // the one that is not opaque comes first
            let palette = exact.colours.iter().flat_map(|colour| [colour[0], colour[1], colour[2]]).collect();
            (palette, is_transparent.then_some(0), exact.indices)
        } else {
            let network = learnt(&rgba, pixels)?;
            let index = |pixel: &Colour| u8::try_from(network.index_of(pixel)).unwrap_or_default();
            (network.color_map_rgb(), is_transparent.then(|| index(&CLEAR)), indices(&rgba, index)?)
        };
        Ok(Self { width, height, palette, transparent, indices })
    }

    /// The first rows of it as the frame that the encoder writes.
    pub(crate) fn frame(&self, rows: u16) -> Frame<'_> {
        let height = rows.min(self.height);
        let buffer = Cow::Borrowed(&self.indices[..usize::from(self.width) * usize::from(height)]);
        let (palette, transparent) = (Some(self.palette.clone()), self.transparent);
        Frame { width: self.width, height, buffer, palette, transparent, ..Frame::default() }
    }

    /// Rows of pixels.
    pub(crate) fn height(&self) -> u16 {
        self.height
    }
}

/// A side of a picture, as GIF has it.
pub(crate) fn side(side: u32) -> Result<u16, Error> {
    u16::try_from(side).map_err(|_| Error::TooLarge(format!("a side of {side} pixels")))
}

const CLEAR: Colour = [0; 4];

/// Makes half transparent pixels of RGBA opaque or transparent.
pub(crate) fn harden(raster: &mut Raster) -> Result<(), Error> {
    let width = raster.width as usize;
    for rows in raster.pieces() {
        let rows = rows?;
        for pixel in &mut raster.pixels.as_chunks_mut::<4>().0[rows.start * width..rows.end * width] {
            *pixel = if pixel[3] < 128 { CLEAR } else { [pixel[0], pixel[1], pixel[2], 255] };
        }
    }
    Ok(())
}

/// The palette that NeuQuant learns.
fn learnt(raster: &Raster, pixels: &[Colour]) -> Result<NeuQuant, Error> {
    if pixels.len() <= SAMPLE {
        return Ok(NeuQuant::new(SPEED, COLOURS, pixels.as_flattened()));
    }
    let every = pixels.len().div_ceil(SAMPLE);
    let sample = raster.budget().collect(pixels.len().div_ceil(every), pixels.iter().step_by(every).copied())?;
    Ok(NeuQuant::new(SPEED, COLOURS, sample.as_flattened()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::drawing::noisy;

    #[test]
    fn few_colours_stay_as_they_are_and_one_is_transparent() {
        let pixels = [[9, 8, 7, 255], [9, 8, 7, 200], [1, 2, 3, 127], [1, 2, 3, 128]].concat();
        let indexed = Indexed::new(Raster::test(2, 2, Channels::Rgba, pixels)).unwrap();
        let colour = |index: u8| indexed.palette[usize::from(index) * 3..][..3].to_vec();
        assert_eq!((indexed.palette.len(), indexed.transparent), (9, Some(indexed.indices[2])));
        assert_eq!(indexed.indices.iter().map(|&index| colour(index)).collect::<Vec<_>>(), [[9, 8, 7], [9, 8, 7], [0, 0, 0], [1, 2, 3]]);
    }

    #[test]
    fn of_a_large_picture_a_sample_is_learnt() {
        let raster = noisy(2000, 1500, Channels::Rgba);
        let pixels = raster.pixels.as_chunks().0;
        let network = learnt(&raster, pixels).unwrap();
        let whole = NeuQuant::new(SPEED, COLOURS, &raster.pixels);
        let error = |network: &NeuQuant| {
            let off = |pixel: &Colour| {
                let colour = network.lookup(network.index_of(pixel)).unwrap();
                pixel.iter().zip(colour).map(|(one, other)| u64::from(one.abs_diff(other))).sum::<u64>()
            };
            pixels.iter().step_by(97).map(off).sum::<u64>()
        };
        let (of_sample, of_whole) = (error(&network), error(&whole));
        assert!(of_sample * 10 < of_whole * 11, "{of_sample} {of_whole}");
    }
}
