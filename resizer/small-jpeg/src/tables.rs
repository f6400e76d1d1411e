//! Quality → the quantisation tables of luma and chroma.
//!
//! Steps rise with the distance of a frequency from zero. How fast, and how luma and chroma compare, was chosen by SSIMULACRA2 on photos, so
//! that at each quality pictures score about as those of other encoders.

use crate::{order::ZIGZAG, transform::FACTORS};

/// Steps of a component.
#[derive(Clone, Debug)]
pub(crate) struct Quantisation {
    /// In the order of the zigzag, as in the file.
    pub(crate) steps: [u8; 64],
    /// What the transform's output is multiplied by, in the order of that output.
    pub(crate) inverse: [f32; 64],
}

/// Steps at quality 50.
struct Shape {
    /// Of the DC coefficient.
    mean: f32,
    /// What those of AC coefficients rise from.
    lowest: f32,
    /// By which part of it they rise.
    rise: f32,
}

const LUMA: Shape = Shape { mean: 8.4, lowest: 14.0, rise: 0.135 };
const CHROMA: Shape = Shape { mean: 12.8, lowest: 16.0, rise: 0.0877 };

/// The factor of a quality as the library of the Independent JPEG Group has it: 1 at quality 50, none at 100.
fn strength(quality: u8) -> f32 {
    let quality = f32::from(quality.clamp(1, 100));
    if quality < 50.0 { 50.0 / quality } else { 2.0 - quality / 50.0 }
}

/// A distance's square → the distance to the power of 7/4, by operations that are exact on every machine.
fn bent(square: f32) -> f32 {
    if square == 0.0 { 0.0 } else { square / square.sqrt().sqrt().sqrt() }
}

fn quantisation(strength: f32, shape: &Shape) -> Quantisation {
    let (mut steps, mut inverse) = ([0; 64], [0.0; 64]);
    for (place, &at) in ZIGZAG.iter().enumerate() {
        let (across, down) = (usize::from(at / 8), usize::from(at % 8));
        let rise = bent((across * across + down * down) as f32) * shape.rise;
        let step = if place == 0 { shape.mean } else { shape.lowest * (1.0 + rise) };
        let step = (step * strength).round().clamp(1.0, 255.0);
        steps[place] = step as u8;
        inverse[usize::from(at)] = 1.0 / (step * 8.0 * FACTORS[across] * FACTORS[down]);
    }
    Quantisation { steps, inverse }
}

/// The tables of luma and of chroma.
pub(crate) fn tables(quality: u8) -> [Quantisation; 2] {
    [LUMA, CHROMA].map(|shape| quantisation(strength(quality), &shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_shrink_with_quality_and_rise_with_frequency() {
        for quality in 1..100 {
            for (lower, higher) in tables(quality).iter().zip(&tables(quality + 1)) {
                assert!(lower.steps.iter().zip(&higher.steps).all(|(lower, higher)| lower >= higher && *higher > 0));
                assert!(lower.steps[1] <= lower.steps[63] && lower.steps[0] <= lower.steps[1]);
            }
        }
        assert!(tables(100).iter().all(|table| table.steps == [1; 64]));
        assert_eq!(tables(0)[0].steps, tables(1)[0].steps);
    }
}
