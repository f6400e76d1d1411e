//! What light and two differences of colour mean → red, green and blue: H.273's matrices, and the ranges of samples.
//!
//! Below what paints, above the header that says which.

use super::av1::{Colours, Header, Layout};
use crate::Error;

/// Bits behind the point of the numbers here.
const POINT: u32 = 13;

/// Numbers for samples as they are stored: three for each of red, green and blue, and what is added.
pub(super) struct Matrix {
    rows: [[i32; 3]; 3],
    offsets: [i32; 3],
    /// The same for light alone.
    light: (i32, i32),
    /// Of what comes out.
    most: i32,
}

/// A kind of number for a colour: a byte, or one of 16 bits.
pub(super) trait Value: Copy {
    fn of(value: i32) -> Self;
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the most of its kind")]
impl Value for u8 {
    fn of(value: i32) -> Self {
        value as Self
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the most of its kind")]
impl Value for u16 {
    fn of(value: i32) -> Self {
        value as Self
    }
}

/// Parts of red and blue in light.
fn parts(matrix: u16, primaries: u16) -> Option<(f64, f64)> {
    Some(match (matrix, primaries) {
        (1, _) | (12, 1) => (0.2126, 0.0722),
        // what most encoders mean who say nothing
        (2 | 5 | 6, _) => (0.299, 0.114),
        (4, _) => (0.3, 0.11),
        (7, _) => (0.212, 0.087),
        (9, _) | (12, 9) => (0.2627, 0.0593),
        // those of Display P3
        (12, 12) => (0.228_975, 0.079_287),
        _ => return None,
    })
}

/// For light from 0 to 1, and differences of colour from -0.5 to 0.5.
fn rows(matrix: u16, primaries: u16) -> Option<[[f64; 3]; 3]> {
    if matrix == 8 {
        return Some([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]]);
    }
    let (red, blue) = parts(matrix, primaries)?;
    let green = 1.0 - red - blue;
    let (of_red, of_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
    Some([[1.0, 0.0, of_red], [1.0, -of_blue * blue / green, -of_red * red / green], [1.0, of_blue, 0.0]])
}

impl Matrix {
    /// To numbers from 0 to `most`.
    #[allow(clippy::cast_possible_truncation, reason = "at most the largest samples, matrix and number: below 2^31")]
    pub(super) fn new(header: &Header, colours: Colours, most: u16) -> Result<Self, Error> {
        let Colours { primaries, matrix, full_range, .. } = colours;
        let unit = f64::from(1_u32 << (header.depth - 8));
        let (black, white, swing) = if full_range {
            let largest = 256.0 * unit - 1.0;
            (0.0, largest, largest)
        } else {
            (16.0 * unit, 219.0 * unit, 224.0 * unit)
        };
        let is_identity = matrix == 0 && header.layout == Layout::Full;
        // green, blue and red
        let identity = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        let rows = if is_identity || header.layout == Layout::Gray { Some(identity) } else { rows(matrix, primaries) };
        let rows = rows.ok_or_else(|| Error::Unsupported(format!("AVIF of matrix {matrix}, which is not read")))?;
        let (swing, middle) = if is_identity { (white, black) } else { (swing, 128.0 * unit) };
        let scale = f64::from(most) * f64::from(1_u32 << POINT);
        let rows = rows.map(|[light, blue, red]| [light / white * scale, blue / swing * scale, red / swing * scale]);
        let offsets = rows.map(|[light, blue, red]| f64::from(1_u32 << (POINT - 1)) - light * black - (blue + red) * middle);
        let rows = rows.map(|row| row.map(|number| number.round() as i32));
        let gray = scale / white;
        let light = (gray.round() as i32, (f64::from(1_u32 << (POINT - 1)) - gray * black).round() as i32);
        Ok(Self { rows, offsets: offsets.map(|number| number.round() as i32), light, most: most.into() })
    }

    fn made<T: Value>(&self, number: i32) -> T {
        T::of((number >> POINT).clamp(0, self.most))
    }

    /// A row of pixels, whose first three numbers are written.
    pub(super) fn colours<'a, T: Value + 'a>(&self, light: &[u16], blue: &[u16], red: &[u16], into: impl Iterator<Item = &'a mut [T]>) {
        for (((&light, &blue), &red), into) in light.iter().zip(blue).zip(red).zip(into) {
            let samples = [light, blue, red].map(i32::from);
            if let Some(into) = into.first_chunk_mut::<3>() {
                *into = std::array::from_fn(|index| {
                    let row = self.rows[index];
                    self.made(self.offsets[index] + row[0] * samples[0] + row[1] * samples[1] + row[2] * samples[2])
                });
            }
        }
    }

    /// A row of pixels of light alone, of which every number is written.
    pub(super) fn gray<'a, T: Value + 'a>(&self, light: &[u16], into: impl Iterator<Item = &'a mut [T]>) {
        let (number, offset) = self.light;
        for (&light, into) in light.iter().zip(into) {
            into.fill(self.made(offset + number * i32::from(light)));
        }
    }
}
