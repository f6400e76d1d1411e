//! The tone curve of sRGB.
//!
//! Below all that knows light from stored values, above nothing.

use std::sync::LazyLock;

/// All light.
pub(crate) const ONE: i32 = 1 << 14;

/// Light and alpha for each stored value, and the stored value for each light.
pub(crate) struct Tables {
    pub(crate) light: [i16; 256],
    pub(crate) alpha: [i16; 256],
    /// Longer than there is light: indices need no more than to be cut to so many bits.
    pub(crate) stored: [u8; 2 * ONE as usize],
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "from 0 to the largest value")]
pub(crate) static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    light: std::array::from_fn(|value| (light(value as f64 / 255.0) * f64::from(ONE)).round() as i16),
    alpha: std::array::from_fn(|value| (value as f64 / 255.0 * f64::from(ONE)).round() as i16),
    stored: std::array::from_fn(|value| (stored((value as f64 / f64::from(ONE)).min(1.0)) * 255.0).round() as u8),
});

/// The light of a value from 0 to 1.
pub(crate) fn light(stored: f64) -> f64 {
    if stored <= 0.040_45 { stored / 12.92 } else { ((stored + 0.055) / 1.055).powf(2.4) }
}

/// The value of a light from 0 to 1.
pub(crate) fn stored(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        for value in 0..=u8::MAX {
            assert_eq!(TABLES.stored[usize::try_from(TABLES.light[usize::from(value)]).unwrap()], value);
        }
    }
}
