//! RGBA pixels, each opaque or transparent → at most 256 colours, and which of them each pixel has.
//!
//! Below the writers of GIF, above the palette and the raster. The colours are those of the picture if it has no more, else those that
//! k-means finds in Oklab, where distances are as they are seen.

use std::borrow::Cow;

use gif::Frame;
use quantette::{
    ImageRef, PaletteBuf, PaletteSize, Pipeline,
    color_map::{IndexedColorMap, NearestNeighborColorMap},
    color_space::{oklab_to_srgb8, srgb8_to_oklab},
    deps::palette::{Oklab, Srgb},
    dither::FloydSteinberg,
    kmeans::KmeansOptions,
};

use crate::{
    Error,
    budget::Pixels,
    channels::Channels,
    palette::{COLOURS, Colour, Palette},
    raster::Raster,
};

/// The most pixels that colours are learnt from, in a fifth of a second: it cannot be stopped.
const SAMPLE: usize = 500_000;

/// The most pixels that get their colours at once.
const PIECE: usize = 1 << 20;

/// What part of what a pixel is off its neighbours get. More looks no better by SSIMULACRA2, and takes more bytes.
const DIFFUSION: f32 = 0.5;

/// See [`encoding`](super::super::encoding): RGBA, indices and the file; what is learnt from, or a piece, in 8 bits and as numbers.
pub(crate) fn encoding(pixels: u64) -> u64 {
    pixels * 12 + pixels.min(PIECE as u64) * 16
}

