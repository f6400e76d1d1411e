//! Rows of samples of any kind → pixels of 8 bits.
//!
//! Below the decoder of TIFF, above the layout and the raster.

use crate::{
    channels::Channels,
    colour::{deep::Deep, srgb::stored},
    format::tiff::layout::{Colour, Layout, YCbCr},
    raster::Raster,
};

impl Layout<'_> {
    /// Whether a sample of every pixel matters, when each has its own plane.
    pub(super) fn needs(&self, plane: usize) -> bool {
        !self.planar
            || plane < self.colour.samples() as usize
            || (self.alpha == u32::try_from(plane).ok() && self.channels() != Channels::Cmyk)
    }

    /// Rows of pixels that are stored together.
    pub(super) fn rows_together(&self) -> usize {
        if let Colour::YCbCr(YCbCr { sampling, .. }) = &self.colour { sampling.1 as usize } else { 1 }
    }

    /// Puts a row of a chunk, whose first pixel is at `left`, `y`, into the raster.
    pub(super) fn put(&self, bytes: &[u8], raster: &mut Raster, plane: usize, (left, y): (usize, usize)) {
        if let Colour::YCbCr(ycbcr) = &self.colour {
            return put_ycbcr(ycbcr, bytes, raster, left, y);
        }
        let width = (self.chunk.0 as usize).min(raster.width as usize - left);
        let (count, stride) = (raster.channels.count(), raster.stride());
        let pixels = &mut raster.pixels[y * stride + left * count..][..width * count];
        if self.planar {
            let channel = if self.alpha == u32::try_from(plane).ok() { count - 1 } else { plane };
            for (x, pixel) in pixels.chunks_exact_mut(count).enumerate() {
                pixel[channel] = self.sample(bytes, x);
            }
            return;
        }
        let samples = self.samples as usize;
        let as_in_raster = self.bits == 8 && samples == count && matches!(self.colour, Colour::Gray { .. } | Colour::Rgb);
        if let Some(row) = bytes.get(..pixels.len()).filter(|_| as_in_raster) {
            return pixels.copy_from_slice(row);
        }
        for (x, pixel) in pixels.chunks_exact_mut(count).enumerate() {
            let sample = |index: u32| self.sample(bytes, x * samples + index as usize);
            let alpha = self.alpha.map_or(255, sample);
            match &self.colour {
                Colour::Palette(palette) => {
                    let colour = palette.get(self.index(bytes, x * samples)).copied().unwrap_or_default();
                    pixel[..3].copy_from_slice(&colour);
                }
                // alpha takes away ink: what is left is paper
                Colour::Cmyk => (0..4).zip(&mut *pixel).for_each(|(index, ink)| *ink = times(sample(index), alpha)),
                colour => (0..colour.samples()).zip(&mut *pixel).for_each(|(index, value)| *value = sample(index)),
            }
            if self.channels().has_alpha() {
                pixel[count - 1] = alpha;
            }
        }
    }

    /// Whether the pixels are those of the raster, but for their 16 bits, so that these can be converted.
    pub(super) fn is_deep(&self) -> bool {
        let plain = matches!(self.colour, Colour::Gray { white_is_zero: false } | Colour::Rgb) && !self.associated && !self.planar;
        plain && self.bits == 16 && self.samples as usize == self.channels().count()
    }

    /// As [`put`](Self::put), of samples that [are deep](Self::is_deep).
    pub(super) fn convert(&self, bytes: &[u8], raster: &mut Raster, conversion: &mut Deep, (left, y): (usize, usize)) {
        let width = (self.chunk.0 as usize).min(raster.width as usize - left);
        let (count, stride) = (raster.channels.count(), raster.stride());
        let value = |&bytes: &[u8; 2]| if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
        let row: Vec<u16> = bytes.as_chunks().0.iter().take(width * count).map(value).collect();
        conversion.row(&row, &mut raster.pixels[y * stride + left * count..][..width * count]);
    }

    /// Differences along a row → values.
    pub(super) fn undo(&self, bytes: &mut [u8]) {
        if !self.predicted {
            return;
        }
        let samples = self.samples_in_chunk() as usize;
        macro_rules! add {
            ($kind:ty, $size:literal) => {{
                let (values, _) = bytes.as_chunks_mut::<$size>();
                for index in samples..values.len() {
                    let [before, value] = [values[index - samples], values[index]]
                        .map(|value| if self.little { <$kind>::from_le_bytes(value) } else { <$kind>::from_be_bytes(value) });
                    let sum = value.wrapping_add(before);
                    values[index] = if self.little { sum.to_le_bytes() } else { sum.to_be_bytes() };
                }
            }};
        }
        match self.bits {
            16 => add!(u16, 2),
            32 => add!(u32, 4),
            _ => add!(u8, 1),
        }
    }

    /// A sample of fewer than 8 bits, or of 8, as it is stored.
    fn index(&self, bytes: &[u8], at: usize) -> usize {
        let bits = self.bits.min(8) as usize;
        let bit = at * bits;
        let byte = bytes.get(bit / 8).copied().unwrap_or_default();
        usize::from(byte) >> (8 - bits - bit % 8) & ((1 << bits) - 1)
    }

    /// A sample, as a part of 255.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255, or saturated")]
    fn sample(&self, bytes: &[u8], at: usize) -> u8 {
        let size = self.bits as usize / 8;
        match self.bits {
            ..=8 => (self.index(bytes, at) * 255 / ((1 << self.bits) - 1)) as u8,
            32 if self.float => {
                let value = bytes.get(at * 4..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
                let value = if self.little { f32::from_le_bytes(value) } else { f32::from_be_bytes(value) };
                // floating-point samples are linear light, as in sharp
                (stored(f64::from(value).clamp(0.0, 1.0)) * 255.0).round() as u8
            }
            // of more bits, the highest byte
            _ => bytes.get(at * size + if self.little { size - 1 } else { 0 }).copied().unwrap_or_default(),
        }
    }

    /// What is done to whole pixels.
    pub(super) fn finish(&self, raster: &mut Raster) {
        let count = raster.channels.count();
        let colours = count - usize::from(raster.channels.has_alpha());
        if self.colour == (Colour::Gray { white_is_zero: true }) {
            raster.pixels.chunks_exact_mut(count).for_each(|pixel| pixel[0] = !pixel[0]);
        }
        if self.associated && colours < count {
            for pixel in raster.pixels.chunks_exact_mut(count) {
                let alpha = u32::from(pixel[colours]).max(1);
                for value in &mut pixel[..colours] {
                    *value = u8::try_from((u32::from(*value) * 255 + alpha / 2) / alpha).unwrap_or(u8::MAX);
                }
            }
        }
    }
}

