//! Coefficients → samples and pixels, in floating-point numbers and straight from the definitions.

use super::{Component, Picture, ZIGZAG};

/// A component at a scale, unrounded.
pub struct Samples {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f64>,
}

impl Samples {
    /// The value as a byte, exact.
    fn byte(&self, x: usize, y: usize) -> f64 {
        self.values[y * self.width + x].clamp(0.0, 255.0)
    }
}

/// `across` by `down` samples of a block by the inverse DCT of that size.
fn block(coefficients: &[i16; 64], steps: &[u16; 64], across: usize, down: usize) -> Vec<f64> {
    let weight = |index: usize| if index == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
    let wave = |at: usize, index: usize, side: usize| ((2 * at + 1) as f64 * index as f64 * std::f64::consts::PI / (2 * side) as f64).cos();
    let mut samples = vec![128.0; across * down];
    for k in 0..64 {
        let (u, v) = (ZIGZAG[k] % 8, ZIGZAG[k] / 8);
        let value = f64::from(coefficients[k]) * f64::from(steps[k]);
        if u < across && v < down && value != 0.0 {
            for (index, sample) in samples.iter_mut().enumerate() {
                *sample += value * weight(u) * weight(v) * wave(index % across, u, across) * wave(index / across, v, down) / 4.0;
            }
        }
    }
    samples
}

/// All samples of a component whose blocks give `across` by `down`.
pub fn samples(component: &Component, across: usize, down: usize) -> Samples {
    let (width, height) = (component.size.0 * across, component.size.1 * down);
    let mut values = vec![0.0; width * height];
    for (index, coefficients) in component.blocks.iter().enumerate() {
        let (left, top) = (index % component.size.0 * across, index / component.size.0 * down);
        for (at, value) in block(coefficients, &component.steps, across, down).into_iter().enumerate() {
            values[(top + at / across) * width + left + at % across] = value;
        }
    }
    Samples { width, height, values }
}

/// Samples of a block of each component at `side`/8, and how many pixels they are apart, across and down.
pub fn sides(picture: &Picture, side: usize, progressive: bool) -> Vec<[(usize, f64); 2]> {
    let most = picture.most();
    let axis = |sampling: usize, most: usize| {
        let mut block = side;
        while block <= 4 && !(progressive && side == 1) && (side * most).is_multiple_of(sampling * block * 2) {
            block *= 2;
        }
        (block, (side * most) as f64 / (sampling * block) as f64)
    };
    picture.components.iter().map(|c| [axis(c.sampling.0, most.0), axis(c.sampling.1, most.1)]).collect()
}

/// Linear between the middles of samples, which lie `ratio` pixels apart. Only the first `width` by `height` samples count.
fn enlarged(samples: &Samples, (width, height): (usize, usize), (ratio_x, ratio_y): (f64, f64), x: usize, y: usize) -> f64 {
    let axis = |at: usize, ratio: f64, side: usize| {
        let middle = (at as f64 + 0.5) / ratio - 0.5;
        let first = middle.floor();
        let clamp = |index: f64| index.clamp(0.0, (side - 1) as f64) as usize;
        (clamp(first), clamp(first + 1.0), middle - first)
    };
    let ((left, right, share_x), (upper, lower, share_y)) = (axis(x, ratio_x, width), axis(y, ratio_y, height));
    let row = |y: usize| samples.byte(left, y) * (1.0 - share_x) + samples.byte(right, y) * share_x;
    row(upper) * (1.0 - share_y) + row(lower) * share_y
}

/// The components as they are in the pixels at `side`/8: of each, a value for each pixel.
pub fn components(picture: &Picture, side: usize, progressive: bool) -> (usize, usize, Vec<Vec<f64>>) {
    let (width, height) = ((picture.width * side).div_ceil(8), (picture.height * side).div_ceil(8));
    let most = picture.most();
    let planes = picture.components.iter().zip(sides(picture, side, progressive)).map(|(component, [x, y])| {
        let values = samples(component, x.0, y.0);
        let length = |length: usize, sampling: usize, most: usize, block: usize| ((length * sampling).div_ceil(most) * block).div_ceil(8);
        let within = (length(picture.width, component.sampling.0, most.0, x.0), length(picture.height, component.sampling.1, most.1, y.0));
        (0..width * height).map(|at| enlarged(&values, within, (x.1, y.1), at % width, at / width)).collect()
    });
    (width, height, planes.collect())
}
