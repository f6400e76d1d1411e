//! Decoded pixels on their way from decoder to encoder: how they are copied, drawn on each other, and change their channels.
//!
//! Below all that decodes, scales and encodes; above the [budget](crate::budget), which gives them their memory.

use std::ops::Range;

use crate::{
    Error,
    budget::{AT_ONCE, Budget, Pixels},
    channels::Channels,
};

/// Rows of pixels without gaps: `width * height * channels.count()` bytes, of some budget.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) pixels: Pixels,
}

impl Raster {
    /// All bytes zero: black, and transparent where there is alpha.
    pub(crate) fn new(budget: &Budget, width: u32, height: u32, channels: Channels) -> Result<Self, Error> {
        let pixels = budget.zeros(width as usize * height as usize * channels.count())?;
        Ok(Self { width, height, channels, pixels })
    }

    /// Of the pixels that a library has made.
    pub(crate) fn of(budget: &Budget, (width, height): (u32, u32), channels: Channels, pixels: Vec<u8>) -> Result<Self, Error> {
        if pixels.len() != width as usize * height as usize * channels.count() {
            return Err(Error::Damaged("fewer pixels than its size".into()));
        }
        Ok(Self { width, height, channels, pixels: budget.adopt(pixels)? })
    }

    /// A new one from the budget of this one.
    pub(crate) fn another(&self, width: u32, height: u32, channels: Channels) -> Result<Self, Error> {
        Self::new(self.budget(), width, height, channels)
    }

    /// The same pixels once more.
    pub(crate) fn copy(&self) -> Result<Self, Error> {
        let mut copy = self.another(self.width, self.height, self.channels)?;
        copy.pixels.copy_from_slice(&self.pixels);
        Ok(copy)
    }

    pub(crate) fn budget(&self) -> &Budget {
        self.pixels.budget()
    }

