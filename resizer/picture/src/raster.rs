//! Decoded pixels on their way from decoder to encoder.

/// What the bytes of a pixel mean, one byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channels {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// 0 is no ink, 255 is full ink.
    Cmyk,
}

impl Channels {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    pub(crate) fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// Rows of pixels without gaps: `width * height * channels.count()` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) pixels: Vec<u8>,
}

impl Raster {
    /// All bytes zero: black, and transparent where there is alpha.
    pub(crate) fn new(width: u32, height: u32, channels: Channels) -> Self {
        let pixels = vec![0; width as usize * height as usize * channels.count()];
        Self { width, height, channels, pixels }
    }

    /// Every pixel opaque and of one colour; gray takes its first value.
    pub(crate) fn filled(width: u32, height: u32, channels: Channels, [red, green, blue]: [u8; 3]) -> Self {
        let pixel: &[u8] = match channels {
            Channels::Gray => &[red],
            Channels::GrayAlpha => &[red, 255],
            Channels::Rgb => &[red, green, blue],
            Channels::Rgba | Channels::Cmyk => &[red, green, blue, 255],
        };
        Self { width, height, channels, pixels: pixel.repeat(width as usize * height as usize) }
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
    pub(crate) fn into_channels(self, channels: Channels) -> Self {
        use Channels::{Gray, GrayAlpha, Rgb, Rgba};
        let pixels = &self.pixels;
        let converted = match (self.channels, channels) {
            (Gray, GrayAlpha) => pixels.iter().flat_map(|&v| [v, 255]).collect(),
            (Gray, Rgb) => pixels.iter().flat_map(|&v| [v, v, v]).collect(),
            (Gray, Rgba) => pixels.iter().flat_map(|&v| [v, v, v, 255]).collect(),
            (GrayAlpha, Gray) => pixels.chunks_exact(2).map(|p| p[0]).collect(),
            (GrayAlpha, Rgb) => pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0]]).collect(),
            (GrayAlpha, Rgba) => pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
            (Rgb, Rgba) => pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
            (Rgba, Rgb) => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
            _ => return self,
        };
        Self { channels, pixels: converted, ..self }
    }

    /// Blends the picture over `background` and drops alpha, if it has any.
    pub(crate) fn flatten(self, background: [u8; 3]) -> Self {
        if !self.channels.has_alpha() {
            return self;
        }
        let mut rgba = self.into_channels(Channels::Rgba);
        for pixel in rgba.pixels.chunks_exact_mut(4) {
            let alpha = u32::from(pixel[3]);
            for (value, behind) in pixel.iter_mut().zip(background) {
                let sum = u32::from(*value) * alpha + u32::from(behind) * (255 - alpha);
                *value = u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX);
            }
        }
        rgba.into_channels(Channels::Rgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattening_blends_over_the_background() {
        let raster = Raster { width: 3, height: 1, channels: Channels::GrayAlpha, pixels: vec![10, 255, 10, 0, 0, 128] };
        assert_eq!(raster.flatten([255, 0, 100]).pixels, [10, 10, 10, 255, 0, 100, 127, 0, 50]);
    }

    #[test]
    fn drawing_cuts_off_what_hangs_over() {
        let mut canvas = Raster::new(3, 2, Channels::Gray);
        let stamp = Raster { width: 2, height: 2, channels: Channels::Gray, pixels: vec![1, 2, 3, 4] };
        canvas.draw(&stamp, 2, 1);
        canvas.draw(&stamp, 5, 0);
        canvas.draw(&stamp, 0, 7);
        assert_eq!(canvas.pixels, [0, 0, 0, 0, 0, 1]);
    }
}
