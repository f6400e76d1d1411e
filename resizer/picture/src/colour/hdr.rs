//! Pixels with more light than sRGB has, by PQ or HLG → sRGB.
//!
//! The white of a page, 203 candela by BT.2408, is sRGB's white before the tones are mapped. They are as Chrome does it: what is dark
//! stays, and the more light there is the more it is pressed together, up to what 1000 candela are.
//!
//! Below the conversion of 16 bits, above the tone curve of sRGB.

use crate::colour::srgb::stored;

/// Candela of the white of a page, and the most that is told apart.
const WHITE: f64 = 203.0;
const PEAK: f64 = 1000.0;

/// Steps of the tables.
const STEPS: u16 = 4096;

pub(super) struct Hdr {
    /// The light of each of [`STEPS`] values; the white of a page has 1.
    light: Vec<f32>,
    /// The value of sRGB, of 16 bits, for each of [`STEPS`] parts of the square root of light.
    stored: Vec<u16>,
    /// To the primaries of sRGB.
    matrix: [[f32; 3]; 3],
    /// HLG is the camera's light; this makes a screen's of it.
    scene: bool,
}

/// Light of PQ, in candela.
fn pq(value: f64) -> f64 {
    let root = value.powf(1.0 / 78.843_75);
    10_000.0 * ((root - 0.835_937_5).max(0.0) / (18.851_562_5 - 18.687_5 * root)).powf(1.0 / 0.159_301_757_812_5)
}

/// Light of HLG at the camera, from 0 to 1.
fn hlg(value: f64) -> f64 {
    if value <= 0.5 { value * value / 3.0 } else { (((value - 0.559_910_73) / 0.178_832_77).exp() + 0.284_668_92) / 12.0 }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the tables, and fractions of what the eye sees")]
impl Hdr {
    pub(super) fn new(is_pq: bool, matrix: [[f64; 3]; 3]) -> Self {
        let part = |step: u16| f64::from(step) / f64::from(STEPS - 1);
        let light = |value: f64| if is_pq { pq(value) / WHITE } else { hlg(value) };
        Self {
            light: (0..STEPS).map(|step| light(part(step)) as f32).collect(),
            stored: (0..STEPS).map(|step| (stored(part(step) * part(step)) * 65_535.0).round() as u16).collect(),
            matrix: matrix.map(|row| row.map(|value| value as f32)),
            scene: !is_pq,
        }
    }

    pub(super) fn row(&self, from: &[u16], into: &mut [u16], channels: usize) {
        for (from, into) in from.chunks_exact(channels).zip(into.chunks_exact_mut(channels)) {
            into.copy_from_slice(from);
            if let ([red, green, blue, ..], Some(into)) = (from, into.first_chunk_mut::<3>()) {
                *into = self.pixel([*red, *green, *blue]);
            }
        }
    }

    fn pixel(&self, pixel: [u16; 3]) -> [u16; 3] {
        let mut light = pixel.map(|value| self.light[usize::from(value >> 4)]);
        if self.scene {
            let luminance = 0.2627 * light[0] + 0.678 * light[1] + 0.0593 * light[2];
            // to a screen of 1000 candela
            let screen = luminance.powf(0.2) * (PEAK / WHITE) as f32;
            light = light.map(|value| value * screen);
        }
        let linear = self.matrix.map(|row| row[0] * light[0] + row[1] * light[1] + row[2] * light[2]);
        let most = linear.iter().copied().fold(0.0, f32::max);
        let peak = (PEAK / WHITE) as f32;
        let tone = (1.0 + most / (peak * peak)) / (1.0 + most);
        linear.map(|value| {
            let root = (value * tone).clamp(0.0, 1.0).sqrt();
            self.stored[(root * f32::from(STEPS - 1)).round() as usize]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_those_of_the_standards() {
        for (light, expected) in
            [(pq(0.0), 0.0), (pq(0.5), 92.245_7), (pq(0.580_688_7), 203.0), (pq(0.751_827), 1000.0), (pq(1.0), 10_000.0)]
        {
            assert!((light - expected).abs() < expected * 1e-3 + 1e-9, "{light} {expected}");
        }
        for (light, expected) in [(hlg(0.0), 0.0), (hlg(0.5), 1.0 / 12.0), (hlg(0.75), 0.265), (hlg(1.0), 1.0)] {
            assert!((light - expected).abs() < 1e-3, "{light} {expected}");
        }
    }
}
