//! Colours whose darkest is not black → the same with black, and with white where it was: as lcms does it, by XYZ.
//!
//! Below the conversion, above the tone curve of sRGB.

use moxcms::ColorProfile;

use crate::colour::srgb::{ONE, TABLES};

/// What is done to light in sRGB.
pub(super) struct BlackPoint {
    matrix: [[f32; 3]; 3],
    offset: [f32; 3],
}

/// Black in the tables of profiles of version 4, by the ICC's definition.
const PERCEPTUAL_BLACK: [f64; 3] = [0.003_36, 0.003_473_1, 0.002_87];

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "from 0 to 1, or of little weight")]
impl BlackPoint {
    /// For the darkest colour, as it is in sRGB; none is that of version 4.
    pub(super) fn new(black: Option<[u8; 3]>) -> Self {
        let to_xyz = ColorProfile::new_srgb().rgb_to_xyz_matrix();
        let (to, from) = (to_xyz.v, to_xyz.inverse().v);
        let times = |light: [f64; 3]| to.map(|row| row[0] * light[0] + row[1] * light[1] + row[2] * light[2]);
        let light = |value: u8| f64::from(TABLES.light[usize::from(value)]) / f64::from(ONE);
        let (white, black) = (times([1.0; 3]), black.map_or(PERCEPTUAL_BLACK, |black| times(black.map(light))));
        let stretch = [0, 1, 2].map(|axis: usize| white[axis] / (white[axis] - black[axis]).max(1e-3));
        let sum =
            |row: [f64; 3], column: &dyn Fn(usize) -> f64| (0..3).map(|axis| row[axis] * stretch[axis] * column(axis)).sum::<f64>() as f32;
        Self {
            matrix: from.map(|row| [0, 1, 2].map(|column| sum(row, &|axis| to[axis][column]))),
            offset: from.map(|row| -sum(row, &|axis| black[axis])),
        }
    }

    pub(super) fn apply(&self, pixel: &mut [u8; 3]) {
        let light = pixel.map(|value| f32::from(TABLES.light[usize::from(value)]));
        for ((value, row), offset) in pixel.iter_mut().zip(self.matrix).zip(self.offset) {
            let light = row[0] * light[0] + row[1] * light[1] + row[2] * light[2] + offset * ONE as f32;
            *value = TABLES.stored[light.round().clamp(0.0, ONE as f32) as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_darkest_becomes_black_and_white_stays() {
        for black in [[0; 3], [40, 30, 60], [25; 3]] {
            let point = BlackPoint::new(Some(black));
            for (from, into) in [(black, [0; 3]), ([255; 3], [255; 3])] {
                let mut pixel = from;
                point.apply(&mut pixel);
                assert_eq!(pixel, into, "{black:?}");
            }
        }
    }
}