fn times(value: u8, share: u8) -> u8 {
    u8::try_from((u32::from(value) * u32::from(share) + 127) / 255).unwrap_or(u8::MAX)
}

/// Rows of groups: luma of some pixels, and the colour differences that they share.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255, or saturated")]
fn put_ycbcr(ycbcr: &YCbCr, bytes: &[u8], raster: &mut Raster, left: usize, y: usize) {
    let (across, down) = (ycbcr.sampling.0 as usize, ycbcr.sampling.1 as usize);
    let [black, white, zero_blue, most_blue, zero_red, most_red] = ycbcr.reference;
    let [red_share, green_share, blue_share] = ycbcr.coefficients;
    let scale = |value: u8, zero: f64, most: f64, range: f64| (f64::from(value) - zero) * range / (most - zero).max(1.0);
    let (stride, width, height) = (raster.stride(), raster.width as usize, raster.height as usize);
    for (group, values) in bytes.chunks_exact(across * down + 2).enumerate() {
        let blue = scale(values[across * down], zero_blue, most_blue, 127.0);
        let red = scale(values[across * down + 1], zero_red, most_red, 127.0);
        for (index, &luma) in values[..across * down].iter().enumerate() {
            let (x, y) = (left + group * across + index % across, y + index / across);
            if x >= width || y >= height {
                continue;
            }
            let luma = scale(luma, black, white, 255.0);
            let [red, blue] = [(red, red_share), (blue, blue_share)].map(|(part, share)| luma + part * (2.0 - 2.0 * share));
            let green = (luma - red_share * red - blue_share * blue) / green_share;
            raster.pixels[y * stride + x * 3..][..3].copy_from_slice(&[red, green, blue].map(|value| value.round() as u8));
        }
    }
}