/// How colours that are not in the palette are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// By several that are, side by side.
    Dithered,
    /// By the nearest one, always the same: for the frames of an animation.
    Nearest,
}

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
    pub(crate) fn new(raster: Raster, missing: Missing) -> Result<Self, Error> {
        let has_alpha = raster.channels.has_alpha();
        let mut rgba = raster.into_channels(Channels::Rgba)?;
        if has_alpha {
            harden(&mut rgba)?;
        }
        let (width, height) = (side(rgba.width)?, side(rgba.height)?);
        let pixels = rgba.pixels.as_chunks().0;
        let is_transparent = has_alpha && pixels.contains(&CLEAR);
        let flat = |colours: &[[u8; 3]]| colours.as_flattened().to_vec();
        if let Some(exact) = Palette::of(&rgba, COLOURS)? {
            // the one that is not opaque comes first
            let colours: Vec<_> = exact.colours.iter().map(|&[red, green, blue, _]| [red, green, blue]).collect();
            return Ok(Self { width, height, palette: flat(&colours), transparent: is_transparent.then_some(0), indices: exact.indices });
        }
        let map = NearestNeighborColorMap::new(learnt(&rgba, pixels, COLOURS - usize::from(is_transparent))?);
        let mut colours: Vec<_> = oklab_to_srgb8(map.palette()).into_iter().map(<[u8; 3]>::from).collect();
        let transparent = is_transparent.then(|| {
            colours.push([0; 3]);
            u8::try_from(colours.len() - 1).unwrap_or(u8::MAX)
        });
        let indices = indices(&rgba, pixels, &map, missing, transparent)?;
        Ok(Self { width, height, palette: flat(&colours), transparent, indices })
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

fn srgb([red, green, blue, _]: Colour) -> Srgb<u8> {
    Srgb::new(red, green, blue)
}

/// So many colours that are near those of the picture.
fn learnt(raster: &Raster, pixels: &[Colour], most: usize) -> Result<PaletteBuf<Oklab>, Error> {
    let every = pixels.len().div_ceil(SAMPLE).max(1);
    let opaque = pixels.iter().filter(|pixel| **pixel != CLEAR).step_by(every);
    let sample = raster.budget().collect(pixels.len().div_ceil(every), opaque.copied().map(srgb))?;
    let size = PaletteSize::try_from_usize(most).unwrap_or(PaletteSize::MAX);
    let pipeline = Pipeline::new().palette_size(size).quantize_method(KmeansOptions::new().sampling_factor(0.5)).dedup(false);
    let learner = pipeline.input_slice(&sample).map_err(|error| Error::Damaged(format!("cannot write GIF: {error}")))?;
    Ok(learner.output_oklab_palette())
}

fn indices(
    raster: &Raster,
    pixels: &[Colour],
    map: &NearestNeighborColorMap<Oklab, f32, 3>,
    missing: Missing,
    transparent: Option<u8>,
) -> Result<Pixels, Error> {
    let mut indices = raster.budget().zeros(pixels.len())?;
    let width = (raster.width as usize).max(1);
    let piece = (PIECE / width).max(1) * width;
    let ditherer = FloydSteinberg::with_error_diffusion(DIFFUSION).unwrap_or_default();
    for (pixels, into) in pixels.chunks(piece).zip(indices.chunks_mut(piece)) {
        raster.budget().go_on()?;
        let colours = raster.budget().collect(pixels.len(), pixels.iter().copied().map(srgb))?;
        let colours = srgb8_to_oklab(&colours);
        let rows = u32::try_from(pixels.len() / width).unwrap_or(u32::MAX);
        match ImageRef::new(raster.width, rows, &colours) {
            Ok(image) if missing == Missing::Dithered => into.copy_from_slice(ditherer.dither_image_to_indexed(image, map).indices()),
            _ => into.iter_mut().zip(&colours).for_each(|(into, colour)| *into = map.palette_index(colour)),
        }
        if let Some(transparent) = transparent {
            into.iter_mut().zip(pixels).filter(|(_, pixel)| **pixel == CLEAR).for_each(|(into, _)| *into = transparent);
        }
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::drawing::{gradient, noisy};

    #[test]
    fn few_colours_stay_as_they_are_and_one_is_transparent() {
        let pixels = [[9, 8, 7, 255], [9, 8, 7, 200], [1, 2, 3, 127], [1, 2, 3, 128]].concat();
        let indexed = Indexed::new(Raster::test(2, 2, Channels::Rgba, pixels), Missing::Dithered).unwrap();
        let colour = |index: u8| indexed.palette[usize::from(index) * 3..][..3].to_vec();
        assert_eq!((indexed.palette.len(), indexed.transparent), (9, Some(indexed.indices[2])));
        assert_eq!(indexed.indices.iter().map(|&index| colour(index)).collect::<Vec<_>>(), [[9, 8, 7], [9, 8, 7], [0, 0, 0], [1, 2, 3]]);
    }

    #[test]
    fn of_a_large_picture_a_sample_is_learnt() {
        let raster = noisy(2000, 1500, Channels::Rgba);
        let pixels = raster.pixels.as_chunks().0;
        let parts: Vec<_> = pixels.chunks(SAMPLE).map(|part| learnt(&raster, part, COLOURS).unwrap()).collect();
        let error = |palette: &PaletteBuf<Oklab>| {
            let map = NearestNeighborColorMap::new(palette.clone());
            let off = |pixel: &Colour| {
                let colour = srgb8_to_oklab(&[srgb(*pixel)])[0];
                let near = map.palette_color(&colour);
                (colour.l - near.l).powi(2) + (colour.a - near.a).powi(2) + (colour.b - near.b).powi(2)
            };
            pixels.iter().step_by(97).map(off).sum::<f32>()
        };
        let of_sample = error(&learnt(&raster, pixels, COLOURS).unwrap());
        // a part of the picture does not know the colours of the others
        assert!(parts.iter().all(|part| of_sample * 1.5 < error(part)), "{of_sample} {:?}", parts.iter().map(error).collect::<Vec<_>>());
    }

    #[test]
    fn a_picture_of_many_colours_is_dithered_and_one_of_an_animation_is_not() {
        let mut raster = gradient(256, 256, Channels::Rgba);
        raster.pixels.as_chunks_mut().0.iter_mut().for_each(|pixel: &mut Colour| *pixel = [pixel[0], pixel[1], 99, 255]);
        let blocks = |missing| {
            let indexed = Indexed::new(raster.copy().unwrap(), missing).unwrap();
            let shown = |at: usize, channel: usize| f64::from(indexed.palette[usize::from(indexed.indices[at]) * 3 + channel]);
            // how far 8 by 8 pixels together are from what they show
            let off = |(x, y): (usize, usize), channel: usize| {
                let each = (0..64).map(|at| (y * 8 + at / 8) * 256 + x * 8 + at % 8);
                each.map(|at| shown(at, channel) - f64::from(raster.pixels[at * 4 + channel])).sum::<f64>().abs() / 64.0
            };
            let all = (0..32 * 32).flat_map(|block| [0, 1].map(|channel| off((block % 32, block / 32), channel)));
            all.sum::<f64>() / 2048.0
        };
        let (dithered, nearest) = (blocks(Missing::Dithered), blocks(Missing::Nearest));
        assert!(dithered * 1.25 < nearest, "{dithered} {nearest}");
    }

    #[test]
    fn what_is_transparent_stays_so_among_many_colours() {
        let mut raster = noisy(64, 64, Channels::Rgba);
        for (at, pixel) in raster.pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            pixel[3] = if at % 3 == 0 { 0 } else { 255 };
        }
        for missing in [Missing::Dithered, Missing::Nearest] {
            let indexed = Indexed::new(raster.copy().unwrap(), missing).unwrap();
            assert!(indexed.palette.len() <= 768);
            let clear = indexed.indices.iter().map(|&index| Some(index) == indexed.transparent);
            assert!(clear.enumerate().all(|(at, clear)| clear == (at % 3 == 0)));
        }
    }
}
