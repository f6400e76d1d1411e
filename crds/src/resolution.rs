//! `WxH` text → [`Resolution`] → `WxH` text, and the limits on resolutions. Nothing is below.

use std::{fmt, str::FromStr};

/// A requested size in pixels. Zero in one place keeps the original's aspect ratio.
///
/// Written `{width}x{height}` in decimal, without sign or leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolution {
    /// Width in pixels, 0 to follow from the height.
    pub width: u32,
    /// Height in pixels, 0 to follow from the width.
    pub height: u32,
}

/// Largest side of an output picture, in pixels: the largest that WebP can hold.
pub const MAX_SIDE: u32 = 16_383;

/// Why a text is not a [`Resolution`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolutionError {
    /// Not two decimal numbers with an `x` between.
    #[error("`{0}` is not a resolution: want WIDTHxHEIGHT in pixels, such as 300x300 or 640x0")]
    Form(String),
    /// Both sides are 0.
    #[error("`{0}` is not a resolution: one side may be 0 to keep the ratio, not both")]
    Empty(String),
    /// A side is over [`MAX_SIDE`].
    #[error("`{0}` is too large: a side has at most {MAX_SIDE} pixels")]
    TooLarge(String),
}

impl FromStr for Resolution {
    type Err = ResolutionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ResolutionError::Form(text.to_owned());
        let (width, height) = text.split_once('x').ok_or_else(form)?;
        let side = |digits: &str| {
            let canonical = digits == "0" || !digits.starts_with('0');
            let decimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (canonical && decimal).then(|| saturating(digits)).ok_or_else(form)
        };
        let resolution = Self { width: side(width)?, height: side(height)? };
        if resolution.is_empty() {
            return Err(ResolutionError::Empty(text.to_owned()));
        }
        if resolution.width.max(resolution.height) > MAX_SIDE {
            return Err(ResolutionError::TooLarge(text.to_owned()));
        }
        Ok(resolution)
    }
}

/// The value of ASCII `digits`; one too large for `u32` becomes the largest `u32`,
/// which no limit lets through.
pub(crate) fn saturating(digits: &str) -> u32 {
    digits.bytes().fold(0, |value: u32, digit| value.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

impl Resolution {
    /// Whether neither side is given.
    pub fn is_empty(self) -> bool {
        self.width == 0 && self.height == 0
    }

    /// The prefix of every stored key of this resolution, such as `300x300/`.
    pub fn prefix(self) -> String {
        format!("{self}/")
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Bounds on sources and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest original, in bytes.
    pub max_source_bytes: u64,
    /// Largest original, in pixels.
    pub max_source_pixels: u64,
    /// Largest output, in pixels.
    pub max_output_pixels: u64,
    /// Most frames of an animation that stays one.
    pub max_frames: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_source_bytes: 64 << 20, max_source_pixels: 100_000_000, max_output_pixels: 25_000_000, max_frames: 500 }
    }
}

impl Limits {
    /// Whether an output of `resolution` is within the limits, as far as that is
    /// known without the original: a side that keeps the ratio counts as one pixel.
    pub fn allow(&self, resolution: Resolution) -> bool {
        let Resolution { width, height } = resolution;
        width.max(height) <= MAX_SIDE && u64::from(width.max(1)) * u64::from(height.max(1)) <= self.max_output_pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_api_allows() {
        for (text, width, height) in [("300x300", 300, 300), ("640x0", 640, 0), ("0x480", 0, 480), ("16383x1", 16383, 1)] {
            assert_eq!(text.parse(), Ok(Resolution { width, height }), "{text}");
        }
    }

    #[test]
    fn refuses_with_a_message_that_names_the_text() {
        for text in
            ["", "x", "300", "300x", "x300", "300X300", "0300x300", "300x300 ", "+3x3", "٣x٣", "0x0", "16384x1", "99999999999999999999x1"]
        {
            let error = text.parse::<Resolution>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let limits = Limits::default();
        for (width, height, allowed) in [(5000, 5000, true), (5001, 5000, false), (16383, 0, true), (16384, 1, false), (u32::MAX, 1, false)]
        {
            assert_eq!(limits.allow(Resolution { width, height }), allowed, "{width}x{height}");
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(width in 0..=MAX_SIDE, height in 1..=MAX_SIDE) {
            let resolution = Resolution { width, height };
            prop_assert_eq!(resolution.to_string().parse(), Ok(resolution));
        }
    }
}