    /// Its rows in pieces between which the work can be stopped.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Result<Range<usize>, Error>> + use<> {
        self.budget().pieces(self.height as usize, u64::from(self.width) * u64::from(self.height))
    }

    /// Whether it looks like a chart, a page or a logo: at least half of the pixels have their left neighbour's colour.
    pub(crate) fn is_drawn(&self) -> Result<bool, Error> {
        let (count, stride) = (self.channels.count(), self.stride().max(1));
        let mut equal = 0;
        for rows in self.pieces() {
            let rows = rows?;
            for row in self.pixels[rows.start * stride..rows.end * stride].chunks_exact(stride) {
                equal += row.chunks_exact(count).zip(row[count..].chunks_exact(count)).filter(|(left, pixel)| left == pixel).count();
            }
        }
        Ok(2 * equal * count >= self.pixels.len())
    }

    /// Makes every pixel opaque and of one colour; gray takes its first value.
    pub(crate) fn fill(&mut self, [red, green, blue]: [u8; 3]) {
        let pixel: &[u8] = match self.channels {
            Channels::Gray => &[red],
            Channels::GrayAlpha => &[red, 255],
            Channels::Rgb => &[red, green, blue],
            Channels::Rgba | Channels::Cmyk => &[red, green, blue, 255],
        };
        self.pixels.chunks_exact_mut(pixel.len()).for_each(|into| into.copy_from_slice(pixel));
    }

    /// Bytes of one row.
    pub(crate) fn stride(&self) -> usize {
        self.width as usize * self.channels.count()
    }

    /// Copies `source` onto this raster with its corner at `left`, `top`; what hangs over is cut off.
    /// Both have the same channels.
    pub(crate) fn draw(&mut self, source: &Self, left: u32, top: u32) {
        debug_assert_eq!(self.channels, source.channels);
        let count = self.channels.count();
        let length = source.width.min(self.width.saturating_sub(left)) as usize * count;
        let start = left as usize * count;
        let (stride, source_stride) = (self.stride(), source.stride());
        if length == 0 {
            return;
        }
        let rows = self.pixels.chunks_exact_mut(stride).skip(top as usize);
        for (into, from) in rows.zip(source.pixels.chunks_exact(source_stride)) {
            into[start..start + length].copy_from_slice(&from[..length]);
        }
    }

    /// Draws an RGBA `source` like [`Raster::draw`], but only its pixels that are not transparent.
    pub(crate) fn draw_over(&mut self, source: &Self, left: u32, top: u32) {
        let (width, source_width) = (self.width as usize, source.width as usize);
        let rows = self.pixels.as_chunks_mut::<4>().0.chunks_exact_mut(width.max(1)).skip(top as usize);
        for (into, from) in rows.zip(source.pixels.as_chunks::<4>().0.chunks_exact(source_width.max(1))) {
            for (into, from) in into.iter_mut().skip(left as usize).zip(from).filter(|(_, from)| from[3] != 0) {
                *into = *from;
            }
        }
    }

    /// Makes a rectangle transparent, as far as it lies in the picture.
    pub(crate) fn clear(&mut self, left: u32, top: u32, width: u32, height: u32) {
        let (stride, count) = (self.stride().max(1), self.channels.count());
        for row in self.pixels.chunks_exact_mut(stride).skip(top as usize).take(height as usize) {
            row.iter_mut().skip(left as usize * count).take(width as usize * count).for_each(|value| *value = 0);
        }
    }

    /// The same picture in `channels`; alpha is opaque where there was none, and is dropped without blending where none is wanted.
    /// CMYK is left as it is: its conversion is a matter of colour.
    pub(crate) fn into_channels(self, channels: Channels) -> Result<Self, Error> {
        use Channels::{Gray, GrayAlpha, Rgb, Rgba};
        match (self.channels, channels) {
            (Gray, GrayAlpha) => self.map(channels, |&[v]| [v, 255]),
            (Gray, Rgb) => self.map(channels, |&[v]| [v; 3]),
            (Gray, Rgba) => self.map(channels, |&[v]| [v, v, v, 255]),
            (GrayAlpha, Gray) => self.map(channels, |&[v, _]| [v]),
            (GrayAlpha, Rgb) => self.map(channels, |&[v, _]| [v; 3]),
            (GrayAlpha, Rgba) => self.map(channels, |&[v, alpha]| [v, v, v, alpha]),
            (Rgb, Rgba) => self.map(channels, |&[red, green, blue]| [red, green, blue, 255]),
            (Rgba, Rgb) => self.map(channels, |&[red, green, blue, _]| [red, green, blue]),
            _ => Ok(self),
        }
    }

    /// Every pixel of `A` bytes as one of `B`, which is what `channels` have.
    pub(crate) fn map<const A: usize, const B: usize>(
        &self,
        channels: Channels,
        pixel: impl Fn(&[u8; A]) -> [u8; B],
    ) -> Result<Self, Error> {
        let mut mapped = self.another(self.width, self.height, channels)?;
        let (from, into) = (self.pixels.as_chunks::<A>().0, mapped.pixels.as_chunks_mut::<B>().0);
        for (from, into) in from.chunks(AT_ONCE).zip(into.chunks_mut(AT_ONCE)) {
            self.budget().go_on()?;
            into.iter_mut().zip(from).for_each(|(into, from)| *into = pixel(from));
        }
        Ok(mapped)
    }

    /// Without alpha, if every pixel is opaque.
    pub(crate) fn without_opaque_alpha(self) -> Result<Self, Error> {
        match self.channels {
            Channels::GrayAlpha if self.all(|&[_, alpha]| alpha == 255)? => self.into_channels(Channels::Gray),
            Channels::Rgba if self.all(|&[_, _, _, alpha]| alpha == 255)? => self.into_channels(Channels::Rgb),
            _ => Ok(self),
        }
    }

    /// As gray, if every pixel is.
    pub(crate) fn without_grays_as_colours(self) -> Result<Self, Error> {
        match self.channels {
            Channels::Rgb if self.all(|&[red, green, blue]| red == green && green == blue)? => {
                self.map(Channels::Gray, |&[value, _, _]| [value])
            }
            Channels::Rgba if self.all(|&[red, green, blue, _]| red == green && green == blue)? => {
                self.map(Channels::GrayAlpha, |&[value, _, _, alpha]| [value, alpha])
            }
            _ => Ok(self),
        }
    }

    fn all<const N: usize>(&self, is: impl Fn(&[u8; N]) -> bool) -> Result<bool, Error> {
        for piece in self.pixels.as_chunks().0.chunks(AT_ONCE) {
            self.budget().go_on()?;
            if !piece.iter().all(&is) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Blends the picture over `background` and drops alpha, if it has any.
    pub(crate) fn flatten(self, background: [u8; 3]) -> Result<Self, Error> {
        if !self.channels.has_alpha() {
            return Ok(self);
        }
        self.into_channels(Channels::Rgba)?.map(Channels::Rgb, |&[red, green, blue, alpha]| {
            let alpha = u32::from(alpha);
            let over = |value: u8, behind: u8| {
                let sum = u32::from(value) * alpha + u32::from(behind) * (255 - alpha);
                u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
            };
            [over(red, background[0]), over(green, background[1]), over(blue, background[2])]
        })
    }
}

#[cfg(test)]
impl Raster {
    /// For tests, which make pictures out of nothing.
    pub(crate) fn test(width: u32, height: u32, channels: Channels, pixels: Vec<u8>) -> Self {
        Self::of(&Budget::unlimited(), (width, height), channels, pixels).unwrap()
    }
}

#[cfg(test)]
impl Clone for Raster {
    fn clone(&self) -> Self {
        self.copy().unwrap()
    }
}

#[cfg(test)]
impl PartialEq for Raster {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.height, self.channels) == (other.width, other.height, other.channels) && *self.pixels == *other.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_has_its_left_neighbours_colour_in_half_of_its_pixels() {
        let is_drawn = |equal: u8| {
            let row: Vec<u8> = (0..10).flat_map(|x: u8| [x.saturating_sub(equal), 7]).collect();
            Raster::test(10, 2, Channels::GrayAlpha, [row.clone(), row].concat()).is_drawn().unwrap()
        };
        assert_eq!([0, 4, 5, 9].map(is_drawn), [false, false, true, true]);
    }

    #[test]
    fn flattening_blends_over_the_background() {
        let raster = Raster::test(3, 1, Channels::GrayAlpha, vec![10, 255, 10, 0, 0, 128]);
        assert_eq!(raster.flatten([255, 0, 100]).unwrap().pixels[..], [10, 10, 10, 255, 0, 100, 127, 0, 50]);
    }

    #[test]
    fn drawing_cuts_off_what_hangs_over() {
        let mut canvas = Raster::test(3, 2, Channels::Gray, vec![0; 6]);
        let stamp = Raster::test(2, 2, Channels::Gray, vec![1, 2, 3, 4]);
        canvas.draw(&stamp, 2, 1);
        canvas.draw(&stamp, 5, 0);
        canvas.draw(&stamp, 0, 7);
        assert_eq!(canvas.pixels[..], [0, 0, 0, 0, 0, 1]);
    }
}
